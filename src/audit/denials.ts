/** Denied requests: anonymous ones that repeat are counted, so that nobody can fill the audit from outside. */
import type { Actor, Happening } from './event.ts'
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

export interface Denials {
  add(denial: Denial): void
  /** Begins to report what was counted. */
  start(): void
  /** Reports what was counted, and no more. */
  stop(): void
}

export interface DenialsDependencies {
  readonly now: () => number
  readonly isBlocked: () => boolean
  readonly line: (by: Actor, happening: Happening) => void
  readonly store: (by: Actor, happening: Happening) => void
  readonly lineAndStore: (by: Actor, happening: Happening) => void
}

interface Kind {
  readonly principal: string | null
  readonly happening: Happening
}

const REPORT_MS = 10_000
const OTHERS: Kind = {
  principal: null,
  happening: { action: 'request.denied', integration: null, outcome: 'denied' },
}

export function createDenials(dependencies: DenialsDependencies): Denials {
  const { now, isBlocked, line, store, lineAndStore } = dependencies
  const anonymous = createRepeats<Kind>(now, OTHERS)
  const proven = createRepeats<Kind>(now, OTHERS)
  let timer: NodeJS.Timeout | undefined

  /** Nothing is reported while lines cannot be written: what waits must stay bounded. */
  const report = (all = false) => {
    if (isBlocked()) return
    for (const { kind, count } of anonymous.take(all)) lineAndStore(...counted(kind, count))
    for (const { kind, count } of proven.take(all)) store(...counted(kind, count))
  }

  return {
    add(denial) {
      const { principal, requestId } = denial
      const kind = { principal, happening: happeningOf(denial) }
      const by = { principal, requestId }
      if (principal === null || isBlocked()) {
        const key = JSON.stringify([principal, denial.address, denial.code])
        if (anonymous.isFirst(key, kind)) lineAndStore(by, kind.happening)
        return
      }
      const key = JSON.stringify([principal, denial.operation, denial.integration, denial.code])
      if (proven.isFirst(key, kind)) lineAndStore(by, kind.happening)
      else line(by, kind.happening)
    },
    start() {
      timer = setInterval(report, REPORT_MS)
      timer.unref()
    },
    stop() {
      clearInterval(timer)
      report(true)
    },
  }
}

function happeningOf(denial: Denial): Happening {
  const { principal, code, address, operation, integration } = denial
  return {
    action: 'request.denied',
    integration: principal === null ? null : (integration ?? null),
    outcome: 'denied',
    detail: { reason: code, ...(operation !== undefined && { operation }), address },
  }
}

function counted({ principal, happening }: Kind, count: number): [Actor, Happening] {
  return [
    { principal, requestId: null },
    { ...happening, detail: { ...happening.detail, count } },
  ]
}
