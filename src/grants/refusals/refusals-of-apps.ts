import { APP, OF_APPS, POLICIES, type RefusalRow, SETTINGS_PATH, SIGNED } from './refusal-row.ts'

export const REFUSALS_OF_APPS = {
  client_id_invalid: {
    class: 'permanent',
    texts: ['client identifier invalid'],
    errors: ['invalid_client_id'],
    propagates: true,
    of: OF_APPS,
    cause:
      'This host has no app with this consumer key: the key is mistyped, the app is deleted, in another environment, or created less than 10 minutes ago.',
    remedy: 'Compare client_id with the consumer key of the app, and login_url with its org.',
    setupPath: `${SETTINGS_PATH} → Consumer Key`,
  },
  client_credentials_invalid: {
    class: 'permanent',
    texts: ['invalid client credentials'],
    errors: [],
    signature: true,
    propagates: true,
    of: OF_APPS,
    cause: 'The app does not know the credential that proves the client.',
    remedy: 'Compare the credential with the app; a change there takes up to 10 minutes.',
    setupPath: SETTINGS_PATH,
    particulars: [
      {
        of: [{ proofs: ['client_secret'] }],
        cause: 'The client secret is wrong, or was rotated.',
        remedy: 'Stage the current secret of the app; a change there takes up to 10 minutes.',
        setupPath: `${SETTINGS_PATH} → Consumer Key and Secret`,
      },
      {
        of: SIGNED,
        cause: 'The signature does not verify with the certificate of the app.',
        remedy:
          'Upload the certificate of the credential that signed to the app, and wait up to 10 minutes.',
        setupPath: `${SETTINGS_PATH} → Use digital signatures`,
      },
      {
        of: [{ proofs: ['none'] }],
        cause: 'The app requires client authentication, and the integration has none.',
        remedy:
          'Let the app accept requests without client authentication, or give the integration the credential of the app.',
        setupPath: `${SETTINGS_PATH} → Security`,
      },
    ],
  },
  app_not_installed: {
    class: 'permanent',
    texts: ['app must be installed into org'],
    errors: [],
    propagates: true,
    cause: 'The connected app is not installed in the org, and uninstalled ones are blocked.',
    remedy: 'Let an administrator install the app, or create an External Client App in the org.',
    setupPath: 'Setup → Connected Apps OAuth Usage → Install',
  },
  app_not_found: {
    class: 'permanent',
    texts: ['external client app is not installed in this org'],
    errors: ['app_not_found', 'oauth_ec_app_not_found'],
    propagates: true,
    cause: 'The External Client App is not in this org, or was created less than 10 minutes ago.',
    remedy: 'Check that login_url belongs to the org that has the app; install its package there.',
    setupPath: 'Setup → External Client App Manager',
  },
  user_not_admin_approved: {
    class: 'permanent',
    texts: ['user is not admin approved to access this app'],
    errors: ['invalid_app_access', 'oauth_app_access_denied'],
    propagates: true,
    cause: 'The app is for pre-authorized users, and the user is not assigned to it.',
    remedy: 'Assign the profile or a permission set of the user to the app.',
    setupPath: `${POLICIES} → Select Profiles, Select Permission Sets`,
    particulars: [
      {
        of: [{ grants: ['client_credentials'] }],
        cause: 'The app is for pre-authorized users, and its run-as user is not assigned to it.',
        remedy: 'Assign the profile or a permission set of the run-as user to the app.',
        setupPath: `${POLICIES} → Select Profiles, Select Permission Sets`,
      },
    ],
  },
  cross_org_blocked: {
    class: 'permanent',
    texts: ['cross-org oauth flows are not supported'],
    errors: ['oauth_authorization_blocked'],
    cause:
      'The External Client App is local to the org in which it was created, and somebody logged in to another org.',
    remedy:
      'Set login_url to the My Domain of the org that has the app, and log in there, in a window without another login.',
    setupPath: `${APP} → Distribution State; Setup → My Domain → Current My Domain URL`,
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
    cause:
      'Salesforce did not let the user approve the app, and does not say why. Usually the app is not installed in the org, and the user may not approve such apps. Or a policy of the app or of the profile forbids it.',
    remedy:
      'Let an administrator install the app, or give the user Approve Uninstalled Connected Apps; assign the user to the app; try again in a window without another login; then compare the app with GET /integrations/{name}/setup.',
    setupPath: `Setup → Connected Apps OAuth Usage → Install; ${POLICIES}`,
  },
  client_refused: {
    class: 'permanent',
    texts: [],
    errors: ['invalid_client', 'unauthorized_client'],
    of: OF_APPS,
    cause: 'Salesforce refused the client with an unknown text.',
    remedy: 'Read error_description; compare the app with GET /integrations/{name}/setup.',
    setupPath: SETTINGS_PATH,
  },
} as const satisfies Record<string, RefusalRow>
