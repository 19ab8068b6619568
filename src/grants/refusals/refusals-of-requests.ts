/** Refusals about the request: its form, its network path, and the flow. */
import {
  ANY,
  CONNECTING,
  FLOWS_PATH,
  OF_APPS,
  POLICIES,
  type RefusalRow,
  SETTINGS_PATH,
  SIGNED,
} from './refusal-row.ts'

/** Each flow has its own checkbox in the app. */
const FLOW_BOXES = [
  {
    grant: 'client_credentials',
    flow: 'client credentials flow',
    more: ', in its settings and once more in its policies',
  },
  { grant: 'jwt_bearer', flow: 'JWT bearer flow', more: '' },
  { grant: 'token_exchange', flow: 'token exchange flow', more: '' },
  { grant: 'device', flow: 'device flow', more: '' },
] as const

const UNKNOWN_GRANT = {
  cause: 'The host does not know this grant, or a proxy removed the content type.',
  remedy: 'Check login_url; look for a proxy that changes requests.',
  setupPath: null,
}

export const REFUSALS_OF_REQUESTS = {
  scope_not_supported: {
    class: 'permanent',
    texts: ['scope parameter not supported'],
    errors: [],
    cause: 'A scope was sent, but Salesforce accepts only the scopes of the app.',
    remedy: 'This service sends none: look for a proxy that changes requests.',
    setupPath: null,
    particulars: [
      {
        of: [{ grants: CONNECTING }],
        cause: 'The request names scopes, but Salesforce accepts only the scopes of the app.',
        remedy: 'Connect again, and omit scopes.',
        setupPath: null,
      },
    ],
  },
  assertion_replayed: {
    class: 'permanent',
    texts: ['jti already in use'],
    errors: [],
    retryOnce: true,
    of: SIGNED,
    cause: 'The same assertion arrived twice.',
    remedy: 'Nothing, if it is rare: each request is signed anew. Look for a proxy that retries.',
    setupPath: null,
  },
  code_challenge_missing: {
    class: 'permanent',
    texts: ['missing required code challenge'],
    errors: [],
    cause: 'The app requires PKCE, which this grant does not support.',
    remedy: 'Turn "Require Proof Key for Code Exchange" off for this app.',
    setupPath: `${SETTINGS_PATH} → Security → Require PKCE`,
    particulars: [
      {
        of: [{ grants: CONNECTING }],
        cause:
          'The app requires PKCE, and the PKCE parameters that this service sent did not arrive.',
        remedy: 'Look for a proxy that changes requests; then connect again.',
        setupPath: `${SETTINGS_PATH} → Security → Require PKCE`,
      },
    ],
  },
  https_required: {
    class: 'permanent',
    texts: ['https required'],
    errors: [],
    cause: 'The request reached Salesforce over plain HTTP.',
    remedy: 'Use an https login_url, and check the proxy.',
    setupPath: null,
  },
  http_method_wrong: {
    class: 'permanent',
    texts: ['must use http post', 'must use http get'],
    errors: [],
    cause: 'The request reached Salesforce with another HTTP method.',
    remedy: 'Look for a proxy that changes requests or follows redirects.',
    setupPath: null,
  },
  refresh_scope_required: {
    class: 'permanent',
    texts: ['refresh_token scope is required', 'should be installed and preauthorized'],
    errors: [],
    propagates: true,
    of: OF_APPS,
    cause:
      'The app lacks the scope for offline access, or is not installed in the org, or not pre-authorized.',
    remedy:
      'Add the scope "Perform requests at any time (refresh_token, offline_access)"; install the app, and pre-authorize it for the user.',
    setupPath: `${SETTINGS_PATH} → OAuth Scopes`,
    particulars: [
      {
        of: ANY,
        cause: 'The app lacks the scope for offline access.',
        remedy: 'Add the scope "Perform requests at any time (refresh_token, offline_access)".',
        setupPath: `${SETTINGS_PATH} → OAuth Scopes`,
      },
      {
        of: ANY,
        cause: 'The app is not installed in the org, or is not pre-authorized for the user.',
        remedy:
          'Install the app; set Permitted Users to "Admin approved users are pre-authorized", and assign the profile or a permission set of the user to it.',
        setupPath: `${POLICIES} → Permitted Users, Select Profiles, Select Permission Sets`,
      },
    ],
  },
  token_handler_failed: {
    class: 'permanent',
    texts: ['token handler validation failed'],
    errors: [],
    of: [{ grants: ['token_exchange'] }],
    cause: 'The Apex token exchange handler did not accept the subject token.',
    remedy: 'Read the Apex debug log of the handler.',
    setupPath: 'Setup → Token Exchange Handlers',
  },
  data_not_available: {
    class: 'permanent',
    texts: ['data not available'],
    errors: ['data not available'],
    cause: 'A scratch or trial org has expired, or the org is being migrated.',
    remedy: 'Check that the org still exists; try again later if it is being migrated.',
    setupPath: null,
  },
  unknown_error: {
    class: 'transient',
    texts: ['retry your request'],
    errors: ['unknown_error'],
    cause: 'Salesforce had an internal problem.',
    remedy: 'Nothing, if it is rare; otherwise check status.salesforce.com.',
    setupPath: null,
  },
  grant_type_unsupported: {
    class: 'permanent',
    texts: ['grant type not supported'],
    errors: ['unsupported_grant_type'],
    propagates: true,
    ...UNKNOWN_GRANT,
    particulars: [
      ...FLOW_BOXES.map(({ grant, flow, more }) => ({
        of: [{ grants: [grant] }],
        cause: `The ${flow} is not enabled for the app.`,
        remedy: `Enable the ${flow} for the app${more}.`,
        setupPath: FLOWS_PATH,
      })),
      { of: ANY, ...UNKNOWN_GRANT },
    ],
  },
  response_type_unsupported: {
    class: 'permanent',
    texts: [],
    errors: ['unsupported_response_type'],
    of: [{ grants: CONNECTING }],
    cause: 'The app does not allow this flow.',
    remedy: 'Enable the flow for the app.',
    setupPath: FLOWS_PATH,
    particulars: [
      {
        of: [{ grants: ['device'] }],
        cause: 'The app does not allow the device flow.',
        remedy: 'Enable the device flow for the app, where Salesforce still allows it.',
        setupPath: FLOWS_PATH,
      },
      {
        of: [{ grants: ['authorization', 'authorization_code'] }],
        cause: 'The app does not allow the web server flow.',
        remedy: 'Enable the authorization code flow for the app.',
        setupPath: FLOWS_PATH,
      },
    ],
  },
  scope_invalid: {
    class: 'permanent',
    texts: [],
    errors: ['invalid_scope'],
    of: [{ grants: [...CONNECTING, 'refresh_token', 'token_exchange'] }],
    cause: 'The request names a scope that the app does not have.',
    remedy: 'Add the scope to the app, or request fewer scopes.',
    setupPath: `${SETTINGS_PATH} → OAuth Scopes`,
  },
  redirect_uri_mismatch: {
    class: 'permanent',
    texts: ['redirect_uri must match configuration'],
    errors: ['redirect_uri_mismatch'],
    of: [{ grants: ['authorization', 'authorization_code'] }],
    cause: 'The app does not have the callback URL of this service.',
    remedy: 'Add the callback URL that GET /integrations/{name}/setup shows to the app.',
    setupPath: `${SETTINGS_PATH} → Callback URL`,
  },
  redirect_uri_missing: {
    class: 'permanent',
    texts: [],
    errors: ['redirect_uri_missing'],
    of: [{ grants: ['authorization', 'authorization_code'] }],
    cause: 'The request has no callback URL.',
    remedy: 'Set VALETKEY_PUBLIC_URL, and add the callback URL to the app.',
    setupPath: `${SETTINGS_PATH} → Callback URL`,
  },
  immediate_unsuccessful: {
    class: 'permanent',
    texts: [],
    errors: ['immediate_unsuccessful'],
    of: [{ grants: ['authorization'] }],
    cause: 'Nobody was logged in, or nobody had approved the app.',
    remedy: 'Connect again, and log in when asked.',
    setupPath: null,
  },
  access_denied: {
    class: 'permanent',
    texts: [],
    errors: ['access_denied'],
    of: [{ grants: CONNECTING }],
    cause: 'The user, or a policy, denied the access.',
    remedy: 'Connect again, and approve the app.',
    setupPath: POLICIES,
  },
  authorization_pending: {
    class: 'transient',
    texts: [],
    errors: ['authorization_pending', 'slow_down'],
    of: [{ grants: ['device'] }],
    cause: 'The user has not confirmed the device yet.',
    remedy: 'Confirm the code at the address shown.',
    setupPath: null,
  },
} as const satisfies Record<string, RefusalRow>
