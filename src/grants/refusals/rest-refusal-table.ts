/** Known errors of the REST API. Each row states its source. */
import type { Explanation } from './refusal-row.ts'
import { POLICIES, SETTINGS_PATH, USER } from './refusal-row.ts'

/**
 * What an error shows about the token. `dead`: the session is unknown. `no_api`: the session is
 * valid, but not for the REST API, and another token would not help. `untold`: nothing about the
 * token.
 */
export type RestVerdict = 'dead' | 'no_api' | 'untold'

export interface RestRefusalRow extends Explanation {
  /** Values of `errorCode` (REST), `exceptionCode` (Bulk) or `faultcode` (SOAP), in lower case, without a prefix. */
  readonly codes: readonly string[]
  /** Substrings of the message, in lower case. One must be present. Default: any message. */
  readonly texts?: readonly string[]
  /** Statuses that are sufficient if the answer has no known code. */
  readonly statuses?: readonly number[]
  readonly verdict: RestVerdict
  readonly isTransient?: true
  readonly source: string
}

const API_ENABLED = `${USER} → Permission Set Assignments (a set with System Permissions → API Enabled)`
const GUIDE = 'REST API Developer Guide, Status Codes and Error Responses'
const EXCEPTIONS = 'SOAP API Developer Guide, ExceptionCode'

