import { PROBLEMS, type ProblemCode } from './problems.ts'

export interface BrokerErrorOptions {
  /** For the log only; never shown to the caller. */
  readonly cause?: unknown
  /** When a retry makes sense, in milliseconds. `Retry-After` has it in whole seconds, rounded up. */
  readonly retryAfterMs?: number
  /** More members of the problem, in wire form. Must contain no secret and nothing unverified. */
  readonly members?: Readonly<Record<string, unknown>>
  /** `waitingStatus` of the table if the problem is temporary. Default: `status` of the table. */
  readonly status?: number
  /** Replaces the remedy of the table for this case. */
  readonly remedy?: string
  /** Another log line already reports the cause, so this error is logged at debug level. Default: false. */
  readonly isTold?: boolean
}

/** The one error of this service. `code` is a row of {@link PROBLEMS}, `detail` is for the caller, `cause` for the log. */
export class BrokerError extends Error {
  override readonly name = 'BrokerError'
  readonly code: ProblemCode
  readonly detail: string
  readonly status: number
  readonly retryAfterMs: number | undefined
  readonly members: Readonly<Record<string, unknown>>
  readonly remedy: string | undefined
  readonly isTold: boolean

  constructor(code: ProblemCode, detail: string, options: BrokerErrorOptions = {}) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.detail = detail
    this.status = options.status ?? PROBLEMS[code].status
    this.retryAfterMs = options.retryAfterMs
    this.members = options.members ?? {}
    this.remedy = options.remedy
    this.isTold = options.isTold ?? false
  }
}

/** Whether the store gave no trustworthy answer, so that leases in memory may serve. */
export const isStoreTrouble = (error: unknown): boolean =>
  error instanceof BrokerError &&
  (error.code === 'store_unavailable' || error.code === 'store_reset')

/** Whether the store may answer again soon. A store that was reset needs an operator. */
export const isStoreAway = (error: unknown): boolean =>
  error instanceof BrokerError && error.code === 'store_unavailable'
