/** Adds a code to every record of an older release. If all records have one and no replica runs such a release, marks the store as requiring codes. */

import { type Keyring, sealedWith } from '../crypto/keyring.ts'
import { isSealedDefinition, sealedToRequireCodes } from '../integrations/integration-store.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import type { MacRequirement } from '../store/integrity/mac-requirement.ts'
import {
  type AuthenticRecord,
  judgeMac,
  macOf,
  ofDocument,
  ofIntegration,
  parseMac,
} from '../store/integrity/record-mac.ts'
import { isCorrupt, unlessCorrupt } from '../store/integrity/record-schema.ts'
import { pages } from '../store/records.ts'
import type { MacHead, MacPlace } from '../store/seals.ts'
import type { Store } from '../store/store.ts'
import type { SingleFlight } from '../tokens/mint/single-flight.ts'
import type { Replicas } from './replicas.ts'

export type RecordProver = ReturnType<typeof createRecordProver>

/** `refused`: the record does not verify, so it gets no code. `locked`: its proof is sealed with a key that is not in the keyring. */
type Renewal = 'renewed' | 'current' | 'changed' | 'gone' | 'refused' | 'locked'

const LOOK_MS = 5_000
/** After the work, another replica may have found that the mark is missing. */
const DONE_LOOK_MS = 60_000
const PAGE = 200
const LOCK = 'keyring:macs'
const ATTEMPTS = 5

interface Found {
  readonly head: MacHead
  readonly record: AuthenticRecord
  /** Whether its sealed part proves the record. Throws `record_corrupt`. */
  isSealed(): Promise<boolean>
  /** Seals the mark that every record needs a code. A part that does not open stays. False: the record changed meanwhile. */
  sayRequired(): Promise<boolean>
  /** The id of the key that it needs. Undefined: none. */
  readonly needs: string | undefined
}

