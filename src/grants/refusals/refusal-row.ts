import type { Requests, TriedGrant } from '../token-endpoint/tried.ts'

export interface Explanation {
  readonly cause: string
  readonly remedy: string
  /** Where to click in Setup; null if Setup cannot help. */
  readonly setupPath: string | null
}

interface Particular extends Explanation {
  readonly of: readonly Requests[]
}

export interface RefusalRow extends Explanation {
  /**
   * `transient`: a retry may succeed. `wait`: nothing succeeds before the hour ends. `permanent`:
   * somebody must act. (No row has `propagating`: it depends on recent changes.)
   */
  readonly class: 'transient' | 'permanent' | 'wait'
  /** Substrings of `error_description`, in lower case. They are checked before `errors`, row by row. */
  readonly texts: readonly string[]
  /** Values of `error`, in lower case, that decide if no row matches the description. */
  readonly errors: readonly string[]
  /** Salesforce refused the signature or the client secret: another credential may work. */
  readonly signature?: true
  /** A change in Setup that has not yet reached all servers of Salesforce may be the cause. */
  readonly propagates?: true
  /** One retry with a new assertion makes sense. */
  readonly retryOnce?: true
  /** Requests that can get this refusal. Default: all. Other requests get {@link MISFIT}. */
  readonly of?: readonly Requests[]
  /**
   * Those that match a request replace the explanation of the row. Several matches are listed
   * together, because one error text may have several causes.
   */
  readonly particulars?: readonly Particular[]
}

export const APP = 'Setup → External Client App Manager → (your app)'
export const SETTINGS_PATH = `${APP} → Settings → OAuth Settings`
export const FLOWS_PATH = `${SETTINGS_PATH} → Flow Enablement`
export const POLICIES = `${APP} → Policies → OAuth Policies`
export const USER = 'Setup → Users → (the user)'

/** Flows in which a person takes part and can be asked again. */
export const CONNECTING: readonly TriedGrant[] = ['authorization_code', 'device', 'authorization']
/** All grants with an app. Data Cloud tokens are only exchanged for a token of another integration. */
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
