/** The app in Salesforce that an integration needs. The setup sheet and the metadata are made from it. */
import { createHash } from 'node:crypto'
import { activeOf, type Credential } from '../credentials/credential.ts'
import { grantOf } from '../grants/index.ts'
import { defaultAudience } from '../grants/jwt-bearer.ts'
import type { AddressRange } from '../http/address-range.ts'
import { clientIdOf, type Integration, sourceOf } from '../integrations/integration.ts'
import { type Recipe, recipeOf } from './recipe.ts'

export interface Blueprint {
  readonly integration: Integration
  readonly recipe: Recipe
  readonly label: string
  /** At most 40 letters, digits and single underscores. */
  readonly apiName: string
  readonly description: string
  readonly callbackUrl: string
  /** Whether the URL leads to this service or only fills the field. */
  readonly isCallbackOurs: boolean
  /** Null if the app authenticates with a secret. */
  readonly certificate: CertificateToUpload | null
  readonly provesBy: 'certificate' | 'client_secret'
  /** Whether the certificate is for client authentication (`private_key_jwt`), not for an assertion of the grant. */
  readonly assertsClient: boolean
  /** Days of inactivity after which the refresh token ends. Null: never, or there is none. */
  readonly refreshTokenIdleDays: number | null
  /** Addresses from which refresh tokens are accepted. Empty: any, or there are none. */
  readonly refreshTokenAddresses: readonly AddressRange[]
  /** The user in the settings; null if the policies of the app name one. */
  readonly username: string | null
  /** The audience of the assertion; null if the grant has none. */
  readonly audience: string | null
  readonly clientId: string | null
  /** True also if none is needed. */
  readonly hasCredential: boolean
  /** The integration whose token is exchanged, if this one has no app. */
  readonly source: string | null
}

export interface CertificateToUpload {
  /** Null: there is none, or the caller may not see it. */
  readonly credential: Credential | null
  readonly holder: string
}

interface BlueprintOptions {
  readonly publicUrl: string | undefined
  /** The integration whose credentials are used, if not its own. Null: the caller may not see it. */
  readonly owner: Integration | null | undefined
  /** Addresses from which this service calls. Default: unknown. */
  readonly egressAddresses?: readonly AddressRange[]
}

export const MANAGER = 'Setup → External Client App Manager'

const PLACEHOLDER_PATH = '/services/oauth2/success'
const DESCRIPTION = 'Lets Valetkey get access tokens for the integration'

export function blueprintOf(
  integration: Integration,
  { publicUrl, owner, egressAddresses = [] }: BlueprintOptions,
): Blueprint {
  const { name, loginUrl, grant } = integration
  const settings = grant as {
    readonly username?: string
    readonly audience?: string
    readonly clientAuth?: string
  }
  const recipe = recipeOf(grant)
  const isApproved = recipe.actsAs === 'approving_user'
  const holder = owner === undefined ? integration : owner
  const needed = grantOf(grant.type).credentialType(grant)
  const isAssertion = grant.type === 'jwt_bearer'
  return {
    integration,
    recipe,
    label: `Valetkey ${name}`,
    apiName: apiNameOf(name),
    description: `${DESCRIPTION} ${name}`,
    callbackUrl: publicUrl
      ? `${publicUrl}/oauth/callback`
      : `${defaultAudience(loginUrl)}${PLACEHOLDER_PATH}`,
    isCallbackOurs: publicUrl !== undefined,
    certificate:
      needed === 'certificate'
        ? {
            credential: (holder && toUpload(holder.credentials)) ?? null,
            holder: integration.credentialFrom ?? name,
          }
        : null,
    provesBy: needed === 'certificate' ? 'certificate' : 'client_secret',
    assertsClient: settings.clientAuth === 'private_key_jwt',
    refreshTokenIdleDays: (isApproved && integration.refreshTokenIdleDays) || null,
    refreshTokenAddresses: isApproved ? egressAddresses : [],
    username: settings.username ?? null,
    audience: isAssertion ? (settings.audience ?? defaultAudience(loginUrl)) : null,
    clientId: clientIdOf(integration, activeOf(integration.credentials)) ?? null,
    hasCredential:
      owner === null ||
      activeOf((holder ?? integration).credentials) !== undefined ||
      grantOf(grant.type).hasNoClient === true,
    source: grantOf(grant.type).hasNoClient ? (sourceOf(integration) ?? null) : null,
  }
}

/** The staged credential first, because its certificate must be uploaded next. */
function toUpload(credentials: readonly Credential[]): Credential | undefined {
  const certified = credentials.filter(({ certificate }) => certificate !== null)
  return certified.find(({ state }) => state === 'staged') ?? activeOf(certified)
}

const LONGEST_API_NAME = 40

/** Unique per integration: deploying over the app of another one would replace its certificate. */
function apiNameOf(name: string): string {
  const plain = `Valetkey_${name.replaceAll('-', '_')}`
  if (plain.length <= LONGEST_API_NAME && !plain.includes('__')) return plain
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 8)
  const head = plain.replace(/__+/g, '_').slice(0, LONGEST_API_NAME - digest.length - 1)
  return `${head.replace(/_$/, '')}_${digest}`
}
