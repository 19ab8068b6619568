import type { RefusalName } from './refusals.ts'

/** Settings for everything that the protocol leaves uncertain or that differs between orgs. Each default follows the best evidence. */
export interface Settings {
  /** Time until an idle session ends, unless its app has another. Default 2 hours. */
  readonly sessionTimeoutMs: number
  /** Whether a use is only recorded after half of the time-out. Default false: each use is. */
  readonly halfLifeTouch: boolean
  /** Whether a repeated mint, which returns the same token, extends its session. Default false. */
  readonly mintSlides: boolean
  /** Whether introspection extends the session. Default false. */
  readonly introspectSlides: boolean
  /** `absent` (the default), `session` (its remaining time), or a fixed number of seconds. */
  readonly expiresIn: 'absent' | 'session' | number
  /** Adds `issued_at` and `signature` to answers of the JWT bearer grant. Default false. */
  readonly jwtBearerSignature: boolean
  /** Adds `sfdc_community_*` and `sfdc_site_*` on every host, not only on the host of the site. Default false. */
  readonly communityFields: boolean
  /** Adds `api_instance_url` with this value. Default null: absent. */
  readonly apiInstanceUrl: string | null
  /** The refusal for an assertion with a bad signature. Default `client_credentials_invalid`. */
  readonly badSignature: 'client_credentials_invalid' | 'assertion_invalid'
  /** Whether an assertion's `aud` may be the org's My Domain. Default false. */
  readonly myDomainAudience: boolean
  /** How far `exp` may be in the past. Default 30 seconds. */
  readonly assertionSkewMs: number
  /** How far `exp` may be in the future. Default null: no limit. */
  readonly assertionMaxAheadMs: number | null
  /** Whether `exp` is compared with real time even if the clock was moved. Default false. */
  readonly assertionsByWallClock: boolean
  /** The refusal for a user who is not assigned to an admin-approved app, by grant. */
  readonly notAssigned: {
    readonly jwtBearer: 'user_not_approved' | 'user_not_admin_approved'
    readonly clientCredentials: 'user_not_approved' | 'user_not_admin_approved'
  }
  /** `separate` (the default) names IP or hours. `combined` has one text for both. */
  readonly restrictionWording: 'separate' | 'combined'
  /** The refusal of the REST API for a user without API Enabled. Both were observed. Default `api_disabled`. */
  readonly apiOffForUser: 'api_disabled' | 'api_off_for_user'
  /** Whether plain HTTP is refused, also on loopback. Default false. */
  readonly httpsOnly: boolean
  /** Logins a user may make in an hour. Default 3,600. */
  readonly loginsPerHour: number
  /** Approvals (refresh tokens) that one user may give one app. Default 5. */
  readonly approvalsPerUser: number
  /** Lifetime of an authorization code. Default 15 minutes. */
  readonly codeLifetimeMs: number
  /** How long a device may wait for its user. Default 10 minutes. */
  readonly deviceCodeLifetimeMs: number
  /** Shortest interval of polls. Default 5 seconds. */
  readonly deviceIntervalMs: number
  /** Duration of a refresh in real time, in milliseconds. A second one with the same token in that time is refused. Default 20. */
  readonly refreshProcessingMs: number
  /** How changes of apps propagate: the number of nodes, and the time. Default: one node, at once. */
  readonly propagation: { readonly nodes: number; readonly minMs: number; readonly maxMs: number }
  /** Experimental at Salesforce too, and mostly unknown: see `docs/dpop.md`. */
  readonly dpop: DpopSettings
  /** Duration of a deployment of the Metadata API, and its result if it has no errors. Default: succeeds at once. */
  readonly metadataDeploy: {
    readonly durationMs: number
    readonly outcome: 'Succeeded' | 'Failed' | 'Canceled'
  }
}

/** What was seen of DPoP is fixed in `dpop.ts`. */
interface DpopSettings {
  /** Whether the instance knows DPoP. Default true. Otherwise proofs are ignored, and the scheme `DPoP` is refused. */
  readonly supported: boolean
  /** Which grants answer a proof with a bound token. Default: all. */
  readonly binds: {
    readonly jwtBearer: boolean
    readonly clientCredentials: boolean
    readonly tokenExchange: boolean
    readonly device: boolean
  }
  /** How the answer spells the type. Both were seen. Default `DPoP`. */
  readonly tokenType: 'DPoP' | 'dpop'
  /** Whether the token endpoint insists on its nonce. Default `required`. */
  readonly tokenNonce: 'required' | 'optional'
  /** Whether the token endpoint asks for its nonce only after it has used up the `jti` of an assertion. Default false. */
  readonly challengesLate: boolean
  /** Whether other endpoints insist on a nonce. Default `optional`. */
  readonly resourceNonce: 'required' | 'optional'
  /** Status of the challenge of a resource. Default 400, which was seen. */
  readonly challengeStatus: 400 | 401
  /** Whether a resource that refuses a token also brings another nonce. Default false. */
  readonly refusesWithNonce: boolean
  /** Whether each answer of the token endpoint brings another nonce, and ends the former. Default true. */
  readonly nonceChanges: boolean
  /** Default 1 hour. */
  readonly nonceLifetimeMs: number
  /** How far `iat` may be from the time of Salesforce. Default 5 minutes. */
  readonly iatSkewMs: number
  /** Whether a `jti` works once. Default true. */
  readonly refusesReplay: boolean
  /** What the same user and app get with another key while a session lives. Default `new_token`. `same_token`: the token that is bound to the first key. */
  readonly otherKey: 'new_token' | 'same_token'
  /** Whether answers of the web server flow also have `ui_sid`, a session without a key. Default true. */
  readonly uiSid: boolean
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
  dpop: {
    supported: true,
    binds: { jwtBearer: true, clientCredentials: true, tokenExchange: true, device: true },
    tokenType: 'DPoP',
    tokenNonce: 'required',
    challengesLate: false,
    resourceNonce: 'optional',
    challengeStatus: 400,
    refusesWithNonce: false,
    nonceChanges: true,
    nonceLifetimeMs: 3_600_000,
    iatSkewMs: 300_000,
    refusesReplay: true,
    otherKey: 'new_token',
    uiSid: true,
  },
  metadataDeploy: { durationMs: 0, outcome: 'Succeeded' },
}

/** The refusal for a login from a forbidden address or at a forbidden hour, according to the settings. */
export function restrictionRefusal(
  settings: Settings,
  reason: 'ip_restricted' | 'login_hours',
): RefusalName {
  return settings.restrictionWording === 'combined' ? 'ip_or_hours_restricted' : reason
}
