/** The lines of denied requests: anonymous ones that repeat are counted by network, so that nobody can fill the audit from outside. */
import { networkOf } from '../http/address.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import type { Actor, AuditEntry } from './event.ts'
import { createRepeats } from './repeats.ts'

export interface Denial {
  readonly requestId: string
  /** Null where the caller is not proven. */
  readonly principal: string | null
  /** The problem's code. */
  readonly code: string
  readonly address: string
  /** The `operationId` of the route. */
  readonly operation?: string
  /** The integration asked for; only said of a proven caller. */
  readonly integration?: string
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
  /** Each one, for the count in the store. */
  readonly store: (by: Actor, entry: AuditEntry) => void
}) {
  const { runtime, isBlocked, line, store } = dependencies
  const repeats = createRepeats<Kind>(runtime.monotonic, OTHERS)

  /** Nothing is reported while lines cannot be written: what waits must stay bounded. */
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
      const key = JSON.stringify([principal, networkOf(address), code])
      if (isListed || repeats.isFirst(key, { principal, entry })) line(by, entry)
    },
    /** Begins to report what was counted. */
    start: task.start,
    /** Reports what was counted, and no more. */
    async stop(): Promise<void> {
      await task.stop()
      report(true)
    },
  }
}

function auditEntryOf(denial: Denial): AuditEntry {
  const { principal, code, address, operation, integration } = denial
  return {
    action: 'request.denied',
    integration: principal === null ? null : (integration ?? null),
    outcome: 'denied',
    detail: { reason: code, ...(operation !== undefined && { operation }), address },
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