export function createRecordProver(dependencies: {
  /** The store of the engine. */
  readonly store: Pick<Store, 'documents' | 'integrations' | 'seals'>
  readonly keyring: Pick<Keyring, 'sealingKeyId' | 'keyIds' | 'macs' | 'open' | 'seal'>
  readonly requirement: MacRequirement
  /** All kinds of documents. */
  readonly kinds: readonly string[]
  /** `underLock`: only one replica works, and another one takes over within seconds. */
  readonly replicas: Pick<Replicas, 'list'> & Pick<SingleFlight, 'underLock'>
  readonly runtime: Runtime
  readonly log: Log
}) {
  const { store, keyring, requirement, kinds, replicas, runtime, log } = dependencies
  const { integrations, documents, seals } = store
  const { macs, sealingKeyId } = keyring
  let waiting: string | undefined
  let lastRefused = 0

  const find = async (place: MacPlace, id: string): Promise<Found | undefined> => {
    if (place !== 'integrations') {
      const found = await documents.read(place.kind, id)
      if (!found) return undefined
      const head = { id, uid: '', version: found.version, mac: found.mac ?? '' }
      const record = ofDocument(place.kind, found)
      return {
        head,
        record,
        isSealed: async () => true,
        sayRequired: async () => true,
        needs: undefined,
      }
    }
    const found = await integrations.readSealed(id)
    if (!found) return undefined
    const { uid, version, mac = '', secrets } = found
    return {
      head: { id, uid, version, mac },
      record: ofIntegration(found),
      isSealed: () => isSealedDefinition(keyring, found),
      async sayRequired() {
        const sealed = await unlessCorrupt(sealedToRequireCodes(keyring, found))
        return sealed === undefined || seals.swapSecrets(id, secrets, sealed)
      },
      needs: secrets === '' ? undefined : (sealedWith(secrets) ?? ''),
    }
  }

  const renewOnce = async (place: MacPlace, id: string): Promise<Renewal> => {
    const found = await find(place, id)
    if (!found) return 'gone'
    const { head, record } = found
    const verdict = judgeMac(macs, head.mac, record)
    if (verdict === 'key_unknown') return 'locked'
    if (verdict === 'mac_wrong') return 'refused'
    if (verdict === 'authentic') {
      const parsed = parseMac(head.mac)
      const isCurrent = parsed?.keyId === sealingKeyId && parsed.stage === requirement.stage()
      if (isCurrent) return 'current'
    } else {
      if (!(await requirement.acceptsUnproven())) return 'refused'
      if (found.needs !== undefined && !keyring.keyIds.includes(found.needs)) return 'locked'
      if (!(await found.isSealed())) return 'refused'
    }
    const stage = requirement.stage()
    if (stage === 'b' && !(await found.sayRequired())) return 'changed'
    const mac = macOf(macs, stage, record)
    return (await seals.swapMac(place, head, mac)) ? 'renewed' : 'changed'
  }

  /** Renews the code of one record with the current sealing key. */
  const renew = async (place: MacPlace, id: string): Promise<Renewal> => {
    try {
      for (let tries = 1; tries < ATTEMPTS; tries += 1) {
        const result = await renewOnce(place, id)
        if (result !== 'changed') return result
      }
      return await renewOnce(place, id)
    } catch (error) {
      if (isCorrupt(error)) return 'refused'
      throw error
    }
  }

  /** Whether its code is outdated. Valid codes only: each reader reports a wrong one. */
  const isOld = ({ mac, version }: MacHead) => {
    const parsed = parseMac(mac)
    if (!parsed || parsed.version < version) return true
    return requirement.stage() === 'b' && parsed.stage === 'a'
  }

  const renewAll = async () => {
    const counts: Record<Renewal, number> = {
      ...{ renewed: 0, current: 0, changed: 0, gone: 0, refused: 0, locked: 0 },
    }
    for (const place of ['integrations' as const, ...kinds.map((kind) => ({ kind }))]) {
      for await (const { items } of pages((page) => seals.macs(place, page), { limit: PAGE })) {
        for (const head of items) {
          if (task.stopped.aborted) return undefined
          if (isOld(head)) counts[await renew(place, head.id)] += 1
        }
      }
    }
    return counts
  }

  /** One pass over all records. Returns whether everything is done. */
  const work = async (): Promise<boolean> => {
    const mark = await requirement.mark()
    if (mark?.isComplete && requirement.mode !== 'accept') return true
    const counts = await renewAll()
    if (!counts) return false
    const { renewed, changed, locked, refused } = counts
    if (renewed > 0) log.info({ records: renewed }, 'records got authentication codes')
    if (refused > lastRefused) {
      log.warn({ records: refused }, 'records without an authentication code are not used')
    }
    lastRefused = refused
    const strangers = (await replicas.list()).filter(({ makesMacs }) => makesMacs !== true)
    waiting = waitingFor({ locked, strangers })
    if (waiting !== undefined || changed > 0 || requirement.mode === 'accept') return false
    // Also renews older codes, so that the mark cannot be removed.
    await requirement.require({ isComplete: mark !== undefined || requirement.mode === 'refuse' })
    if (!mark)
      log.info(
        {},
        'every record has an authentication code: records without one are no longer used',
      )
    return false
  }

  /** Works step by step as long as each makes progress. Returns the pause until the next look. */
  const workOn = async (): Promise<number> => {
    while (!task.stopped.aborted) {
      const before = await requirement.mark()
      if (await work()) return DONE_LOOK_MS
      const after = await requirement.mark()
      if (before?.isComplete === after?.isComplete) break
    }
    return requirement.mode === 'accept' ? DONE_LOOK_MS : LOOK_MS
  }

  const task = createTask({
    ...{ runtime, retryMs: LOOK_MS },
    outage: createOutageLogger(log, 'records cannot get authentication codes', runtime),
    async work() {
      // Also on a replica that leaves the work to another.
      const isDone = (await requirement.mark())?.isComplete && requirement.mode !== 'accept'
      if (isDone) waiting = undefined
      if (isDone) return DONE_LOOK_MS
      return (await replicas.underLock(LOCK, workOn))?.result ?? { idleMs: LOOK_MS }
    },
  })

  return {
    /** Why records without a code are still accepted, in one sentence. Undefined: they are not. */
    waiting: (): string | undefined => waiting,
    renew,
    start: task.start,
    stop: task.stop,
  }
}

function waitingFor(reasons: {
  readonly locked: number
  readonly strangers: readonly { readonly id: string }[]
}): string | undefined {
  const { locked, strangers } = reasons
  const [first] = strangers
  if (first) return `replica ${first.id} runs a release that writes no codes`
  if (locked === 0) return undefined
  return `${locked} records without a code are sealed with a key that is not in the keyring`
}
