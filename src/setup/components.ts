/** Metadata components of an External Client App and of the permission set of its user. */
import { globalOauthName } from '../integrations/certificate-deployment.ts'
import type { Blueprint } from './blueprint.ts'
import { elementsOf, type XmlElement } from './xml.ts'

export interface MetadataChoices {
  readonly contactEmail?: string
  readonly permissionSet?: string
  readonly profile?: string
  readonly runAs?: string
}

/** Placeholder for a missing choice. A deployment refuses it, so that no incomplete app is created. */
const RUN_AS_PLACEHOLDER = 'REPLACE-WITH-THE-RUN-AS-USER@example.com'
const CONTACT_PLACEHOLDER = 'replace-with-your-team@example.com'

export interface Component {
  readonly type: string
  readonly folder: string
  readonly suffix: string
  readonly member: string
  readonly elements: readonly XmlElement[]
}

/** In the order of their dependencies. */
export function componentsOf(blueprint: Blueprint, choices: MetadataChoices): readonly Component[] {
  const { apiName } = blueprint
  return [
    {
      type: 'ExternalClientApplication',
      folder: 'externalClientApps',
      suffix: 'eca',
      member: apiName,
      elements: application(blueprint, choices),
    },
    {
      type: 'ExtlClntAppOauthSettings',
      folder: 'extlClntAppOauthSettings',
      suffix: 'ecaOauth',
      member: oauthName(apiName),
      elements: oauthSettings(blueprint),
    },
    globalSettings(blueprint, globalOauthName(apiName)),
    {
      type: 'ExtlClntAppOauthConfigurablePolicies',
      folder: 'extlClntAppOauthPolicies',
      suffix: 'ecaOauthPlcy',
      // Salesforce's own default names. Other names would create a second set.
      member: `${oauthName(apiName)}_defaultPolicy`,
      elements: oauthPolicies(blueprint, choices),
    },
    {
      type: 'ExtlClntAppConfigurablePolicies',
      folder: 'extlClntAppPolicies',
      suffix: 'ecaPlcy',
      member: `${apiName}_defaultPolicy`,
      elements: policies(blueprint),
    },
    ...(blueprint.refreshTokenAddresses.length > 0 ? [securitySettings(blueprint)] : []),
    ...(choices.permissionSet === undefined ? [ownPermissionSet(blueprint)] : []),
  ]
}

/** The name that Setup gives to the OAuth settings of an app. */
const oauthName = (app: string): string => `${app}_oauth`

/** Contains the certificate. `member` is its full name. */
export const globalSettings = (blueprint: Blueprint, member: string): Component => ({
  type: 'ExtlClntAppGlobalOauthSettings',
  folder: 'extlClntAppGlobalOauthSets',
  suffix: 'ecaGlblOauth',
  member,
  elements: globalOauthSettings(blueprint),
})

/** The addresses from which refresh tokens are accepted. */
const securitySettings = ({ apiName, label, refreshTokenAddresses }: Blueprint): Component => ({
  type: 'ExtlClntAppOauthSecuritySettings',
  folder: 'extlClntAppOauthSecuritySettings',
  suffix: 'ecaOauthSecurity',
  member: `${apiName}_oauthSecurity`,
  elements: [
    ...elementsOf({ externalClientApplication: apiName, label: `${label} OAuth security` }),
    ...refreshTokenAddresses.map(
      ({ first, last }): XmlElement => [
        'tokenIpRanges',
        elementsOf({ description: 'Valetkey', endIpAddress: last, startIpAddress: first }),
      ],
    ),
  ],
})

/** Contains only the permissions that the user needs. Has no license, so that it deploys in every org; the setup sheet names the license. */
const ownPermissionSet = ({ apiName, label, recipe, description }: Blueprint): Component => ({
  type: 'PermissionSet',
  folder: 'permissionsets',
  suffix: 'permissionset',
  member: apiName,
  elements: [
    ...elementsOf({ description, hasActivationRequired: false, label }),
    ...[...recipe.user.permissions]
      .sort()
      .map((name): XmlElement => ['userPermissions', elementsOf({ enabled: true, name })]),
  ],
})

