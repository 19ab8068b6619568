/** The app as files for the Metadata API: an External Client App and the permission set of its user, ready to deploy, without a secret. Pure. */
import type { Blueprint } from './blueprint.ts'
import { type Element, elementsOf, xmlDocument } from './xml.ts'

/** What the broker cannot know. */
export interface MetadataChoices {
  readonly contactEmail?: string
  /** API name of a permission set that the user has. Default: the one of these files. */
  readonly permissionSet?: string
  /** Name of a profile that the user has. */
  readonly profile?: string
  /** Username of the run-as user. */
  readonly runAs?: string
}

/** By path in the archive. */
export type MetadataFiles = Readonly<Record<string, string>>

/** Of Winter '26. Before 64.0 the policies had one more required member. */
export const API_VERSION = '65.0'
/** Where a choice is missing: a deployment refuses it by name, and does not make half an app. */
const RUN_AS_PLACEHOLDER = 'REPLACE-WITH-THE-RUN-AS-USER@example.com'
const CONTACT_PLACEHOLDER = 'replace-with-your-team@example.com'

interface Component {
  readonly type: string
  readonly folder: string
  readonly suffix: string
  readonly member: string
  readonly elements: readonly Element[]
}

export function metadataOf(blueprint: Blueprint, choices: MetadataChoices = {}): MetadataFiles {
  const components = componentsOf(blueprint, choices)
  const manifest = xmlDocument('Package', [
    ...components.map(
      ({ member, type }): Element => ['types', elementsOf({ members: member, name: type })],
    ),
    ['version', API_VERSION],
  ])
  return {
    ...Object.fromEntries(
      components.map(({ folder, member, suffix, type, elements }) => [
        `${folder}/${member}.${suffix}-meta.xml`,
        xmlDocument(type, elements),
      ]),
    ),
    'package.xml': manifest,
  }
}

function componentsOf(blueprint: Blueprint, choices: MetadataChoices): readonly Component[] {
  const { apiName } = blueprint
  const policy = `${apiName}_defaultPolicy`
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
      member: apiName,
      elements: oauthSettings(blueprint),
    },
    {
      type: 'ExtlClntAppGlobalOauthSettings',
      folder: 'extlClntAppGlobalOauthSets',
      suffix: 'ecaGlblOauth',
      member: apiName,
      elements: globalOauthSettings(blueprint),
    },
    {
      type: 'ExtlClntAppOauthConfigurablePolicies',
      folder: 'extlClntAppOauthPolicies',
      suffix: 'ecaOauthPlcy',
      // The names under which Salesforce makes them by itself: others would be a second set.
      member: policy,
      elements: oauthPolicies(blueprint, choices),
    },
    {
      type: 'ExtlClntAppConfigurablePolicies',
      folder: 'extlClntAppPolicies',
      suffix: 'ecaPlcy',
      member: policy,
      elements: policies(blueprint),
    },
    ...(choices.permissionSet === undefined ? [ownPermissionSet(blueprint)] : []),
  ]
}

/** What the user needs and nothing more. Without a license: it deploys in orgs that have none of the kind, and the sheet says which one the user should have. */
const ownPermissionSet = ({ apiName, label, recipe, description }: Blueprint): Component => ({
  type: 'PermissionSet',
  folder: 'permissionsets',
  suffix: 'permissionset',
  member: apiName,
  elements: [
    ...elementsOf({ description, hasActivationRequired: false, label }),
    ...[...recipe.user.permissions]
      .sort()
      .map((name): Element => ['userPermissions', elementsOf({ enabled: true, name })]),
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

const oauthSettings = ({ recipe, apiName, label }: Blueprint) =>
  elementsOf({
    commaSeparatedOauthScopes: recipe.scopes.map(({ metadataName }) => metadataName).join(', '),
    externalClientApplication: apiName,
    label: `${label} OAuth settings`,
  })

/** The certificate alone is what enables the JWT bearer flow; the consumer key is Salesforce's to make. */
export const globalOauthSettings = ({
  callbackUrl,
  certificate,
  apiName,
  recipe,
  label,
}: Blueprint) =>
  elementsOf({
    callbackUrl,
    certificate: certificate?.credential?.certificate?.pem.trim(),
    externalClientApplication: apiName,
    isClientCredentialsFlowEnabled: recipe.actsAs === 'run_as_user',
    isCodeCredFlowEnabled: false,
    isCodeCredPostOnly: false,
    isConsumerSecretOptional: false,
    isDeviceFlowEnabled: false,
    isIntrospectAllTokens: false,
    isNamedUserJwtEnabled: false,
    isPkceRequired: recipe.actsAs === 'approving_user',
    isRefreshTokenRotationEnabled: recipe.actsAs === 'approving_user',
    isSecretRequiredForRefreshToken: true,
    isSecretRequiredForTokenExchange: true,
    isTokenExchangeEnabled: recipe.actsAs === 'handled_user',
    label: `${label} global OAuth settings`,
    shouldRotateConsumerKey: false,
    shouldRotateConsumerSecret: false,
  })

function oauthPolicies(
  { recipe, apiName }: Blueprint,
  { permissionSet, profile, runAs }: MetadataChoices,
): readonly Element[] {
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
    label: `${apiName}_defaultPolicy`,
    permittedUsersPolicyType: 'AdminApprovedPreAuthorized',
    refreshTokenPolicyType: recipe.refreshTokenPolicy.metadataName,
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
