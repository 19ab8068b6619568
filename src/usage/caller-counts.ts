/** Counts the principals that fetched tokens of an integration in the last 30 days. Counts are kept in memory and written in batches. */

import { Type } from 'typebox'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import { isLostRace } from '../store/compare-and-set.ts'
import { documentKind } from '../store/documents.ts'
import { isUnusable } from '../store/integrity/record-schema.ts'
import type { BodyOf } from '../store/record-body.ts'
import type { Documents } from '../store/store.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import {
  type CalledRequest,
  mergedRequests,
  noteRequest,
  type ReadonlyRequestCounts,
  type RequestCounts,
  requestRows,
  SeenRequests,
  withRequests,
} from './called-requests.ts'
import {
  bucketOf,
  type CallerRow,
  type CountsByCaller,
  DayCount,
  merged,
  type ReadonlyCounts,
  rowsOf,
} from './caller-days.ts'

export interface CallerCounts {
  note(principalId: string, lease: Pick<Lease, 'integration' | 'uid'>, at: number): void
  /** A request to Salesforce that a principal named. */
  noteRequest(request: CalledRequest, lease: Pick<Lease, 'integration' | 'uid'>, at: number): void
  /** The written counts of all replicas, sorted by principal. */
  read(integration: { readonly name: string; readonly uid: string }): Promise<readonly CallerRow[]>
  start(): void
  /** Writes the remaining counts. */
  stop(): Promise<void>
}

const WRITE_MS = 10_000
/** Integrations whose counts are written together. The embedded store then waits for the disk once. */
const AT_ONCE = 50
/** At the end, where others are faster again and again. */
const LAST_TRIES = 5
const DAY_MS = 86_400_000
const KEPT_MS = 31 * DAY_MS

const StoredCounts = Type.Object({
  /** A new integration with the same name starts at zero. */
  uid: Type.String(),
  counts: Type.Array(Type.Tuple([Type.String(), Type.Array(DayCount)])),
  /** Absent: nobody named a request, or a former release wrote it. */
  requests: Type.Optional(SeenRequests),
})

type StoredCounts = BodyOf<typeof StoredCounts>

const CALLERS = documentKind({ kind: 'callers', schema: StoredCounts })

/** Counts of one integration since the last write. */
interface Fresh {
  readonly uid: string
  readonly counts: CountsByCaller
  readonly requests: RequestCounts
}

export function createCallerCounts(dependencies: {
  readonly documents: Pick<Documents, 'read' | 'write'>
  readonly runtime: Runtime
  readonly log: Pick<Log, 'warn'>
}): CallerCounts {
  const { documents, runtime, log } = dependencies
  const { now } = runtime
  let fresh = new Map<string, Fresh>()
  let writing: Promise<void> | undefined
  /** Whether the store refuses the counts. Logged once. */
  let isWaiting = false
  /** Whether other replicas were faster at the last write. */
  let isContended = false

  const store = (name: string, { uid, counts, requests }: Fresh) =>
    CALLERS.update(
      documents,
      name,
      (stored) => {
        const known = requestsIn(stored?.body, uid)
        return {
          uid,
          counts: [...merged(countsIn(stored?.body, uid), counts, now())],
          ...((known.size > 0 || requests.size > 0) && {
            requests: [...mergedRequests(known, requests, now())],
          }),
        }
      },
      () => now() + KEPT_MS,
    )

  const freshOf = ({ integration, uid }: Pick<Lease, 'integration' | 'uid'>): Fresh => {
    const counted = fresh.get(integration)
    if (counted?.uid === uid) return counted
    const begun = { uid, counts: new Map(), requests: new Map() }
    fresh.set(integration, begun)
    return begun
  }

  /** Returns counts to the next write. */
  const keep = (name: string, former: Fresh) => {
    const current = fresh.get(name)
    if (current && current.uid !== former.uid) return
    const counts = current ? merged(former.counts, current.counts, now()) : former.counts
    const requests = current
      ? mergedRequests(former.requests, current.requests, now())
      : former.requests
    fresh.set(name, { uid: former.uid, counts, requests })
  }

  const writeAll = async () => {
    const batch = fresh
    fresh = new Map()
    let isAway = false
    isContended = false
    const storeOne = async ([name, counted]: readonly [string, Fresh]) => {
      try {
        if (isAway) keep(name, counted)
        else await store(name, counted)
      } catch (error) {
        keep(name, counted)
        if (isUnusable(error)) return
        // A race only concerns one integration.
        if (isLostRace(error)) isContended = true
        else isAway = true
        if (!isWaiting) log.warn({ err: error }, 'the counts of callers cannot be stored yet')
        isWaiting = true
      }
    }
    const all = [...batch]
    for (let from = 0; from < all.length; from += AT_ONCE) {
      await Promise.all(all.slice(from, from + AT_ONCE).map(storeOne))
    }
    isWaiting = isAway || isContended
    writing = undefined
  }

  const write = (): Promise<void> => {
    if (!writing && fresh.size > 0) writing = writeAll()
    return writing ?? Promise.resolve()
  }

  const task = createTask({
    ...{ runtime, firstMs: WRITE_MS },
    async work() {
      await write()
      return WRITE_MS
    },
  })

  /** Waits until all counts so far are written. */
  const settle = async () => {
    await writing
    await write()
  }

  return {
    note(principalId, lease, at) {
      const bucket = bucketOf(freshOf(lease).counts, principalId, at)
      bucket.lastAt = at
      bucket.count += 1
    },
    noteRequest(request, lease, at) {
      noteRequest(freshOf(lease).requests, request, at)
    },
    async read({ name, uid }) {
      await settle()
      const stored = await CALLERS.read(documents, name)
      const requests = requestRows(mergedRequests(requestsIn(stored?.body, uid), new Map(), now()))
      return withRequests(rowsOf(countsIn(stored?.body, uid), now()), requests)
    },
    start: task.start,
    async stop() {
      await task.stop()
      await settle()
      for (let tries = 1; isContended && tries < LAST_TRIES; tries += 1) await settle()
      if (fresh.size > 0)
        log.warn({ integrations: fresh.size }, 'the last counts of callers were lost')
    },
  }
}

const requestsIn = (stored: StoredCounts | undefined, uid: string): ReadonlyRequestCounts =>
  new Map(stored?.uid === uid ? stored.requests : [])

const countsIn = (stored: StoredCounts | undefined, uid: string): ReadonlyCounts =>
  new Map(stored?.uid === uid ? stored.counts : [])
