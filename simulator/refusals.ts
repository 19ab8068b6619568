/** All refusals of Salesforce's OAuth endpoints, with their exact texts (protocol, section 5). */
export const REFUSALS = {
  user_not_approved: refusal(
    'invalid_grant',
    "user hasn't approved this consumer",
    'Failed: Not approved for access',
  ),
  audience_invalid: refusal('invalid_grant', 'audience is invalid'),
  audience_validation_failed: refusal('invalid_grant', 'Audience validation failed'),
  assertion_invalid: refusal('invalid_grant', 'invalid assertion'),
  assertion_expired: refusal('invalid_grant', 'expired authorization code'),
  refresh_token_expired: refusal('invalid_grant', 'expired access/refresh token'),
  already_processing: refusal(
    'invalid_grant',
    'token request is already being processed',
    'Failed: Token request is already being processed',
  ),
  ip_restricted: refusal('invalid_grant', 'ip restricted', 'Restricted IP'),
  login_hours: refusal('invalid_grant', 'invalid login hours'),
  ip_or_hours_restricted: refusal(
    'invalid_grant',
    'ip restricted or invalid login hours',
    'Restricted IP',
  ),
  user_inactive: refusal('invalid_grant', 'inactive user'),
  user_inactive_code: refusal('inactive_user', 'inactive user'),
  user_is_inactive: refusal('invalid_grant', 'user is inactive'),
  user_is_frozen: refusal('invalid_grant', 'user is frozen'),
  org_inactive: refusal('invalid_grant', 'inactive organization'),
  org_inactive_code: refusal('inactive_org', 'Org is locked, closed, or suspended'),
  user_locked: refusal('invalid_grant', 'user is locked'),
  login_rate_exceeded: refusal('invalid_grant', 'login rate exceeded'),
  login_rate_exceeded_code: refusal('rate_limit_exceeded', 'Number of logins exceeded'),
  no_run_as_user: refusal('invalid_grant', 'no client credentials user enabled'),
  client_credentials_off: refusal('invalid_grant', 'client credentials flow not enabled'),
  wrong_domain: refusal('invalid_grant', 'request not supported on this domain'),
  no_valid_scopes: refusal('invalid_grant', 'no valid scopes'),
  code_invalid: refusal('invalid_grant', 'invalid authorization code'),
  code_verifier_invalid: refusal('invalid_grant', 'invalid code verifier'),
  authentication_failure: refusal('invalid_grant', 'authentication failure'),
  password_invalid: refusal('invalid_grant', 'authentication failure - Invalid Password'),
  user_credentials_invalid: refusal('invalid_grant', 'invalid user credentials'),
  activation_secret_invalid: refusal('invalid_grant', 'activation secret invalid'),
  token_handler_failed: refusal('invalid_grant', 'token handler validation failed'),
  subject_token_invalid: refusal('invalid_grant', 'invalid subject token'),
  client_identifier_invalid: refusal('invalid_client_id', 'client identifier invalid'),
  client_credentials_invalid: refusal('invalid_client', 'invalid client credentials'),
  app_not_installed: refusal('invalid_client', 'app must be installed into org'),
  app_not_found: refusal('app_not_found', 'External client app is not installed in this org'),
  app_not_found_code: refusal(
    'OAUTH_EC_APP_NOT_FOUND',
    'External client app is not installed in this org',
  ),
  user_not_admin_approved: refusal(
    'invalid_app_access',
    'user is not admin approved to access this app',
    'Failed: Not approved for access',
  ),
  user_not_admin_approved_code: refusal(
    'OAUTH_APP_ACCESS_DENIED',
    'user is not admin approved to access this app',
    'Failed: Not approved for access',
  ),
  cross_org_blocked: refusal(
    'OAUTH_AUTHORIZATION_BLOCKED',
    'Cross-org OAuth flows are not supported for this external client app',
  ),
  app_blocked: refusal('OAUTH_APP_BLOCKED', 'this app is blocked by admin'),
  approval_error: refusal(
    'OAUTH_APPROVAL_ERROR_GENERIC',
    'An unexpected error has occurred during authentication. Please try again.',
  ),
  scope_not_supported: refusal('invalid_request', 'scope parameter not supported'),
  jti_in_use: refusal('invalid_request', 'jti already in use'),
  use_dpop_nonce: refusal('use_dpop_nonce', 'Authorization server requires nonce in DPoP proof'),
  invalid_dpop_proof: refusal('invalid_dpop_proof', 'invalid DPoP proof'),
  dpop_jkt_missing: refusal('invalid_request', 'missing required dpop_jkt for code binding'),
  dpop_proof_missing: refusal('invalid_request', 'missing required DPoP proof'),
  redirect_uri_mismatch: refusal('redirect_uri_mismatch', 'redirect_uri must match configuration'),
  redirect_uri_missing: refusal('redirect_uri_missing', 'missing required parameter: redirect_uri'),
  scope_invalid: refusal('invalid_scope', 'the requested scope is not allowed'),
  response_type_not_supported: refusal('unsupported_response_type', 'response type not supported'),
  code_challenge_missing: refusal('invalid_request', 'missing required code challenge'),
  https_required: refusal('invalid_request', 'HTTPS required'),
  post_required: refusal('invalid_request', 'must use HTTP POST'),
  refresh_scope_required: refusal('invalid_request', 'refresh_token scope is required'),
  grant_not_supported: refusal('unsupported_grant_type', 'grant type not supported'),
  authorization_pending: refusal('authorization_pending', 'authorization is pending'),
  slow_down: refusal('slow_down', 'polling too quickly'),
  access_denied: refusal('access_denied', 'end-user denied authorization'),
  retry_your_request: refusal('unknown_error', 'retry your request'),
  data_not_available: refusal('Data Not Available', 'Data Not Available'),
} as const satisfies Record<string, Refusal>

interface Refusal {
  readonly error: string
  readonly errorDescription: string
  /** Status in Login History. */
  readonly loginStatus: string
}

export type RefusalName = keyof typeof REFUSALS

/** Thrown to refuse a request. Each endpoint converts it to its own form of error. */
export class Refused extends Error {
  readonly refusal: RefusalName

  constructor(refusal: RefusalName) {
    super(REFUSALS[refusal].errorDescription)
    this.name = 'Refused'
    this.refusal = refusal
  }
}

function refusal(error: string, errorDescription: string, loginStatus?: string): Refusal {
  return { error, errorDescription, loginStatus: loginStatus ?? `Failed: ${errorDescription}` }
}