/** The first matching row wins, so rows with texts stand before rows with the same code and no text. */
export const REST_REFUSALS = {
  api_not_allowed: {
    codes: ['invalid_session_id'],
    texts: ['not valid for use with'],
    verdict: 'no_api',
    cause:
      'Salesforce knows the session, but not for the API: the app lacks the scope api, the IP policy of the app or the profile forbids this address, the profile requires a high-assurance session, or API Access Control does not list the app.',
    remedy:
      'Give the app the scope api; relax its IP restrictions or allow this address; set Session Security Level Required at Login of the profile to None; allow the app in API Access Control. A JWT as access token does not work with SOAP before API version 68.0.',
    setupPath: `${SETTINGS_PATH} → OAuth Scopes; ${POLICIES} → IP Relaxation; Setup → Profiles → (profile of the user) → Session Settings; Setup → API Access Control`,
    source:
      'jsforce (src/http-api.ts) and jsforce#1301; NangoHQ/nango#4344; nango.dev, INVALID_SESSION_ID',
  },
  app_not_for_agent: {
    codes: ['invalid_session_id'],
    texts: ['connected app is not attached'],
    verdict: 'no_api',
    cause: 'Salesforce knows the session, and the app is not attached to the agent that is called.',
    remedy: 'Attach the app to the agent.',
    setupPath: 'Setup → Agentforce Agents → (agent) → Connections',
    source: 'jsforce (src/http-api.ts, responsesToSkip)',
  },
  session_invalid: {
    codes: ['invalid_session_id', 'invalidsessionid'],
    statuses: [401],
    verdict: 'dead',
    cause:
      'Salesforce does not know the session: it ended, it belongs to another org or instance, or sessions are locked to the IP address from which they originated.',
    remedy:
      'Compare the host that is called with the instance_url of the token; turn "Lock sessions to the IP address from which they originated" off, because tokens of a broker are used at other addresses than the one that requested them; look for a policy that ends sessions.',
    setupPath: 'Setup → Session Settings',
    source: `${GUIDE} (401); restforce, expired_session_response.json; jsforce#386`,
  },
  authorization_header: {
    codes: ['invalid_auth_header'],
    verdict: 'untold',
    cause: 'The Authorization header was changed or removed.',
    remedy: 'Look for a proxy that changes or removes headers.',
    setupPath: null,
    source: 'Seen without the header, or with one that is no Bearer token',
  },
  concurrent_requests: {
    codes: ['request_limit_exceeded'],
    texts: ['concurrent'],
    verdict: 'untold',
    isTransient: true,
    cause: 'Too many long requests run in the org at once.',
    remedy: 'Wait, and try again; find what runs long requests (Setup → API Usage Notifications).',
    setupPath: null,
    source: 'SalesforceLabs/OrgCheck#432; salto-io/salto#3056',
  },
  request_limit: {
    codes: ['request_limit_exceeded'],
    verdict: 'untold',
    cause: 'The org has used all of its API calls for 24 hours.',
    remedy:
      'Find the client that makes most calls, and slow it down; the limit counts the last 24 hours. Buy more calls if the load is expected. A new token does not help.',
    setupPath: 'Setup → Company Information → API Requests, Last 24 Hours; Setup → System Overview',
    source: `${GUIDE} (403); SalesforceLabs/OrgCheck#181`,
  },
  api_disabled: {
    codes: ['api_disabled_for_org'],
    verdict: 'no_api',
    cause:
      'One of these: (1) The user lacks the permission API Enabled. (2) The edition of the org has no API.',
    remedy:
      '(1) Give the user a permission set with API Enabled. (2) Ask Salesforce for API access: Professional Edition offers it as an add-on.',
    setupPath: `${API_ENABLED}; Setup → Company Information → Organization Edition`,
    source:
      'REST API Developer Guide, Supported Editions; docs.sequin.io (a user without API Enabled); restforce#219',
  },
  api_off_for_user: {
    codes: ['api_currently_disabled'],
    texts: ['for this user'],
    verdict: 'no_api',
    cause: 'The user lacks the permission API Enabled.',
    remedy: 'Give the user a permission set with API Enabled.',
    setupPath: API_ENABLED,
    source: 'experienceleague.adobe.com, Salesforce Diagnostics ("API is disabled for this User")',
  },
  api_down: {
    codes: [
      'api_currently_disabled',
      'functionality_temporarily_unavailable',
      'server_unavailable',
      'insert_update_delete_not_allowed_during_maintenance',
    ],
    verdict: 'untold',
    isTransient: true,
    cause: 'The API of the org is temporarily unavailable.',
    remedy: 'Wait, and try again; check status.salesforce.com.',
    setupPath: null,
    source: `${EXCEPTIONS} (API functionality is temporarily down due to a server problem)`,
  },
  url_not_reset: {
    codes: ['url_not_reset'],
    verdict: 'untold',
    cause: 'The request went to a login host, which has no API.',
    remedy:
      'Call the instance_url of the token. If that is itself a login host, set login_url to the My Domain of the org.',
    setupPath: 'Setup → My Domain → Current My Domain URL',
    source:
      'amazon-connect/amazon-connect-salesforce-lambda#12; restforce#939; forcedotcom/cli#3026',
  },
  version_retired: {
    codes: ['unsupported_api_version', 'invalidversion'],
    statuses: [410],
    verdict: 'untold',
    cause: 'Salesforce retired the API version of the request.',
    remedy:
      'Use a version that GET /services/data/ of the instance lists. If this service made the request, update it.',
    setupPath: null,
    source: 'KB 000354473, API Versions 21.0 through 30.0 Retirement (REST 410: GONE)',
  },
  password_expired: {
    codes: ['invalid_operation_with_expired_password'],
    verdict: 'no_api',
    cause:
      'The password of the user expired, and Salesforce refuses all other requests until it is reset.',
    remedy: 'Give the user the permission Password Never Expires, or set a new password.',
    setupPath: `${USER} → Reset Password`,
    source: EXCEPTIONS,
  },
  mutual_tls_required: {
    codes: ['mutual_authentication_failed'],
    verdict: 'no_api',
    cause:
      'The user has the permission Enforce SSL/TLS Mutual Authentication, and this call had no client certificate.',
    remedy:
      'Take the permission Enforce SSL/TLS Mutual Authentication from the user, or call with a client certificate (port 8443).',
    setupPath: `${USER} → Permission Set Assignments`,
    source: `${EXCEPTIONS}; Salesforce Help, Set Up a Mutual Authentication Certificate`,
  },
  client_not_allowed: {
    codes: ['client_not_accessible_for_user', 'oauth_app_blocked'],
    verdict: 'no_api',
    cause:
      'API Access Control, or an administrator, does not let this user call the API with this app.',
    remedy: 'Allow the app in API Access Control, and unblock it.',
    setupPath: 'Setup → API Access Control; Setup → Connected Apps OAuth Usage → Unblock',
    source: EXCEPTIONS,
  },
  forbidden: {
    codes: ['forbidden', 'insufficient_access', 'insufficient_access_or_readonly'],
    statuses: [403],
    verdict: 'no_api',
    cause:
      'Salesforce knows the session, but refuses the request: the user lacks a permission, or may not call from this address.',
    remedy:
      'Give the user a permission set with API Enabled and the permissions that the call needs; check Enforce login IP ranges on every request.',
    setupPath: `${API_ENABLED}; Setup → Session Settings → Enforce login IP ranges on every request`,
    source: `${GUIDE} (403)`,
  },
  not_there: {
    codes: ['not_found'],
    verdict: 'untold',
    cause: 'This host has no such resource.',
    remedy:
      'Compare the host that is called with the instance_url of the token, and the path with the API version.',
    setupPath: null,
    source: `${GUIDE} (404)`,
  },
} as const satisfies Record<string, RestRefusalRow>

export type RestReason = keyof typeof REST_REFUSALS