const application = (
  { label, description, username }: Blueprint,
  { contactEmail }: MetadataChoices,
) =>
  elementsOf({
    contactEmail: contactEmail ?? username ?? CONTACT_PLACEHOLDER,
    description,
    distributionState: 'Local',
    isProtected: false,
    label,
  })

const pemOf = ({ certificate }: Blueprint): string | undefined =>
  certificate?.credential?.certificate?.pem.trim()

const oauthSettings = (blueprint: Blueprint) =>
  elementsOf({
    clientAssertionCertificate: blueprint.assertsClient ? pemOf(blueprint) : undefined,
    commaSeparatedOauthScopes: blueprint.recipe.scopes
      .map(({ metadataName }) => metadataName)
      .join(', '),
    externalClientApplication: blueprint.apiName,
    label: `${blueprint.label} OAuth settings`,
  })

/** Days of inactivity in Salesforce's own limit. */
const IDLE_LIMIT_DAYS = 30

/** The certificate enables the JWT bearer flow. Salesforce creates the consumer key. */
function globalOauthSettings(blueprint: Blueprint): readonly XmlElement[] {
  const { callbackUrl, apiName, recipe, label, refreshTokenIdleDays } = blueprint
  const isApproved = recipe.actsAs === 'approving_user'
  return elementsOf({
    callbackUrl,
    certificate: pemOf(blueprint),
    externalClientApplication: apiName,
    isClientCredentialsFlowEnabled: recipe.actsAs === 'run_as_user',
    isCodeCredFlowEnabled: false,
    isCodeCredPostOnly: false,
    isConsumerSecretOptional: false,
    // An integration with `dpop` also gets bound tokens without it. It is the last step of a trial.
    isDPopEnabled: false,
    isDeviceFlowEnabled: false,
    isEnforceRefreshTokenTTL: endsWhenIdle(refreshTokenIdleDays),
    isIntrospectAllTokens: false,
    isNamedUserJwtEnabled: false,
    isPkceRequired: isApproved,
    isRefreshTokenRotationEnabled: isApproved,
    isSecretRequiredForRefreshToken: true,
    isSecretRequiredForTokenExchange: true,
    isTokenExchangeEnabled: recipe.actsAs === 'handled_user',
    label: `${label} global OAuth settings`,
    shouldRotateConsumerKey: false,
    shouldRotateConsumerSecret: false,
  })
}

/** Whether Salesforce's limit is usable: the token must be refreshed often enough. */
export const endsWhenIdle = (days: number | null): boolean =>
  days !== null && days <= IDLE_LIMIT_DAYS

function oauthPolicies(
  { recipe, apiName, refreshTokenIdleDays: idleDays }: Blueprint,
  { permissionSet, profile, runAs }: MetadataChoices,
): readonly XmlElement[] {
  const isRunAs = recipe.actsAs === 'run_as_user'
  return elementsOf({
    clientCredentialsFlowUser: isRunAs ? (runAs ?? RUN_AS_PLACEHOLDER) : undefined,
    commaSeparatedPermissionSet: permissionSet ?? apiName,
    commaSeparatedProfile: profile,
    externalClientApplication: apiName,
    ipRelaxationPolicyType: 'Bypass',
    isClientCredentialsFlowEnabled: isRunAs,
    isGuestCodeCredFlowEnabled: false,
    isTokenExchangeFlowEnabled: recipe.actsAs === 'handled_user',
    label: `${oauthName(apiName)}_defaultPolicy`,
    permittedUsersPolicyType: 'AdminApprovedPreAuthorized',
    refreshTokenPolicyType:
      idleDays === null ? recipe.refreshTokenPolicy.metadataName : 'SpecificInactivity',
    refreshTokenValidityPeriod: idleDays === null ? undefined : String(idleDays),
    refreshTokenValidityUnit: idleDays === null ? undefined : 'Days',
    requiredSessionLevel: 'STANDARD',
  })
}

const policies = ({ apiName }: Blueprint) =>
  elementsOf({
    externalClientApplication: apiName,
    isEnabled: true,
    isOauthPluginEnabled: true,
    label: `${apiName}_defaultPolicy`,
  })
