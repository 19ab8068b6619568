/** Reseals everything with the first key, in the background. A request starts it, and any replica with the same first key continues it after a crash. */

import { type Actor, type AuditEntry, NOBODY } from '../audit/event.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { BrokerError } from '../errors/errors.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createTask, pauseUntil } from '../runtime/tasks.ts'
import { lostRace } from '../store/compare-and-set.ts'
import type { StoredDocument } from '../store/documents.ts'
import type { Documents } from '../store/store.ts'
import type { SingleFlight } from '../tokens/mint/single-flight.ts'
import { lacking, type Replicas } from './replicas.ts'
import { JOB_ID, newJob, RESEAL_JOBS, type ResealJob } from './reseal-job.ts'
import type { SealedListing, SealedRecord } from './sealed-records.ts'

export type Resealer = ReturnType<typeof createResealer>

/** Pause while another replica works. */
const LOOK_MS = 2_000
/** Progress is written after each page. */
const PAGE = 200
const LOCK = 'keyring:reseal'
/** Most records that are sealed at the same time. The work needs the processor, and callers take precedence. */
const CONCURRENCY = 8
/** Tries for one record. A writer may meanwhile have sealed it with the first key of another replica, which may be the old key. */
const ATTEMPTS = 5

type StoredJob = StoredDocument<ResealJob>
type Result = 'resealed' | 'current' | 'failed'

export function createResealer(dependencies: {
  readonly listings: readonly SealedListing[]
  readonly documents: Pick<Documents, 'read' | 'write'>
  /** `underLock`: only one replica works, and another one takes over within seconds. */
  readonly replicas: Pick<Replicas, 'list'> & Pick<SingleFlight, 'underLock'>
  readonly keyring: Pick<Keyring, 'sealingKeyId' | 'reseal'>
  /** Wraps the data keys again. */
  readonly rewrap: () => Promise<void>
  readonly audit: { background(by: Actor, entry: AuditEntry): void }
  readonly runtime: Runtime
  readonly log: Log
}) {
  const { listings, documents, replicas, keyring, rewrap, audit, runtime, log } = dependencies
  const { now } = runtime
  const { sealingKeyId } = keyring

  const read = () => RESEAL_JOBS.read(documents, JOB_ID)
  const write = (job: ResealJob, expected: number | 'absent') =>
    RESEAL_JOBS.claim(documents, JOB_ID, job, { expected })

  const reseal = async (record: SealedRecord): Promise<Result> => {
    if (record.keyId === sealingKeyId) return 'current'
    try {
      for (let tries = 0; tries < ATTEMPTS; tries += 1) {
        const result = await record.replace(keyring.reseal)
        if (result !== 'changed') return result === 'gone' ? 'current' : 'resealed'
      }
      log.warn({ kind: record.kind, id: record.id }, 'a record was changed while it was resealed')
    } catch (error) {
      if (!(error instanceof BrokerError) || error.code !== 'record_corrupt') throw error
      log.warn({ err: error, kind: record.kind, id: record.id }, 'a record cannot be resealed')
    }
    return 'failed'
  }

  const resealAll = async (records: readonly SealedRecord[]): Promise<readonly Result[]> => {
    const results: Result[] = []
    for (let at = 0; at < records.length; at += CONCURRENCY) {
      if (task.stopped.aborted) break
      results.push(...(await Promise.all(records.slice(at, at + CONCURRENCY).map(reseal))))
    }
    return results
  }

  /** Works on one page. Undefined: another replica continued meanwhile, or this one stops. */
  const step = async ({ version, body: job }: StoredJob): Promise<StoredJob | undefined> => {
    const page = await listings[job.listing]?.page({
      limit: PAGE,
      ...(job.after !== null && { after: job.after }),
    })
    const results = await resealAll(page?.items ?? [])
    if (task.stopped.aborted) return undefined
    const count = (what: Result) => results.filter((result) => result === what).length
    const listing = page?.next ? job.listing : job.listing + 1
    const moved: ResealJob = {
      ...job,
      listing,
      after: page?.next ?? null,
      seen: job.seen + results.length,
      resealed: job.resealed + count('resealed'),
      failed: job.failed + count('failed'),
      updatedAt: now(),
      finishedAt: listing < listings.length ? null : now(),
    }
    return write(moved, version)
  }

  const work = async (): Promise<void> => {
    let stored = await read()
    while (stored && isOurs(stored.body)) {
      stored = await step(stored)
      if (stored?.body.finishedAt) finished(stored.body)
    }
  }

  const isOurs = (job: ResealJob) => job.finishedAt === null && job.key === sealingKeyId

  const finished = ({ key, seen, resealed, failed }: ResealJob) => {
    log.info(
      { keyId: key, seen, resealed, failed },
      'all records were checked for the new sealing key',
    )
    audit.background(NOBODY, {
      action: 'keyring.resealed',
      integration: null,
      outcome: failed === 0 ? 'success' : 'failed',
      detail: { count: resealed },
    })
  }

  const task = createTask({
    ...{ runtime, retryMs: LOOK_MS },
    outage: createOutageLogger(log, 'records cannot be resealed', runtime),
    async work() {
      const stored = await read()
      const isIdle =
        !stored ||
        !isOurs(stored.body) ||
        // Undefined: another replica works at it.
        (await replicas.underLock(LOCK, work)) !== undefined
      return isIdle ? pauseUntil(Number.POSITIVE_INFINITY, now(), LOOK_MS) : { idleMs: LOOK_MS }
    },
  })

  const checkReplicas = async () => {
    const [first] = lacking(await replicas.list(), sealingKeyId)
    if (!first) return
    throw new BrokerError(
      'conflict',
      `Replica ${first.id} lacks the key ${sealingKeyId}, and could open nothing that is sealed with it: append it to VALETKEY_KEYRING everywhere first`,
    )
  }

  return {
    /** Starts a job, or returns the running one for this key. Throws `conflict` if a replica lacks the key or another request was faster, and `signer_unavailable` or `signing_refused` if the data keys cannot be wrapped again. */
    async request(by: string): Promise<{ readonly job: ResealJob; readonly isNew: boolean }> {
      await checkReplicas()
      await rewrap()
      const stored = await read()
      if (stored && isOurs(stored.body)) return { job: stored.body, isNew: false }
      const written = await write(newJob(sealingKeyId, by, now()), stored?.version ?? 'absent')
      if (!written) throw lostRace('the sealing of all records')
      task.wake()
      return { job: written.body, isNew: true }
    },
    /** The newest job. */
    async read(): Promise<ResealJob | undefined> {
      return (await read())?.body
    },
    start: task.start,
    wake: task.wake,
    tick: task.tick,
    stop: task.stop,
  }
}
