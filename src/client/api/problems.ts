// Made by `npm run generate` from openapi.yaml.

/** RFC 9457. `refusal` comes with `grant_refused`; more members may come. */
export interface Problem {
  /** URL of a page about this problem. */
  readonly type: string
  readonly title: string
  readonly status: number
  /** For people; match on `code` instead. */
  readonly detail: string
  /** The remedy, for people. */
  readonly remedy: string
  readonly instance: string
  readonly code:
    | 'request_invalid'
    | 'secret_in_url'
    | 'caller_unauthenticated'
    | 'caller_forbidden'
    | 'request_not_allowed'
    | 'integration_not_found'
    | 'credential_not_found'
    | 'api_key_not_found'
    | 'not_found'
    | 'method_not_allowed'
    | 'not_acceptable'
    | 'request_timeout'
    | 'integration_disabled'
    | 'freeze_not_found'
    | 'integration_frozen'
    | 'integration_draft'
    | 'integration_not_connected'
    | 'grant_unfit'
    | 'managed_by_file'
    | 'token_still_live'
    | 'credential_rejected'
    | 'credential_state'
    | 'token_bound'
    | 'nothing_to_prove'
    | 'another_version'
    | 'conflict'
    | 'integration_changed'
    | 'body_too_large'
    | 'uri_too_long'
    | 'media_type_unsupported'
    | 'credential_invalid'
    | 'credential_required'
    | 'grant_refused'
    | 'identity_changed'
    | 'token_not_bound'
    | 'precondition_required'
    | 'rate_limited'
    | 'login_budget_exhausted'
    | 'headers_too_large'
    | 'internal'
    | 'token_response_invalid'
    | 'salesforce_unavailable'
    | 'signing_refused'
    | 'signer_unavailable'
    | 'store_unavailable'
    | 'store_reset'
    | 'refresh_token_doubted'
    | 'audit_unavailable'
    | 'record_corrupt'
    | 'salesforce_timeout'
  /** As in the header `X-Request-Id` and in the log. */
  readonly request_id: string
  readonly refusal?: Refusal
  readonly salesforce?: SalesforceSWords
  /** Where the call to Salesforce failed: at the proxy or at the host. */
  readonly hop?: {
    readonly at: 'proxy' | 'host'
    readonly step: 'resolve' | 'connect' | 'tls' | 'tunnel' | 'http'
    /** Status of the proxy's answer to CONNECT (`tunnel`). */
    readonly status?: number
    /** Error code of Node. */
    readonly code?: string
  }
  /** The current version, if a precondition failed and the caller may read it. */
  readonly etag?: string
  /** True: the change is made and audited; only the confirmation by replicas is missing. */
  readonly written?: boolean
  /** The freeze that selects the integration; the first, if there are several. */
  readonly frozen?: {
    /** Of the freeze. */
    readonly id: string
    readonly since: string
    /** Given by who ordered it. */
    readonly reason: string
  }
  /** Media types of the route, with `media_type_unsupported`. */
  readonly media_types?: readonly string[]
  readonly [member: string]: unknown
}

/** The refusal of Salesforce, and its remedy. */
export interface Refusal {
  /** Salesforce's own. */
  readonly error: string
  /** Salesforce's own. */
  readonly error_description?: string
  /** One of a closed list; programs may match it. */
  readonly reason: string
  readonly class: 'transient' | 'permanent' | 'wait' | 'propagating'
  readonly cause: string
  readonly remedy: string
  /** Where in Setup to act. */
  readonly setup_path: string | null
}

/** An error of a Salesforce API other than OAuth. */
export interface SalesforceSWords {
  readonly status: number
  /** Empty if there is none. */
  readonly error_code: string
  /** Printable, without secrets. */
  readonly message: string
}
