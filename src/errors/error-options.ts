/** What an error of this service says beside its code and its detail. */
export interface BrokerErrorOptions {
  /** For the log alone; never shown to the caller. */
  readonly cause?: unknown
  /** After how many milliseconds another try makes sense; becomes `Retry-After` in whole seconds, rounded up. */
  readonly retryAfterMs?: number
  /** More members of the problem, in wire form. Nothing secret, nothing unverified. */
  readonly members?: Readonly<Record<string, unknown>>
  /** The `waitingStatus` of the table, where waiting helps. Default: its status. */
  readonly status?: number
  /** What to do about it just here. Default: the table's remedy. */
  readonly remedy?: string
  /** Whoever met the trouble says it in the log: what fails by it is worth a line for debugging alone. Default: no. */
  readonly isTold?: boolean
}
