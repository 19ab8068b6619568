import type { RefusalName } from './refusals.ts'

/**
 * The knobs: everything that the protocol leaves uncertain, or that differs between orgs. Each
 * default is what the best evidence says.
 */
export interface Settings {
  /** How long a session lives without use, unless its app says otherwise. Default 2 hours. */
  readonly sessionTimeoutMs: number
  /** Activity is written down only once half of the time-out has passed. Default false: at each use. */
  readonly halfLifeTouch: boolean
  /** Whether a repeated mint, which returns the same token, slides its session. Default false. */
  readonly mintSlides: boolean
  /** Whether introspection slides the session. Default false. */
  readonly introspectSlides: boolean
  /** `absent` (the default), `session` (what is left of it), or a fixed number of seconds. */
  readonly expiresIn: 'absent' | 'session' | number
  /** Adds `issued_at` and `signature` to answers of the JWT bearer grant. Default false. */
  readonly jwtBearerSignature: boolean
  /** Adds `sfdc_community_*` and `sfdc_site_*` on every host, not only on the site's own. Default false. */
  readonly communityFields: boolean
  /** Adds `api_instance_url` with this value. Default null: absent. */
  readonly apiInstanceUrl: string | null
  /** What an assertion with a bad signature is answered. Default `client_credentials_invalid`. */
  readonly badSignature: 'client_credentials_invalid' | 'assertion_invalid'
  /** Whether an assertion's `aud` may be the org's My Domain. Default false. */
  readonly myDomainAudience: boolean
  /** How far in the past `exp` may lie. Default 30 seconds. */
  readonly assertionSkewMs: number
  /** How far in the future `exp` may lie. Default null: no bound. */
  readonly assertionMaxAheadMs: number | null
  /** Judges `exp` by real time even after the clock was moved. Default false. */
  readonly assertionsByWallClock: boolean
  /** What a user without assignment to an admin-approved app is answered, by grant. */
  readonly notAssigned: {
    readonly jwtBearer: 'user_not_approved' | 'user_not_admin_approved'
    readonly clientCredentials: 'user_not_approved' | 'user_not_admin_approved'
  }
  /** `separate` (the default) names IP or hours; `combined` has one text for both. */
  readonly restrictionWording: 'separate' | 'combined'
  /** What the REST API answers a user without API Enabled; both were seen. Default `api_disabled`. */
  readonly apiOffForUser: 'api_disabled' | 'api_off_for_user'
  /** Refuses what comes over plain HTTP, loopback or not. Default false. */
  readonly httpsOnly: boolean
  /** Logins a user may make in an hour. Default 3,600. */
  readonly loginsPerHour: number
  /** Approvals (refresh tokens) that one user may give one app. Default 5. */
  readonly approvalsPerUser: number
  /** How long an authorization code is good. Default 15 minutes. */
  readonly codeLifetimeMs: number
  /** How long a device may wait for its user. Default 10 minutes. */
  readonly deviceCodeLifetimeMs: number
  /** How often a device may ask. Default 5 seconds. */
  readonly deviceIntervalMs: number
  /** How long a refresh takes, in real time; a second one with the same token in that time is refused. Default 20. */
  readonly refreshProcessingMs: number
  /** How changes of apps spread: over how many nodes, and within which time. Default: one node, at once. */
  readonly propagation: { readonly nodes: number; readonly minMs: number; readonly maxMs: number }
  /** How long a deployment of the Metadata API takes, and how it ends (where nothing is wrong with it). Default: at once, and well. */
  readonly metadataDeploy: {
    readonly durationMs: number
    readonly outcome: 'Succeeded' | 'Failed' | 'Canceled'
  }
}

export const DEFAULT_SETTINGS: Settings = {
  sessionTimeoutMs: 2 * 3_600_000,
  halfLifeTouch: false,
  mintSlides: false,
  introspectSlides: false,
  expiresIn: 'absent',
  jwtBearerSignature: false,
  communityFields: false,
  apiInstanceUrl: null,
  badSignature: 'client_credentials_invalid',
  myDomainAudience: false,
  assertionSkewMs: 30_000,
  assertionMaxAheadMs: null,
  assertionsByWallClock: false,
  notAssigned: {
    jwtBearer: 'user_not_approved',
    clientCredentials: 'user_not_admin_approved',
  },
  restrictionWording: 'separate',
  apiOffForUser: 'api_disabled',
  httpsOnly: false,
  loginsPerHour: 3_600,
  approvalsPerUser: 5,
  codeLifetimeMs: 15 * 60_000,
  deviceCodeLifetimeMs: 10 * 60_000,
  deviceIntervalMs: 5_000,
  refreshProcessingMs: 20,
  propagation: { nodes: 1, minMs: 0, maxMs: 0 },
  metadataDeploy: { durationMs: 0, outcome: 'Succeeded' },
}

/** The text for a login from a forbidden place or at a forbidden hour, as the knob has it. */
export function restrictionRefusal(
  settings: Settings,
  reason: 'ip_restricted' | 'login_hours',
): RefusalName {
  return settings.restrictionWording === 'combined' ? 'ip_or_hours_restricted' : reason
}
