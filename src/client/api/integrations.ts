// Made by `npm run generate` from openapi.yaml.

import type { DPoPRule } from './definitions.ts'
import type {
  ClientCredentials,
  DataCloud,
  DeploymentRule,
  IdentityRule,
  JWTBearer,
  Labels,
  RefreshToken,
  TokenExchange,
} from './forms.ts'
import type { Problem, Refusal, SalesforceSWords } from './problems.ts'

/** From now on, tokens of `identity` are served. */
export interface AcceptedIdentity {
  readonly integration: string
  /** False: no token was held back, and nothing changed. */
  readonly accepted: boolean
  readonly former?: Identity
  readonly identity?: Identity
}

/** The changed integrations, by name. */
export interface AcceptedIdentityList {
  readonly items: readonly AcceptedIdentity[]
}

export interface CertificateToUpload {
  readonly credential_id: string
  readonly state: string
  /** Where to download it. */
  readonly path: string
  readonly fingerprint_sha256: string
  readonly not_after: string
}

export interface Check {
  readonly check:
    | 'definition'
    | 'secret'
    | 'key_pair'
    | 'certificate'
    | 'login_host'
    | 'tls'
    | 'clock'
    | 'audience'
    | 'mint'
    | 'identity'
    | 'scopes'
    | 'scope_full'
    | 'instance_url'
    | 'permissions'
    | 'introspection'
    | 'dpop'
  /** It passed, or ended with a warning. */
  readonly ok: boolean
  /** `skipped`: another check must pass first. */
  readonly outcome: 'passed' | 'warning' | 'failed' | 'skipped'
  readonly detail: string
  /** Null if there is nothing to do. */
  readonly remedy: string | null
  readonly refusal?: Refusal
  readonly salesforce?: SalesforceSWords
  readonly works?: WayThatWorks
}

/** The checks and their remedies. */
export interface DoctorSReport {
  readonly integration: string
  /** Every check is ok. */
  readonly ok: boolean
  /** Token requests of this run. */
  readonly logins_used: number
  /** Most token requests of one run. */
  readonly logins_allowed: number
  /** In the order of dependencies; checks that do not apply are omitted. */
  readonly checks: readonly Check[]
}

export interface Identity {
  readonly org_id: string | null
  readonly user_id: string | null
  readonly instance_url: string
}

/** An integration and its status. */
export interface Integration {
  readonly name: string
  readonly description: string
  readonly enabled: boolean
  readonly labels: Labels
  readonly login_url: string
  /** How the integration gets tokens. */
  readonly grant: JWTBearer | ClientCredentials | RefreshToken | TokenExchange | DataCloud
  readonly credential?: {
    readonly from: string
  }
  readonly token_lifetime: number
  readonly keep_warm: boolean
  readonly logins_per_hour: number
  readonly refresh_token_idle_days?: number
  readonly serve_tokens: boolean
  readonly watch: boolean
  /** Login URLs, besides its own `login_url`, where other integrations may exchange its token. */
  readonly exchange_login_urls?: readonly string[]
  readonly identity: IdentityRule
  readonly deployment?: DeploymentRule
  readonly dpop?: DPoPRule
  readonly managed_by: 'api' | 'file'
  readonly created_at: string
  readonly updated_at: string
  readonly status: IntegrationStatus
  /** Only in answers of writes: corrections of a key or a certificate that was not plain PEM. Absent if there were none. */
  readonly normalized?: readonly string[]
  /** Only in answers of writes: warnings about an accepted certificate. */
  readonly warnings?: readonly string[]
}

/** A page, in order of name. */
export interface IntegrationList {
  readonly items: readonly Integration[]
  /** Pass it as `cursor`. Null on the last page. */
  readonly next_cursor: string | null
  /** Names, in this page, of integrations whose record is unusable (`record_corrupt`). Only for callers that may see them with any labels. Absent if there are none. */
  readonly corrupt?: readonly string[]
}

