import type { App, AppChanges, Apps } from './apps.ts'
import { currentPair } from './apps.ts'
import type { Directory } from './orgs.ts'

/** The components of external client apps in the Metadata API: the changes of each, or its errors. */
interface AppComponent {
  readonly type: string
  /** Full name of the component. */
  readonly member: string
  readonly elements: ReadonlyMap<string, string>
}

/** The org of a deployment, and the apps that the package creates in it. */
export interface DeploymentTarget {
  readonly orgId: string
  readonly apps: Apps
  readonly users: Pick<Directory, 'findUser'>
  /** API names of the apps of the same package. */
  readonly made: ReadonlySet<string>
}

/** The changes to the app with that API name. A string is an error. */
export type Effect = { readonly app: string | null; readonly changes: AppChanges } | string

interface ComponentType {
  readonly folder: string
  readonly suffix: string
  readonly effect: (component: AppComponent, target: DeploymentTarget) => Effect
}

const DAY_MS = 86_400_000
const IDLE_LIMIT_DAYS = 30

export const COMPONENT_TYPES: Readonly<Record<string, ComponentType>> = {
  ExternalClientApplication: {
    folder: 'externalClientApps',
    suffix: 'eca',
    effect: ({ member, elements }) =>
      missing(elements, 'contactEmail', 'label') ?? { app: member, changes: {} },
  },
  ExtlClntAppGlobalOauthSettings: {
    folder: 'extlClntAppGlobalOauthSets',
    suffix: 'ecaGlblOauth',
    effect: ofApp(globalSettings),
  },
  ExtlClntAppOauthSettings: {
    folder: 'extlClntAppOauthSettings',
    suffix: 'ecaOauth',
    effect: ofApp(scopes),
  },
  ExtlClntAppOauthSecuritySettings: {
    folder: 'extlClntAppOauthSecuritySettings',
    suffix: 'ecaOauthSecurity',
    effect: ofApp(() => ({})),
  },
  ExtlClntAppOauthConfigurablePolicies: {
    folder: 'extlClntAppOauthPolicies',
    suffix: 'ecaOauthPlcy',
    effect: ofApp(oauthPolicies),
  },
  ExtlClntAppConfigurablePolicies: {
    folder: 'extlClntAppPolicies',
    suffix: 'ecaPlcy',
    effect: ofApp(({ elements }) => ({ blocked: elements.get('isEnabled') === 'false' })),
  },
  PermissionSet: {
    folder: 'permissionsets',
    suffix: 'permissionset',
    effect: ({ elements }) => missing(elements, 'label') ?? { app: null, changes: {} },
  },
}

export const appNamed = ({ orgId, apps }: DeploymentTarget, name: string): App | undefined =>
  apps.all().find((one) => one.orgId === orgId && one.apiName === name)

type Reader = (component: AppComponent, target: DeploymentTarget) => AppChanges | string

/** For a component of an app that exists or is created by the same package. */
function ofApp(read: Reader) {
  return (component: AppComponent, target: DeploymentTarget): Effect => {
    const name = component.elements.get('externalClientApplication') ?? ''
    const isThere = appNamed(target, name)?.kind === 'external_client_app'
    if (!isThere && !target.made.has(name)) {
      return `In field: externalClientApplication - no ExternalClientApplication named ${name} found`
    }
    const changes = read(component, target)
    return typeof changes === 'string' ? changes : { app: name, changes }
  }
}

const missing = (elements: ReadonlyMap<string, string>, ...names: readonly string[]) => {
  const name = names.find((one) => !elements.get(one))
  return name === undefined ? undefined : `Required field is missing: ${name}`
}

/** Replaces all settings: an omitted certificate is removed. Refuses a certificate that the upload form would refuse. */
function globalSettings({ member, elements }: AppComponent, target: DeploymentTarget) {
  const name = elements.get('externalClientApplication') ?? ''
  if (member !== `${name}_glbloauth`) return `${name} has global OAuth settings of another name`
  const lacking = missing(elements, 'callbackUrl', 'label')
  if (lacking !== undefined) return lacking
  const app = appNamed(target, name)
  const consumerKey = elements.get('consumerKey')
  const known = app && currentPair(app.configuration.latest()).clientId
  if (consumerKey !== undefined && consumerKey !== known)
    return 'The consumer key cannot be changed'
  const changes: AppChanges = {
    certificatePem: elements.get('certificate') || null,
    clientCredentialsFlow: elements.get('isClientCredentialsFlowEnabled') === 'true',
    callbackUrls: (elements.get('callbackUrl') ?? '').split('\n').map((url) => url.trim()),
    ...flag(elements, 'isPkceRequired', 'pkceRequired'),
    ...flag(elements, 'isRefreshTokenRotationEnabled', 'refreshTokenRotation'),
    ...flag(elements, 'isSecretRequiredForRefreshToken', 'secretRequiredForRefresh'),
    ...flag(elements, 'isSecretRequiredForTokenExchange', 'secretRequiredForExchange'),
    ...flag(elements, 'isTokenExchangeEnabled', 'tokenExchangeFlow'),
    ...(elements.get('isEnforceRefreshTokenTTL') === 'true' && {
      refreshTokenIdleMs: IDLE_LIMIT_DAYS * DAY_MS,
    }),
  }
  try {
    target.apps.check(changes)
  } catch (error) {
    return `Invalid certificate for ${name}: ${error instanceof Error ? error.message : error}`
  }
  return changes
}

const flag = (elements: ReadonlyMap<string, string>, element: string, setting: keyof AppChanges) =>
  elements.has(element) ? { [setting]: elements.get(element) === 'true' } : {}

/** Scopes that an org names when it refuses one. */
const SCOPES: Readonly<Record<string, readonly string[]>> = {
  Api: ['api'],
  RefreshToken: ['refresh_token', 'offline_access'],
  Web: ['web'],
  Full: ['full'],
  OpenID: ['openid'],
  CDP: ['cdp_api'],
}

function scopes({ elements }: AppComponent) {
  const names = (elements.get('commaSeparatedOauthScopes') ?? '')
    .split(',')
    .map((one) => one.trim())
  const unknown = names.find((name) => !Object.hasOwn(SCOPES, name))
  if (unknown !== undefined) return `Invalid OAuth scope: ${unknown}`
  return { scopes: names.flatMap((name) => SCOPES[name] ?? []) }
}

function oauthPolicies({ elements }: AppComponent, { orgId, users }: DeploymentTarget) {
  const runAs = elements.get('clientCredentialsFlowUser')
  if (runAs !== undefined && users.findUser(orgId, runAs) === undefined) {
    return `In field: clientCredentialsFlowUser - no User named ${runAs} found`
  }
  const isIdle = elements.get('refreshTokenPolicyType') === 'SpecificInactivity'
  const days = Number(elements.get('refreshTokenValidityPeriod'))
  return {
    runAsUsername: runAs ?? null,
    permittedUsers:
      elements.get('permittedUsersPolicyType') === 'AdminApprovedPreAuthorized'
        ? ('admin_approved' as const)
        : ('self_authorize' as const),
    ipPolicy:
      elements.get('ipRelaxationPolicyType') === 'Enforce'
        ? ('enforce' as const)
        : ('relax' as const),
    ...(isIdle && { refreshTokenIdleMs: days * DAY_MS }),
  }
}
