/** Remembers refusals for all replicas, so that no request is sent before it can succeed. Pure. */
import { Type } from 'typebox'
import { isUnsettled } from '../../custody/connection.ts'
import { BrokerError, type BrokerErrorOptions, isStoreTrouble } from '../../errors/errors.ts'
import type { ProblemCode } from '../../errors/problems.ts'
import {
  grantRefused,
  type Refusal,
  refusalOf,
  refusalRow,
  SPREADING_MINUTES,
  spreading,
} from '../../grants/refusals/refusals.ts'
import type { Integration } from '../../integrations/integration.ts'
import { isOfSigner } from '../../signers/signing-problem.ts'
import { type BodyOf, bodyReader } from '../../store/record-body.ts'
import type { RefusalRecord } from '../../store/store.ts'

/** A remembered refusal: the problem, and until when it is the answer. */
const Remembered = Type.Object({
  code: Type.Unsafe<ProblemCode>(Type.String()),
  detail: Type.String(),
  status: Type.Number(),
  members: Type.Record(Type.String(), Type.Unknown()),
  /** Absent: the remedy of the table. */
  remedy: Type.Optional(Type.String()),
  restUntil: Type.Number(),
  /** Number of refusals in a row, from 1. */
  count: Type.Number(),
  at: Type.Number(),
})

const readBody = bodyReader(Remembered)
const remembered = (name: string, { body }: RefusalRecord) =>
  readBody(body, `of the refusal of integration ${name}`)

type Refused = Pick<Integration, 'name' | 'version'>

const MINUTE_MS = 60_000
/** Pauses after permanent refusals: 30 s, then 1, 2, 5, at most 10 minutes. */
const PERMANENT_MS = [30_000, MINUTE_MS, 2 * MINUTE_MS, 5 * MINUTE_MS, 10 * MINUTE_MS] as const
/** Every 30 s for 10 minutes, then every 2 minutes. */
const PROPAGATING_MS = 30_000
const PROPAGATING_TIMES = 20
/** Pause after an answer that cannot be read, and longest pause after a failure at the source of a token. */
const UNREADABLE_MS = 1_000
/** Pause after an exceeded login rate. */
const WAIT_MS = 3_600_000
/** For this time after a change in Setup, propagation explains refusals. */
const PROPAGATION_MS = SPREADING_MINUTES * MINUTE_MS
/** A record stays after its pause, so that the next refusal is counted and the status shows it. */
const KEPT_MS = 20 * MINUTE_MS

/** Only answers of Salesforce are remembered. A budget, a draft or an unavailable store are not. */
const REMEMBERED: ReadonlySet<ProblemCode> = new Set([
  'grant_refused',
  'token_response_invalid',
  'salesforce_unavailable',
  'salesforce_timeout',
  'identity_changed',
  'token_not_bound',
  'integration_not_connected',
])

/** Remembered although Salesforce refused nothing. They last until an operator acts. */
const LASTING: ReadonlySet<ProblemCode> = new Set([
  'identity_changed',
  'token_not_bound',
  'integration_not_connected',
])

/** Whether a retry within the same request may help. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof BrokerError)) return false
  if (error.code === 'salesforce_unavailable' || error.code === 'salesforce_timeout') return true
  return refusalOf(error)?.class === 'transient'
}

/** Marks an error as one of the breaker. */
class Resting extends Error {
  override readonly name = 'Resting'
}

/** The problem for callers while the breaker does not let their login pass. */
export const whileResting = (
  code: 'salesforce_unavailable' | 'grant_refused',
  detail: string,
  options: BrokerErrorOptions,
): BrokerError =>
  new BrokerError(code, detail, {
    ...{ ...options, isTold: true },
    cause: new Resting(),
  })

/** Whether the breaker did not let the login pass, so that Salesforce was not asked. */
export const isWhileResting = (error: unknown): boolean =>
  error instanceof BrokerError && error.cause instanceof Resting