export interface IntegrationStatus {
  readonly state:
    | 'draft'
    | 'unproven'
    | 'ready'
    | 'propagating'
    | 'refused'
    | 'identity_changed'
    | 'disabled'
    | 'not_connected'
  /** Integrations that hold the same access token and that you may see, at most 20 of them. Revoking the token ends it for all of them. */
  readonly shares_token_with: readonly string[]
  /** How many there are. If you may not see every integration, those that you may see among the first 100. */
  readonly shares_token_with_count: number
  /** Integrations that sign with its credential and that you may see. Absent in lists. */
  readonly lent_to?: readonly string[]
  readonly lease: {
    readonly token_id?: string
    readonly issued_at?: string
    readonly expires_at?: string
    readonly refresh_at?: string
    readonly expiry_source?: string
    /** `no_api`: the token is live, but the REST API does not accept it, for example because of the api scope or the IP policy. */
    readonly proof?: string
    /** Experimental. Present if the token request had a DPoP proof. False: Salesforce answered with a bearer token all the same. */
    readonly bound?: boolean
    /** RFC 7638 thumbprint of the key that the token is bound to. */
    readonly key_thumbprint?: string
  } | null
  readonly last_refusal: Readonly<Record<string, unknown>> | null
  readonly identity: {
    readonly org_id?: string | null
    readonly user_id?: string | null
    readonly instance_url?: string | null
    /** Another identity that Salesforce gave. Its token is not served until it is accepted. */
    readonly seen?: {
      readonly org_id?: string | null
      readonly user_id?: string | null
      readonly instance_url?: string
      readonly at?: string
    }
  } | null
  /** For the grant `refresh_token`. `unsettled`: the result of the last use is not known yet. */
  readonly connection?: {
    readonly state?: 'connected' | 'unsettled' | 'not_connected'
    /** Why it is not connected. */
    readonly reason?: string | null
    readonly since?: string | null
  }
  /** The freeze that selects the integration; the first, if there are several. */
  readonly frozen?: Required<Problem>['frozen']
  readonly logins_last_hour: number
  readonly certificate_expires_at: string | null
}

export interface SetupField {
  readonly section: string
  readonly field: string
  readonly value: string
  readonly why?: string
}

/** The settings to make in Salesforce, in JSON or Markdown. */
export interface SetupSheet {
  readonly integration: string
  readonly grant: string
  readonly title: string
  /** What the integration still lacks, in the order of the steps. */
  readonly missing: readonly ('credential' | 'client_id')[]
  readonly steps: readonly SetupStep[]
  /** The staged one first. Null: none is needed, or none exists. */
  readonly certificate: CertificateToUpload | null
  readonly write_back: {
    readonly method: string
    readonly path: string
    readonly headers: Readonly<Record<string, string>>
    readonly body: Readonly<Record<string, unknown>>
  }
  /** How long a change takes to reach all servers of Salesforce. */
  readonly wait_seconds: {
    readonly least: number
    readonly most: number
  }
  readonly traps: readonly SetupTrap[]
  /** Path of the files to deploy instead. */
  readonly metadata: string
}

export interface SetupStep {
  readonly title: string
  /** Place in Setup; null if the step uses this service. */
  readonly where: string | null
  readonly fields: readonly SetupField[]
}

export interface SetupTrap {
  readonly trap: string
  readonly detail: string
}

/** For `audience`: Salesforce issues a token for this pair. */
export interface WayThatWorks {
  readonly login_url: string
  readonly audience: string
}

/** The integration. Without `integrations:read` for it: what was sent by a PUT, or only its name and times after a PATCH. */
export interface WrittenIntegration {
  readonly name: string
  readonly managed_by: 'api' | 'file'
  readonly created_at: string
  readonly updated_at: string
  readonly description?: string
  readonly enabled?: boolean
  readonly labels?: Labels
  readonly login_url?: string
  /** How the integration gets tokens. */
  readonly grant?: JWTBearer | ClientCredentials | RefreshToken | TokenExchange | DataCloud
  readonly credential?: {
    readonly from: string
  }
  readonly token_lifetime?: number
  readonly keep_warm?: boolean
  readonly logins_per_hour?: number
  readonly refresh_token_idle_days?: number
  readonly serve_tokens?: boolean
  readonly watch?: boolean
  /** Login URLs, besides its own `login_url`, where other integrations may exchange its token. */
  readonly exchange_login_urls?: readonly string[]
  readonly identity?: IdentityRule
  readonly deployment?: DeploymentRule
  readonly dpop?: DPoPRule
  readonly status?: IntegrationStatus
  /** Only in answers of writes: corrections of a key or a certificate that was not plain PEM. Absent if there were none. */
  readonly normalized?: readonly string[]
  /** Only in answers of writes: warnings about an accepted certificate. */
  readonly warnings?: readonly string[]
}
