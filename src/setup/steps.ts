/** The steps of a setup, each with its place, fields and values. */
import { type Blueprint, MANAGER } from './blueprint.ts'
import { certificateStep } from './certificate-step.ts'
import { securityFields } from './security-fields.ts'
import type { Field, SetupStep } from './step.ts'
import { permissionSetStep, userStep } from './user-step.ts'

const ON = 'on'
const OFF = 'off'

/** `path` is the path of the integration. */
export const stepsOf = (blueprint: Blueprint, path: string): readonly SetupStep[] =>
  blueprint.source === null
    ? stepsOfApp(blueprint, path)
    : [sourceStep(blueprint, blueprint.source), testStep(path)]

const stepsOfApp = (blueprint: Blueprint, path: string): readonly SetupStep[] => [
  userStep(blueprint),
  permissionSetStep(blueprint),
  ...(blueprint.certificate ? [certificateStep(blueprint.certificate, path)] : []),
  appStep(blueprint),
  policiesStep(blueprint),
  keyStep(blueprint, path),
  ...(blueprint.recipe.actsAs === 'approving_user' ? [connectStep(path)] : []),
  testStep(path),
]

function appStep(blueprint: Blueprint): SetupStep {
  const { label, apiName, recipe, callbackUrl } = blueprint
  const basic = 'Basic Information'
  const oauth = 'API (Enable OAuth Settings)'
  return {
    title: 'Create the External Client App',
    where: `${MANAGER} → New External Client App`,
    fields: [
      { section: basic, field: 'External Client App Name', value: label },
      { section: basic, field: 'API Name', value: apiName },
      { section: basic, field: 'Contact Email', value: 'an address that your team reads' },
      { section: basic, field: 'Distribution State', value: 'Local' },
      { section: oauth, field: 'Enable OAuth', value: ON },
      {
        section: oauth,
        field: 'Callback URL',
        value: callbackUrl,
        why: callbackReason(blueprint),
      },
      ...recipe.scopes.map((scope) => ({
        section: oauth,
        field: 'OAuth Scopes',
        value: `${scope.label} (${scope.name})`,
      })),
      ...flowFields(blueprint),
      ...securityFields(blueprint),
    ],
  }
}

function callbackReason({ recipe, isCallbackOurs }: Blueprint): string {
  if (recipe.actsAs !== 'approving_user') return 'Required by the form, and not used by this grant'
  return isCallbackOurs
    ? 'The browser returns to exactly this URL'
    : 'No browser can return to this URL: set VALETKEY_PUBLIC_URL, and read this sheet again'
}

function flowFields({ recipe, provesBy }: Blueprint): readonly Field[] {
  const section = 'Flow Enablement'
  const upload: Field = {
    section,
    field: 'Upload Certificate (Use digital signatures)',
    value: 'the file of the previous step',
    why: 'Upload it last: the form loses it when another field redraws the form',
  }
  return [
    ...(recipe.flow === null ? [] : [{ section, field: recipe.flow, value: ON }]),
    ...(provesBy === 'certificate' ? [upload] : []),
    {
      section,
      field: recipe.flow === null ? 'All flows' : 'All other flows',
      value: OFF,
      why:
        recipe.flow === null
          ? 'The web server flow, in which a user approves, needs no checkbox'
          : 'A disabled flow cannot be abused',
    },
  ]
}

