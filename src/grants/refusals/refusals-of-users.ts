/** Refusals about the user, the org and the grant. */
import {
  CONNECTING,
  FLOWS_PATH,
  POLICIES,
  type RefusalRow,
  SETTINGS_PATH,
  SIGNED,
  USER,
} from './refusal-row.ts'

const USERS_OF_APP = `${POLICIES} → Permitted Users, Select Profiles, Select Permission Sets`

export const REFUSALS_OF_USERS = {
  user_not_approved: {
    class: 'permanent',
    texts: ['approved this consumer'],
    errors: [],
    propagates: true,
    of: [{ grants: ['jwt_bearer', 'token_exchange'] }],
    cause:
      'The user may not use the app: no assigned profile or permission set, no approval of its own, or the login host or consumer key belongs to another org.',
    remedy:
      'Set Permitted Users to "Admin approved users are pre-authorized" and assign the profile or a permission set of the user to the app; then check login_url and client_id.',
    setupPath: USERS_OF_APP,
    particulars: [
      {
        of: [{ grants: ['jwt_bearer'] }],
        cause:
          'The user may not use the app: no assigned profile or permission set, no approval of its own, or the audience, login host or consumer key belongs to another org.',
        remedy:
          'Set Permitted Users to "Admin approved users are pre-authorized" and assign the profile or a permission set of the user to the app; then check audience, login_url and username.',
        setupPath: USERS_OF_APP,
      },
    ],
  },
  audience_invalid: {
    class: 'permanent',
    texts: ['audience is invalid', 'audience validation failed'],
    errors: [],
    of: SIGNED,
    cause: 'The audience of the assertion is not one that this login host accepts.',
    remedy: 'Check login_url: the assertion is for the token endpoint of that host.',
    setupPath: null,
    particulars: [
      {
        of: [{ grants: ['jwt_bearer'] }],
        cause: 'The audience of the assertion is not one that this login host accepts.',
        remedy:
          'Set grant.audience to https://login.salesforce.com (production), https://test.salesforce.com (sandbox) or the site URL (Experience Cloud).',
        setupPath: null,
      },
    ],
  },
  assertion_invalid: {
    class: 'permanent',
    texts: ['invalid assertion'],
    errors: [],
    signature: true,
    propagates: true,
    of: SIGNED,
    cause: 'The signature of the assertion does not verify with the certificate of the app.',
    remedy:
      'Upload the certificate of the credential that signed to the app, and wait up to 10 minutes.',
    setupPath: `${SETTINGS_PATH} → Use digital signatures`,
  },
  assertion_expired: {
    class: 'permanent',
    texts: ['expired authorization code'],
    errors: [],
    retryOnce: true,
    of: [...SIGNED, { grants: ['refresh_token', 'authorization_code', 'device'] }],
    cause: 'The assertion or code had expired when it arrived.',
    remedy: 'Correct the clock (NTP) of this service, and try again.',
    setupPath: null,
    particulars: [
      {
        of: [
          {
            proofs: ['certificate'],
            grants: ['jwt_bearer', 'client_credentials', 'token_exchange'],
          },
        ],
        cause:
          'The assertion had expired when it arrived, usually because the clock of this service is wrong.',
        remedy: 'Correct the clock (NTP) of this service.',
        setupPath: null,
      },
      {
        of: [{ grants: ['refresh_token'] }],
        cause:
          'Another request with the same refresh token was in progress, or the token has expired.',
        remedy:
          'Make sure that no other system uses this refresh token; if the error persists, connect the integration again.',
        setupPath: null,
      },
      {
        of: [{ grants: ['authorization_code', 'device'] }],
        cause: 'The code was used before, or has expired.',
        remedy: 'Connect again.',
        setupPath: null,
      },
    ],
  },
  refresh_token_expired: {
    class: 'permanent',
    texts: ['expired access/refresh token'],
    errors: [],
    of: [{ grants: ['refresh_token', 'token_exchange', 'data_cloud'] }],
    particulars: [
      {
        of: [{ grants: ['token_exchange', 'data_cloud'] }],
        cause: 'The token to exchange has expired or was revoked.',
        remedy:
          'Nothing, if it is rare: the broker requests another one. Otherwise test the integration that the token belongs to.',
        setupPath: null,
      },
    ],
    cause:
      'The refresh token has expired, was revoked, was replaced by a newer one, or ended because the same user approved the same app a sixth time.',
    remedy: 'Connect the integration again; then check the refresh token policy of the app.',
    setupPath: `${POLICIES} → Refresh Token Policy`,
  },
  request_in_progress: {
    class: 'transient',
    texts: ['token request is already being processed'],
    errors: [],
    of: [{ grants: ['refresh_token'] }],
    cause: 'Another request with the same refresh token was in progress.',
    remedy:
      'Nothing, if it is rare; otherwise make sure that no other system uses this refresh token.',
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
    texts: [
      'inactive user',
      'user is inactive',
      'user is not active',
      'user is deactivated',
      'user is frozen',
      'user has been frozen',
      'user has been deactivated',
      'user account is inactive',
      'user account is deactivated',
      'user account is frozen',
      'frozen user',
    ],
    errors: ['inactive_user'],
    cause: 'The user is deactivated or frozen.',
    remedy: 'Activate or unfreeze the user, or name another one.',
    setupPath: `${USER} → Active, Unfreeze`,
  },
  org_inactive: {
    class: 'permanent',
    texts: [
      'inactive organization',
      'inactive org',
      'organization is inactive',
      'organization is not active',
      'organization is locked',
      'org is inactive',
      'org is locked',
      'org is suspended',
      'organization is suspended',
    ],
    errors: ['inactive_org'],
    cause: 'The org is suspended, locked, expired or deleted.',
    remedy: 'Ask Salesforce about the org. If a sandbox was deleted, delete the integration.',
    setupPath: null,
  },
  user_locked: {
    class: 'permanent',
    texts: ['user is locked', 'user account is locked', 'locked user'],
    errors: [],
    cause: 'The user is locked out after failed logins.',
    remedy: 'Unlock the user, and find out in its Login History which logins fail.',
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
    of: [{ grants: ['client_credentials'] }],
    cause: 'The app has no run-as user for the client credentials flow.',
    remedy: 'Choose a run-as user (API only) with the lookup, and save.',
    setupPath: `${POLICIES} → Client Credentials Flow → Run As`,
  },
  client_credentials_flow_disabled: {
    class: 'permanent',
    texts: ['client credentials flow not enabled'],
    errors: [],
    propagates: true,
    of: [{ grants: ['client_credentials'] }],
    cause: 'The client credentials flow is not enabled for the app.',
    remedy: 'Enable the client credentials flow in the settings and in the policies of the app.',
    setupPath: `${FLOWS_PATH} → Enable Client Credentials Flow`,
  },
  domain_not_supported: {
    class: 'permanent',
    texts: ['request not supported on this domain'],
    errors: [],
    of: [{ grants: ['client_credentials', 'token_exchange'] }],
    cause: 'This grant works on the My Domain host only, not on login, test or lightning hosts.',
    remedy: 'Set login_url to your My Domain: https://YOURDOMAIN.my.salesforce.com.',
    setupPath: 'Setup → My Domain → Current My Domain URL',
  },
  no_valid_scopes: {
    class: 'permanent',
    texts: ['no valid scopes'],
    errors: [],
    propagates: true,
    of: [{ grants: ['client_credentials', 'jwt_bearer', 'token_exchange'] }],
    cause: 'The app has no scope that this grant may use.',
    remedy: 'Add the scope "Manage user data via APIs (api)" to the app.',
    setupPath: `${SETTINGS_PATH} → OAuth Scopes`,
  },
  authorization_code_invalid: {
    class: 'permanent',
    texts: ['invalid authorization code'],
    errors: [],
    of: [{ grants: ['authorization_code'] }],
    cause: 'Salesforce does not know the authorization code.',
    remedy: 'Connect again.',
    setupPath: null,
  },
  code_verifier_invalid: {
    class: 'permanent',
    texts: ['invalid code verifier'],
    errors: [],
    of: [{ grants: ['authorization_code'] }],
    cause: 'The PKCE verifier does not belong to the challenge.',
    remedy: 'Connect again.',
    setupPath: null,
  },
  user_credentials_invalid: {
    class: 'permanent',
    texts: ['authentication failure', 'invalid user credentials'],
    errors: [],
    cause:
      'Salesforce refused the login of the user, and does not say why. The user may be frozen or locked, or may not log in from this address or at this hour.',
    remedy:
      'Read the reason in the Login History of the user; then unfreeze or unlock the user, or allow the login.',
    setupPath: `${USER} → Login History`,
    particulars: [
      {
        of: [{ grants: ['client_credentials'] }],
        cause:
          'Salesforce refused the login of the run-as user, and does not say why. That user may be frozen or locked, or may not log in from this address or at this hour.',
        remedy:
          'Read the reason in the Login History of the run-as user; then unfreeze or unlock that user, or choose another one in the policies of the app.',
        setupPath: `${USER} → Login History`,
      },
      {
        of: [{ grants: CONNECTING }],
        cause: 'Salesforce refused the login of the person who connects the integration.',
        remedy: 'Read the reason in the Login History of that user; then connect again.',
        setupPath: `${USER} → Login History`,
      },
    ],
  },
  identity_verification_required: {
    class: 'permanent',
    texts: ['activation secret invalid'],
    errors: [],
    cause:
      'Salesforce requires an identity verification of the user, which an integration cannot answer.',
    remedy: 'Add the egress addresses of this service to the trusted IP ranges.',
    setupPath: 'Setup → Network Access',
  },
} as const satisfies Record<string, RefusalRow>
