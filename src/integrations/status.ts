/** Status of an integration, which a GET shows with its definition. Times are epoch milliseconds. */
export const STATES = [
  'draft',
  'unproven',
  'ready',
  'propagating',
  'refused',
  'identity_changed',
  'disabled',
  'not_connected',
] as const

export type IntegrationState = (typeof STATES)[number]

interface LeaseStatus {
  readonly tokenId: string
  readonly issuedAt: number
  readonly expiresAt: number
  readonly refreshAt: number
  readonly expirySource: string
  /** Result of one REST call with the token. Present if the lifetime is configured. */
  readonly proof?: string
  /** Whether Salesforce bound the token. Absent: its request had no proof. */
  readonly bound?: boolean
  readonly keyThumbprint?: string
}

export interface IntegrationStatus {
  readonly state: IntegrationState
  /** Integrations that hold the same access token: some of them, in order of name. */
  readonly sharesTokenWith: readonly string[]
  /** How many there are. */
  readonly sharersCount: number
  /** Integrations that sign with its credential. Absent if not looked up. */
  readonly lentTo?: readonly string[]
  readonly lease: LeaseStatus | null
  readonly lastRefusal: object | null
  readonly identity: {
    readonly orgId: string | null
    readonly userId: string | null
    readonly instanceUrl: string | null
    /** Another identity that Salesforce gave, and that is not served. `at` is in RFC 3339. */
    readonly seen?: {
      readonly orgId: string | null
      readonly userId: string | null
      readonly instanceUrl: string
      readonly at: string
    }
  } | null
  /** For a grant that presents a refresh token, else null. `since` is in epoch milliseconds. */
  readonly connection: {
    readonly state: 'connected' | 'unsettled' | 'not_connected'
    readonly reason: string | null
    readonly since: number | null
  } | null
  /** The freeze that selects it; the first, if there are several. Absent: none. `since` is in epoch milliseconds. */
  readonly frozen?: { readonly id: string; readonly since: number; readonly reason: string }
  readonly loginsLastHour: number
  readonly certificateExpiresAt: number | null
}
