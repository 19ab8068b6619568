/** One row of the table of refusals: how it reads, what it means, and the cure. */
export interface RefusalRow {
  /**
   * `transient`: another try may work; `wait`: nothing works before the hour is over; `permanent`:
   * somebody must act. (`propagating` is not of a row: it depends on what was changed, and when.)
   */
  readonly class: 'transient' | 'permanent' | 'wait'
  /** Substrings of `error_description`, in lower case. Looked at before `errors`, row by row. */
  readonly texts: readonly string[]
  /** Values of `error`, in lower case, that are enough when no row knows the description. */
  readonly errors: readonly string[]
  /** The assertion's signature, or the client's secret, was refused: another credential may work. */
  readonly signature?: true
  /** A change in Salesforce Setup that has not reached all of its servers explains it, too. */
  readonly propagates?: true
  /** One more try with a fresh assertion makes sense. */
  readonly retryOnce?: true
  readonly cause: string
  readonly remedy: string
  /** Where to click; null where Setup cannot help. */
  readonly setupPath: string | null
}

export const APP = 'Setup → External Client App Manager → (your app)'
export const SETTINGS = `${APP} → Settings → OAuth Settings`
export const FLOWS = `${SETTINGS} → Flow Enablement`
export const POLICIES = `${APP} → Policies → OAuth Policies`
export const USER = 'Setup → Users → (the user)'