function policiesStep(blueprint: Blueprint): SetupStep {
  const { recipe, integration, apiName, refreshTokenIdleDays: idleDays } = blueprint
  const section = 'OAuth Policies'
  const runAs: readonly Field[] = [
    { section, field: 'Enable Client Credentials Flow', value: ON, why: 'Required here, too' },
    {
      section,
      field: 'Run As (Username)',
      value: 'the integration user',
      why: 'Use the search window: a typed name is not saved',
    },
  ]
  return {
    title: 'Set its policies, after saving it',
    where: `${MANAGER} → (your app) → Policies → Edit`,
    fields: [
      {
        section,
        field: 'Permitted Users',
        value: 'Admin approved users are pre-authorized',
        why:
          recipe.actsAs === 'approving_user'
            ? 'Only users of the profiles and permission sets below can allow the app'
            : 'Nobody can approve the app in a browser',
      },
      {
        section: 'App Policies',
        field: 'Select Profiles, Select Permission Sets',
        value: `${apiName}, or another one of the user`,
        why: 'Otherwise every login is refused',
      },
      ...(recipe.actsAs === 'run_as_user' ? runAs : []),
      {
        section,
        field: 'Refresh Token Policy',
        value:
          idleDays === null
            ? recipe.refreshTokenPolicy.label
            : `Expire refresh token if not used for specific time: ${idleDays} days`,
        why:
          idleDays === null
            ? recipe.refreshTokenPolicy.why
            : `refresh_token_idle_days is ${idleDays}`,
      },
      {
        section,
        field: 'IP Relaxation',
        value: 'Relax IP restrictions',
        why: 'Or enforce them, with the addresses of this service in the ranges of the user',
      },
      {
        section,
        field: 'Session Timeout',
        value: `${Math.ceil(integration.tokenLifetime / 60)} minutes or more`,
        why: `token_lifetime is ${integration.tokenLifetime} s, and must not be longer than the session`,
      },
    ],
  }
}

function keyStep({ provesBy, clientId }: Blueprint, path: string): SetupStep {
  const section = 'Consumer Key and Secret'
  const what = provesBy === 'client_secret' ? 'consumer key and secret' : 'consumer key'
  const known = clientId === null ? '' : ` (stored now: ${clientId})`
  return {
    title: `Send the ${what} to the broker`,
    where: `${MANAGER} → (your app) → Settings → OAuth Settings → Consumer Key and Secret`,
    fields: [
      {
        section,
        field: 'Verification code',
        value: 'from your mail',
        why: 'Salesforce sends it to the administrator who is logged in',
      },
      {
        section,
        field: `PATCH ${path}`,
        value:
          provesBy === 'client_secret'
            ? '{"grant": {"client_id": "…"}, "credential": {"client_secret": "…"}}'
            : '{"grant": {"client_id": "…"}}',
        why: `With If-Match: *${known}`,
      },
    ],
  }
}

function connectStep(path: string): SetupStep {
  const section = 'Connection'
  return {
    title: 'Connect it',
    where: null,
    fields: [
      {
        section,
        field: `POST ${path}/connections`,
        value: '{"flow": "authorization_code"}',
        why: 'Open the authorization_url of the answer as the user to act as, and press Allow',
      },
      {
        section,
        field: `or PATCH ${path}`,
        value: '{"credential": {"refresh_token": "…", "client_secret": "…"}}',
        why: 'Uses an existing refresh token; from then on only the broker may use it',
      },
    ],
  }
}

function testStep(path: string): SetupStep {
  return {
    title: 'Wait, and test',
    where: null,
    fields: [
      {
        section: 'Test',
        field: `POST ${path}/test`,
        value: '2 to 10 minutes later',
        why: 'Until then some servers of Salesforce do not know the app, so answers vary',
      },
    ],
  }
}

/** An integration without an app of its own needs more of the app whose token it exchanges. */
function sourceStep({ recipe }: Blueprint, source: string): SetupStep {
  const section = 'API (Enable OAuth Settings)'
  return {
    title: `Let the app of ${source} use it`,
    where: `${MANAGER} → (the app of ${source}) → Settings`,
    fields: [
      ...recipe.scopes.map(({ label, name }) => ({
        section,
        field: 'OAuth Scopes',
        value: `${label} (${name})`,
        why: 'In addition to its other scopes',
      })),
      {
        section: 'User',
        field: 'Permission set',
        value: 'a permission set for Data Cloud',
        why: `For the user that ${source} acts as`,
      },
      {
        section: 'Source',
        field: `GET /integrations/${source}/setup`,
        value: 'its own sheet',
        why: 'Its token is exchanged',
      },
    ],
  }
}
