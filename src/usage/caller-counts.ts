/** Counts the principals that fetched tokens of an integration in the last 30 days. Counts are kept in memory and written in batches. */

import { Type } from 'typebox'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import { isLostRace } from '../store/compare-and-set.ts'
import { documentKind } from '../store/documents.ts'
import { isUnusable } from '../store/integrity/record-schema.ts'
import { countedOnce } from '../store/integrity/unconfirmed.ts'
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
  type CallerRow,
  type CountsByCaller,
  countRead,
  DayCount,
  merged,
  type ReadonlyCounts,
  rowsOf,
} from './caller-days.ts'
import {
  type AddressesByCaller,
  type CountedRequest,
  keepAddresses,
  mergedNetworks,
  type NetworkNames,
  networkAdder,
  noteAddress,
  StoredNetworks,
} from './caller-networks.ts'
import { newCallers, type Unusual, unusualRates } from './unusual.ts'

interface ReadCounts {
  /** Sorted by principal, without networks. */
  readonly rows: readonly CallerRow[]
  /** One of the rows with the networks that are stored of it. */
  withNetworks(row: CallerRow): CallerRow
}

export interface CallerCounts {
  /** A token was handed out. */
  note(
    principalId: string,
    lease: Pick<Lease, 'integration' | 'uid'>,
    at: number,
    request: CountedRequest,
  ): void
  /** A request to Salesforce that a principal named. */
  noteRequest(request: CalledRequest, lease: Pick<Lease, 'integration' | 'uid'>, at: number): void
  /** The written counts of all replicas. */
  read(integration: { readonly name: string; readonly uid: string }): Promise<ReadCounts>
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
/** An integration that nobody read for a month has no counts, but its next reader is new. */
const KEPT_MS = 100 * DAY_MS

const StoredCounts = Type.Object({
  /** A new integration with the same name starts at zero. */
  uid: Type.String(),
  counts: Type.Array(Type.Tuple([Type.String(), Type.Array(DayCount)])),
  /** Absent: nobody named a request, or a former release wrote it. */
  requests: Type.Optional(SeenRequests),
  /** Epoch milliseconds since which all reads are counted. Absent: a former release wrote it. */
  since: Type.Optional(Type.Number()),
  /** Absent: nobody looks for what is unusual. */
  networks: Type.Optional(StoredNetworks),
})

type StoredCounts = BodyOf<typeof StoredCounts>

const CALLERS = documentKind({ kind: 'callers', schema: StoredCounts })

/** Counts of one integration since the last write. */
interface Fresh {
  readonly uid: string
  readonly counts: CountsByCaller
  readonly requests: RequestCounts
  readonly addresses: AddressesByCaller
}

/** Looks for what is unusual. */
interface CallerWatch {
  readonly names: NetworkNames
  /** Whether the integration is watched. */
  isOn(integration: Pick<Lease, 'integration' | 'uid'>): Promise<boolean>
  /** Something unusual was found, by this replica alone. Must not throw. */
  found(integration: string, unusual: Unusual): void
}

export function createCallerCounts(dependencies: {
  readonly documents: Pick<Documents, 'read' | 'write'>
  readonly runtime: Runtime
  readonly log: Pick<Log, 'warn'>
  /** Absent: nothing is unusual. */
  readonly watch?: CallerWatch
}): CallerCounts {
  const { documents, runtime, log, watch } = dependencies
  const { now } = runtime
  let fresh = new Map<string, Fresh>()
  let writing: Promise<void> | undefined
  /** Whether the store refuses the counts. Logged once. */
  let isWaiting = false
  /** Whether other replicas were faster at the last write. */
  let isContended = false

  /** The last attempt to write decides what was unusual, because it saw what all others wrote. */
  const store = async (name: string, { uid, counts, requests, addresses }: Fresh) => {
    const names = watch && (await watch.isOn({ integration: name, uid })) ? watch.names : undefined
    let unusual: readonly Unusual[] = []
    await countedOnce(() =>
      CALLERS.update(
        documents,
        name,
        (stored) => {
          const body = stored?.body.uid === uid ? stored.body : undefined
          const at = now()
          const known = requestsIn(body)
          const before = countsIn(body)
          const after = merged(before, counts, at)
          const reads = { before, fresh: counts, after }
          const since = body?.since ?? earliest(before) ?? earliest(counts) ?? at
          const places =
            names && mergedNetworks(body?.networks ?? [], addresses, { uid, names, now: at })
          unusual = places
            ? [
                ...newCallers(reads, { since, now: at }),
                ...places.found.map((it) => ({ action: 'caller.new_network' as const, ...it })),
                ...unusualRates(reads, at),
              ]
            : []
          return {
            ...{ uid, counts: [...after], since },
            ...((known.size > 0 || requests.size > 0) && {
              requests: [...mergedRequests(known, requests, at)],
            }),
            ...(places && { networks: places.networks }),
          }
        },
        () => now() + KEPT_MS,
      ),
    )
    for (const one of unusual) watch?.found(name, one)
  }

  const freshOf = ({ integration, uid }: Pick<Lease, 'integration' | 'uid'>): Fresh => {
    const counted = fresh.get(integration)
    if (counted?.uid === uid) return counted
    const begun = { uid, counts: new Map(), requests: new Map(), addresses: new Map() }
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
    const addresses = current?.addresses ?? new Map()
    keepAddresses(addresses, former.addresses)
    fresh.set(name, { uid: former.uid, counts, requests, addresses })
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
    note(principalId, lease, at, request) {
      const { counts, addresses } = freshOf(lease)
      countRead(counts, principalId, at)
      noteAddress(addresses, principalId, request)
    },
    noteRequest(request, lease, at) {
      noteRequest(freshOf(lease).requests, request, at)
    },
    async read({ name, uid }) {
      await settle()
      const stored = await CALLERS.read(documents, name)
      const body = stored?.body.uid === uid ? stored.body : undefined
      const requests = requestRows(mergedRequests(requestsIn(body), new Map(), now()))
      const rows = withRequests(rowsOf(countsIn(body), now()), requests)
      const withNetworks = watch
        ? networkAdder(body?.networks ?? [], { uid, names: watch.names, now: now() })
        : (row: CallerRow) => row
      return { rows, withNetworks }
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

const requestsIn = (stored: StoredCounts | undefined): ReadonlyRequestCounts =>
  new Map(stored?.requests)

const countsIn = (stored: StoredCounts | undefined): ReadonlyCounts => new Map(stored?.counts)

/** Undefined: nobody read. */
function earliest(counts: ReadonlyCounts): number | undefined {
  const times = [...counts.values()].flatMap((days) => days.map(({ firstAt }) => firstAt))
  return times.length === 0 ? undefined : Math.min(...times)
}