/** Whether the login host was not asked, or its answer is unknown. */
export const saysNothing = (error: unknown): boolean =>
  isUnsettled(error) ||
  isOfSigner(error) ||
  isStoreTrouble(error) ||
  isWhileResting(error) ||
  (error instanceof BrokerError && error.code === 'login_budget_exhausted')

/** Whether a fresh assertion cures it. */
export function isCuredByRetry(error: unknown): boolean {
  const refusal = refusalOf(error)
  return refusal !== undefined && refusalRow(refusal.reason).retryOnce === true
}

/** Shortly after a change, a refusal that propagation explains is temporary. */
export function inItsTime(error: unknown, changedAt: number, now: number): unknown {
  const refusal = refusalOf(error)
  if (refusal?.class !== 'permanent' || now - changedAt > PROPAGATION_MS) return error
  return refusalRow(refusal.reason).propagates === true ? grantRefused(spreading(refusal)) : error
}

const restMs = (error: BrokerError, refusal: Refusal | undefined, count: number): number => {
  // The source remembers its own refusal, and knows when it is cured.
  if (error.members.source !== undefined) {
    return Math.min(UNREADABLE_MS, error.retryAfterMs ?? UNREADABLE_MS)
  }
  // The breaker decides when Salesforce is asked again. A remembered pause must not delay its probes.
  if (isTransient(error)) return refusal ? 0 : (error.retryAfterMs ?? 0)
  switch (LASTING.has(error.code) ? 'permanent' : refusal?.class) {
    case 'permanent':
      return PERMANENT_MS[Math.min(count, PERMANENT_MS.length) - 1] ?? PERMANENT_MS[0]
    case 'wait':
      return WAIT_MS
    case 'propagating':
      return count > PROPAGATING_TIMES ? 4 * PROPAGATING_MS : PROPAGATING_MS
    default:
      return UNREADABLE_MS
  }
}

/** Undefined: the error is not remembered. */
export function remember(
  error: unknown,
  { name, version }: Refused,
  former: RefusalRecord | undefined,
  now: number,
): RefusalRecord | undefined {
  if (!(error instanceof BrokerError) || !REMEMBERED.has(error.code)) return undefined
  // It ends with the presentation for which it waits, so it must not be remembered longer.
  if (isUnsettled(error) || isWhileResting(error)) return undefined
  const before = former?.version === version ? remembered(name, former) : undefined
  const count = (before?.count ?? 0) + 1
  const restUntil = now + restMs(error, refusalOf(error), count)
  const { code, detail, status, members, remedy } = error
  const body: BodyOf<typeof Remembered> = {
    ...{ code, detail, status, members, restUntil, count, at: now },
    ...(remedy !== undefined && { remedy }),
  }
  return { body: JSON.stringify(body), version, until: restUntil + KEPT_MS }
}

/** The remembered problem, until its pause is over. */
export function refusedStill(
  record: RefusalRecord | undefined,
  { name, version: current }: Refused,
  now: number,
): BrokerError | undefined {
  if (!record || record.version !== current) return undefined
  const { code, detail, status, members, remedy, restUntil } = remembered(name, record)
  if (restUntil <= now) return undefined
  // A permanent refusal has no `Retry-After`.
  const waits = status >= 500 || status === 429
  return new BrokerError(code, detail, {
    members,
    status,
    ...(remedy !== undefined && { remedy }),
    ...(waits && { retryAfterMs: restUntil - now }),
  })
}

/** The last refusal for the status, in wire form. `name`: of the integration. */
export function lastRefusalOf(
  name: string,
  record: RefusalRecord,
): {
  readonly refusal: Readonly<Record<string, unknown>>
  readonly isResting: (now: number) => boolean
} {
  const { code, detail, members, at, restUntil, count } = remembered(name, record)
  return {
    refusal: {
      code,
      detail,
      ...(members.refusal as object | undefined),
      at: new Date(at).toISOString(),
      retry_at: new Date(restUntil).toISOString(),
      count,
    },
    isResting: (now) => restUntil > now,
  }
}
