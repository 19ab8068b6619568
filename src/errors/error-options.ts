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
