import type { Requests, TriedGrant } from '../token-endpoint/tried.ts'

/** What is behind a refusal, and the cure. */
export interface Explanation {
  readonly cause: string
  readonly remedy: string
  /** Where to click; null where Setup cannot help. */
  readonly setupPath: string | null
}

/** An explanation that is good for some requests only. */
export interface Particular extends Explanation {
  /** Any of these. */
  readonly of: readonly Requests[]
}

/** One row of the table of refusals: how it reads, what it means, and the cure. */
export interface RefusalRow extends Explanation {
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
  /** The requests that can get it, any of these. Default: all. Others are told that it does not fit. */
  readonly of?: readonly Requests[]
  /**
   * Those that fit a request stand for the row's own words, side by side where they are several: one
   * sentence of Salesforce may have two causes.
   */
  readonly particulars?: readonly Particular[]
}

export const APP = 'Setup → External Client App Manager → (your app)'
export const SETTINGS_PATH = `${APP} → Settings → OAuth Settings`
export const FLOWS_PATH = `${SETTINGS_PATH} → Flow Enablement`
export const POLICIES = `${APP} → Policies → OAuth Policies`
export const USER = 'Setup → Users → (the user)'

/** A person takes part, and may be asked once more. */
export const CONNECTING: readonly TriedGrant[] = ['authorization_code', 'device', 'authorization']
/** All that know an app: the tokens of Data Cloud are exchanged for another integration's alone. */
export const OF_APPS: readonly Requests[] = [
  {
    grants: [
      'jwt_bearer',
      'client_credentials',
      'refresh_token',
      'token_exchange',
      'other',
      ...CONNECTING,
    ],
  },
]
export const SIGNED: readonly Requests[] = [{ proofs: ['certificate'] }]
export const ANY: readonly Requests[] = [{}]
