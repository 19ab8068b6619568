/** Every refusal that Salesforce is known to give: how it reads, what it means, and the cure. */
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

const APP = 'Setup → External Client App Manager → (your app)'
const SETTINGS = `${APP} → Settings → OAuth Settings`
const FLOWS = `${SETTINGS} → Flow Enablement`
const POLICIES = `${APP} → Policies → OAuth Policies`
const USER = 'Setup → Users → (the user)'

/** Keyed by reason, the public name. The first row that fits wins, so narrow texts stand first. */
export const REFUSALS = {
  user_not_approved: {
    class: 'permanent',
    texts: ['approved this consumer'],
    errors: [],
    propagates: true,
    cause:
      'The user may not use the app: no assigned profile or permission set, no approval of its own, or the audience, login host or consumer key belongs to another org.',
    remedy:
      'Set Permitted Users to "Admin approved users are pre-authorized" and assign the profile or a permission set of the user to the app; then check audience, login_url and username.',
    setupPath: `${POLICIES} → Permitted Users, Select Profiles, Select Permission Sets`,
  },
  audience_invalid: {
    class: 'permanent',
    texts: ['audience is invalid', 'audience validation failed'],
    errors: [],
    cause: 'The audience of the assertion is not one that this login host accepts.',
    remedy:
      'Set grant.audience to https://login.salesforce.com (production), https://test.salesforce.com (sandbox) or the site URL (Experience Cloud).',
    setupPath: null,
  },
  assertion_invalid: {
    class: 'permanent',
    texts: ['invalid assertion'],
    errors: [],
    signature: true,
    propagates: true,
    cause: 'The signature of the assertion does not verify with the certificate of the app.',
    remedy:
      'Upload the certificate of the active credential to the app (GET …/credentials/{id}/certificate), and wait up to 10 minutes.',
    setupPath: `${SETTINGS} → Use digital signatures`,
  },
  assertion_expired: {
    class: 'permanent',
    texts: ['expired authorization code'],
    errors: [],
    retryOnce: true,
    cause:
      'The assertion had expired when it arrived, mostly because the clock here is wrong; or an authorization code was used or is too old.',
    remedy: 'Correct the clock (NTP) of this service; for an authorization code, connect again.',
    setupPath: null,
  },
  refresh_token_expired: {
    class: 'permanent',
    texts: ['expired access/refresh token'],
    errors: [],
    cause:
      'The refresh token is expired, revoked, replaced by a newer one, or pushed out by a sixth approval of the same user and app.',
    remedy: 'Connect the integration again; then check the refresh token policy of the app.',
    setupPath: `${POLICIES} → Refresh Token Policy`,
  },
  request_in_progress: {
    class: 'transient',
    texts: ['token request is already being processed'],
    errors: [],
    cause: 'Another request with the same refresh token was under way.',
    remedy: 'Nothing, if it is rare; else make sure that no one else uses this refresh token.',
    setupPath: null,
  },
  ip_restricted: {
    class: 'permanent',
    texts: ['ip restricted'],
    errors: [],
    cause:
      'Logins from the address of this service, or at this hour, are not allowed by the profile of the user or by the IP policy of the app.',
    remedy:
      'Allow the egress addresses of this service in the profile of the user, or relax IP restrictions in the policies of the app; check the login hours.',
    setupPath: `${POLICIES} → IP Relaxation; Setup → Profiles → Login IP Ranges, Login Hours`,
  },
  login_hours: {
    class: 'permanent',
    texts: ['invalid login hours'],
    errors: [],
    cause: 'The profile of the user does not allow logins at this hour.',
    remedy: 'Widen the login hours of the profile, or use an integration user without them.',
    setupPath: 'Setup → Profiles → (profile of the user) → Login Hours',
  },
  user_inactive: {
    class: 'permanent',
    texts: ['inactive user'],
    errors: ['inactive_user'],
    cause: 'The user is deactivated or frozen.',
    remedy: 'Activate or unfreeze the user, or name another one.',
    setupPath: `${USER} → Active, Unfreeze`,
  },
  org_inactive: {
    class: 'permanent',
    texts: ['inactive organization', 'org is locked'],
    errors: ['inactive_org'],
    cause: 'The org is suspended, locked, expired or deleted.',
    remedy: 'Ask Salesforce about the org; for a deleted sandbox, delete the integration.',
    setupPath: null,
  },
  user_locked: {
    class: 'permanent',
    texts: ['user is locked'],
    errors: [],
    cause: 'The user is locked out after failed logins.',
    remedy: 'Unlock the user, and find out who logs in with a wrong password.',
    setupPath: `${USER} → Unlock`,
  },
  login_rate_exceeded: {
    class: 'wait',
    texts: ['login rate exceeded', 'number of logins exceeded'],
    errors: ['rate_limit_exceeded'],
    cause: 'The user logged in more than about 3,600 times within an hour.',
    remedy:
      'Wait for the hour to end; find what else logs in as this user (Login History), and give each system its own integration user.',
    setupPath: `${USER} → Login History`,
  },
  run_as_user_missing: {
    class: 'permanent',
    texts: ['no client credentials user enabled'],
    errors: [],
    propagates: true,
    cause: 'The app has no run-as user for the client credentials flow.',
    remedy: 'Choose a run-as user (API only) with the lookup, and save.',
    setupPath: `${POLICIES} → Client Credentials Flow → Run As`,
  },
  client_credentials_flow_disabled: {
    class: 'permanent',
    texts: ['client credentials flow not enabled'],
    errors: [],
    propagates: true,
    cause: 'The client credentials flow is off for the app.',
    remedy: 'Enable the client credentials flow in the settings and in the policies of the app.',
    setupPath: `${FLOWS} → Enable Client Credentials Flow`,
  },
  domain_not_supported: {
    class: 'permanent',
    texts: ['request not supported on this domain'],
    errors: [],
    cause: 'This grant works on the My Domain host only, not on login, test or lightning hosts.',
    remedy: 'Set login_url to https://YOURDOMAIN.my.salesforce.com.',
    setupPath: 'Setup → My Domain → Current My Domain URL',
  },
  no_valid_scopes: {
    class: 'permanent',
    texts: ['no valid scopes'],
    errors: [],
    propagates: true,
    cause: 'The app has no scope that this grant may use.',
    remedy: 'Add the scope "Manage user data via APIs (api)" to the app.',
    setupPath: `${SETTINGS} → OAuth Scopes`,
  },
  authorization_code_invalid: {
    class: 'permanent',
    texts: ['invalid authorization code'],
    errors: [],
    cause: 'The authorization code is not known to Salesforce.',
    remedy: 'Connect again.',
    setupPath: null,
  },
  code_verifier_invalid: {
    class: 'permanent',
    texts: ['invalid code verifier'],
    errors: [],
    cause: 'The PKCE verifier does not belong to the challenge.',
    remedy: 'Connect again.',
    setupPath: null,
  },
  user_credentials_invalid: {
    class: 'permanent',
    texts: ['authentication failure', 'invalid user credentials'],
    errors: [],
    cause: 'A user name and password were refused.',
    remedy: 'Use another grant: Salesforce retires passwords in OAuth.',
    setupPath: `${USER} → Login History`,
  },
  identity_verification_required: {
    class: 'permanent',
    texts: ['activation secret invalid'],
    errors: [],
    cause: 'Salesforce wants to verify the identity of the user.',
    remedy: 'Use another grant, or add the egress addresses of this service as trusted ones.',
    setupPath: 'Setup → Network Access',
  },
  client_id_invalid: {
    class: 'permanent',
    texts: ['client identifier invalid'],
    errors: ['invalid_client_id'],
    propagates: true,
    cause:
      'No app with this consumer key at this host: mistyped, deleted, of another environment, or made less than 10 minutes ago.',
    remedy: 'Compare client_id with the consumer key of the app, and login_url with its org.',
    setupPath: `${SETTINGS} → Consumer Key and Secret`,
  },
  client_credentials_invalid: {
    class: 'permanent',
    texts: ['invalid client credentials'],
    errors: [],
    signature: true,
    propagates: true,
    cause:
      'The client secret is wrong or was rotated; or the signature does not verify with the certificate of the app.',
    remedy:
      'Stage the current secret of the app; or upload the certificate of the active credential. Either takes up to 10 minutes.',
    setupPath: `${SETTINGS} → Consumer Key and Secret, Use digital signatures`,
  },
  app_not_installed: {
    class: 'permanent',
    texts: ['app must be installed into org'],
    errors: [],
    propagates: true,
    cause: 'The connected app is not installed in the org, and uninstalled ones are blocked.',
    remedy: 'Let an administrator install the app, or make an External Client App in the org.',
    setupPath: 'Setup → Connected Apps OAuth Usage → Install',
  },
  app_not_found: {
    class: 'permanent',
    texts: ['external client app is not installed in this org'],
    errors: ['app_not_found', 'oauth_ec_app_not_found'],
    propagates: true,
    cause: 'The External Client App is not in this org, or was made less than 10 minutes ago.',
    remedy: 'Check that login_url is of the org that has the app; install its package there.',
    setupPath: 'Setup → External Client App Manager',
  },
  user_not_admin_approved: {
    class: 'permanent',
    texts: ['user is not admin approved to access this app'],
    errors: ['invalid_app_access', 'oauth_app_access_denied'],
    propagates: true,
    cause: 'The app is for pre-authorized users, and the user is not assigned to it.',
    remedy: 'Assign the profile or a permission set of the user (or run-as user) to the app.',
    setupPath: `${POLICIES} → Select Profiles, Select Permission Sets`,
  },
  app_blocked: {
    class: 'permanent',
    texts: ['this app is blocked by admin'],
    errors: ['oauth_app_blocked'],
    cause: 'An administrator blocked the app, or API Access Control does not list it.',
    remedy: 'Unblock the app.',
    setupPath: 'Setup → Connected Apps OAuth Usage → Unblock',
  },
  approval_failed: {
    class: 'permanent',
    texts: ['unexpected error has occurred during authentication'],
    errors: ['oauth_approval_error_generic'],
    cause: 'Salesforce could not finish the approval and does not say why; mostly a setting.',
    remedy: 'Try once more; then compare the app with GET /integrations/{name}/setup.',
    setupPath: POLICIES,
  },
  scope_not_supported: {
    class: 'permanent',
    texts: ['scope parameter not supported'],
    errors: [],
    cause: 'A scope was sent where Salesforce takes the scopes of the app only.',
    remedy: 'This service sends none: look for a proxy on the way that changes requests.',
    setupPath: null,
  },
  assertion_replayed: {
    class: 'permanent',
    texts: ['jti already in use'],
    errors: [],
    retryOnce: true,
    cause: 'The same assertion arrived twice.',
    remedy: 'Nothing, if it is rare: each request is signed anew. Look for a proxy that retries.',
    setupPath: null,
  },
  code_challenge_missing: {
    class: 'permanent',
    texts: ['missing required code challenge'],
    errors: [],
    cause: 'The app requires PKCE, which this grant does not have.',
    remedy: 'Turn "Require Proof Key for Code Exchange" off for this app.',
    setupPath: `${SETTINGS} → Security → Require PKCE`,
  },
  https_required: {
    class: 'permanent',
    texts: ['https required'],
    errors: [],
    cause: 'The request reached Salesforce over plain HTTP.',
    remedy: 'Use an https login_url, and check the proxy on the way.',
    setupPath: null,
  },
  http_method_wrong: {
    class: 'permanent',
    texts: ['must use http post', 'must use http get'],
    errors: [],
    cause: 'The request reached Salesforce with another HTTP method.',
    remedy: 'Look for a proxy on the way that changes requests or follows redirects.',
    setupPath: null,
  },
  refresh_scope_required: {
    class: 'permanent',
    texts: ['refresh_token scope is required'],
    errors: [],
    cause: 'The app lacks the scope for offline access.',
    remedy: 'Add the scope "Perform requests at any time (refresh_token, offline_access)".',
    setupPath: `${SETTINGS} → OAuth Scopes`,
  },
  token_handler_failed: {
    class: 'permanent',
    texts: ['token handler validation failed'],
    errors: [],
    cause: 'The Apex token exchange handler did not accept the subject token.',
    remedy: 'Read the Apex debug log of the handler.',
    setupPath: 'Setup → Token Exchange Handlers',
  },
  data_not_available: {
    class: 'permanent',
    texts: ['data not available'],
    errors: ['data not available'],
    cause: 'A scratch or trial org is over, or the org is being migrated.',
    remedy: 'Check that the org is still there; try again later if it is being migrated.',
    setupPath: null,
  },
  unknown_error: {
    class: 'transient',
    texts: ['retry your request'],
    errors: ['unknown_error'],
    cause: 'Salesforce had an internal problem.',
    remedy: 'Nothing, if it is rare; else look at status.salesforce.com.',
    setupPath: null,
  },
  grant_type_unsupported: {
    class: 'permanent',
    texts: ['grant type not supported'],
    errors: ['unsupported_grant_type'],
    cause: 'The host does not know this grant, or a proxy dropped the content type.',
    remedy: 'Check login_url; look for a proxy on the way that changes requests.',
    setupPath: FLOWS,
  },
  response_type_unsupported: {
    class: 'permanent',
    texts: [],
    errors: ['unsupported_response_type'],
    cause: 'The app does not allow the web server flow.',
    remedy: 'Enable the authorization code flow for the app.',
    setupPath: FLOWS,
  },
  scope_invalid: {
    class: 'permanent',
    texts: [],
    errors: ['invalid_scope'],
    cause: 'A scope was asked for that the app does not have.',
    remedy: 'Add the scope to the app, or ask for less.',
    setupPath: `${SETTINGS} → OAuth Scopes`,
  },
  redirect_uri_mismatch: {
    class: 'permanent',
    texts: ['redirect_uri must match configuration'],
    errors: ['redirect_uri_mismatch'],
    cause: 'The callback URL of this service is not one of the app.',
    remedy: 'Add the callback URL that GET /integrations/{name}/setup shows to the app.',
    setupPath: `${SETTINGS} → Callback URL`,
  },
  redirect_uri_missing: {
    class: 'permanent',
    texts: [],
    errors: ['redirect_uri_missing'],
    cause: 'The request has no callback URL.',
    remedy: 'Set VALETKEY_PUBLIC_URL, and add the callback URL to the app.',
    setupPath: `${SETTINGS} → Callback URL`,
  },
  immediate_unsuccessful: {
    class: 'permanent',
    texts: [],
    errors: ['immediate_unsuccessful'],
    cause: 'Nobody was logged in, or the app was not approved before.',
    remedy: 'Connect again, and log in when asked.',
    setupPath: null,
  },
  access_denied: {
    class: 'permanent',
    texts: [],
    errors: ['access_denied'],
    cause: 'The user, or a policy, denied the access.',
    remedy: 'Connect again, and approve the app.',
    setupPath: POLICIES,
  },
  authorization_pending: {
    class: 'transient',
    texts: [],
    errors: ['authorization_pending', 'slow_down'],
    cause: 'The user has not confirmed the device yet.',
    remedy: 'Confirm the code at the address shown.',
    setupPath: null,
  },
  client_refused: {
    class: 'permanent',
    texts: [],
    errors: ['invalid_client', 'unauthorized_client'],
    cause: 'Salesforce refused the client in words that are not known here.',
    remedy: 'Read error_description; compare the app with GET /integrations/{name}/setup.',
    setupPath: SETTINGS,
  },
  unrecognised: {
    class: 'permanent',
    texts: [],
    errors: [],
    cause: 'Salesforce refused in words that are not known here.',
    remedy:
      'Read error_description and the Login History of the user; POST /integrations/{name}/test checks the rest.',
    setupPath: `${USER} → Login History`,
  },
} as const satisfies Record<string, RefusalRow>

/** A closed list: a public name, and a metric label. */
export type RefusalReason = keyof typeof REFUSALS
