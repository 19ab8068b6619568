/** Audit lines of denied requests. Repeated anonymous ones are counted by network, so that nobody can fill the audit from outside. */
import { networkOf } from '../http/address.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import type { Actor, AuditEntry } from './event.ts'

export interface Denial {
  readonly requestId: string
  /** Null: the caller is not authenticated. With `outside_networks`: whose credential it has. */
  readonly principal: string | null
  /** The problem's code, `outside_networks` or `revoke_ignored`. */
  readonly code: string
  readonly address: string
  /** The `operationId` of the route. */
  readonly operation?: string
  /** The id of the key that the URL exposed, or that came from outside its networks. */
  readonly apiKey?: string
  /** The requested integration, or the one whose token the caller has. It counts only for an authenticated caller, or with a token. */
  readonly integration?: string
  /** The id of the token that the caller has. */
  readonly tokenId?: string
  /** The principal that the caller is, or that got the token at its address. */
  readonly client?: string
}

interface Kind {
  readonly principal: string | null
  readonly entry: AuditEntry
}

const REPORT_MS = 10_000
const OTHERS: Kind = {
  principal: null,
  entry: { action: 'request.denied', integration: null, outcome: 'denied' },
}

export function createDenials(dependencies: {
  readonly runtime: Runtime
  readonly isBlocked: () => boolean
  readonly line: (by: Actor, entry: AuditEntry) => void
  /** Called for each denial, for the count in the store. */
  readonly store: (by: Actor, entry: AuditEntry) => void
}) {
  const { runtime, isBlocked, line, store } = dependencies
  const repeats = createRepeats<Kind>(runtime.monotonic, OTHERS)

  /** Reports nothing while lines cannot be written, because the number of waiting lines must be limited. */
  const report = (all = false) => {
    if (isBlocked()) return
    for (const { kind, count } of repeats.take(all)) line(...counted(kind, count))
  }

  const task = createTask({
    ...{ runtime, firstMs: REPORT_MS },
    async work() {
      report()
      return REPORT_MS
    },
  })

  return {
    add(denial: Denial): void {
      const { principal, requestId, code, address } = denial
      const by = { principal, requestId }
      const entry = auditEntryOf(denial)
      store(by, entry)
      const isListed = principal !== null && !isBlocked()
      const { tokenId, client } = denial
      // Nobody can invent these two: they stand for a token that an integration has.
      const key = JSON.stringify([principal, networkOf(address), code, tokenId, client])
      if (isListed || repeats.isFirst(key, { principal, entry })) line(by, entry)
    },
    start: task.start,
    /** Reports the remaining counts. */
    async stop(): Promise<void> {
      await task.stop()
      report(true)
    },
  }
}

function auditEntryOf(denial: Denial): AuditEntry {
  const { principal, code, address, operation, integration, tokenId, apiKey, client } = denial
  const isProven = principal !== null || tokenId !== undefined
  return {
    action: 'request.denied',
    integration: isProven ? (integration ?? null) : null,
    outcome: 'denied',
    ...(tokenId !== undefined && { tokenId }),
    detail: {
      reason: code,
      ...(operation !== undefined && { operation }),
      ...(apiKey !== undefined && { api_key: apiKey }),
      ...(client !== undefined && { client }),
      address,
    },
  }
}

function counted({ principal, entry }: Kind, count: number): [Actor, AuditEntry] {
  const { address } = entry.detail ?? {}
  const network = address !== undefined && { address: networkOf(address) }
  return [
    { principal, requestId: null },
    { ...entry, detail: { ...entry.detail, ...network, count } },
  ]
}

interface Repeats<Kind> {
  /** Whether it is the first of the minute. */
  isFirst(key: string, kind: Kind): boolean
  /** Ends minutes that are over, or all. Returns the repeated kinds with their counts. */
  take(all?: boolean): readonly { readonly kind: Kind; readonly count: number }[]
}

const MINUTE_MS = 60_000
/** Most separate kinds in one minute. Further ones share one count. */
const KINDS_MAX = 10_000

interface Counted<Kind> {
  readonly kind: Kind
  readonly endsAt: number
  count: number
}

/** `monotonic`: monotonic clock, in milliseconds. `others`: stands for the kinds above the limit. */
function createRepeats<Kind>(monotonic: () => number, others: Kind): Repeats<Kind> {
  const counts = new Map<string, Counted<Kind>>()

  return {
    isFirst(key, kind) {
      const room = counts.size < KINDS_MAX || counts.has(key)
      const place = room ? key : ''
      const counted = counts.get(place)
      if (counted) {
        counted.count += 1
        return false
      }
      counts.set(place, {
        kind: room ? kind : others,
        endsAt: monotonic() + MINUTE_MS,
        count: room ? 0 : 1,
      })
      return room
    },
    take(all = false) {
      const over = [...counts].filter(([, { endsAt }]) => all || endsAt <= monotonic())
      for (const [key] of over) counts.delete(key)
      return over.flatMap(([, { kind, count }]) => (count > 0 ? [{ kind, count }] : []))
    },
  }
}
