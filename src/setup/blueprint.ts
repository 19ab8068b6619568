/** What the app in Salesforce has to be for an integration: the one source of the sheet and of the metadata. Pure. */
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
  /** What the app is called. */
  readonly label: string
  /** Its API name: at most 40 letters, digits and single underscores. */
  readonly apiName: string
  readonly description: string
  /** A callback URL is required, even where no browser ever comes back. */
  readonly callbackUrl: string
  /** Whether it leads here, or only fills the field. */
  readonly isCallbackOurs: boolean
  /** Null where the app proves itself with a secret. */
  readonly certificate: CertificateToUpload | null
  readonly provesBy: 'certificate' | 'client_secret'
  /** Whether the certificate proves the client at the token endpoint (`private_key_jwt`), not an assertion of the grant. */
  readonly assertsClient: boolean
  /** After how many days without use its refresh token ends; null: it never does, or there is none. */
  readonly refreshTokenIdleDays: number | null
  /** From where alone refresh tokens are taken; empty: from everywhere, or there are none. */
  readonly refreshTokenAddresses: readonly AddressRange[]
  /** The user that the settings name; null where the app's policies name one. */
  readonly username: string | null
  /** Of the assertion; null where the grant has none. */
  readonly audience: string | null
  /** The consumer key, once it is known. */
  readonly clientId: string | null
  /** Also where none is needed. */
  readonly hasCredential: boolean
  /** The integration whose token it exchanges, where it has no app of its own. */
  readonly source: string | null
}

export interface CertificateToUpload {
  /** Null: there is none yet, or it is not yours to see. */
  readonly credential: Credential | null
  /** The integration that holds it. */
  readonly holder: string
}

export interface BlueprintOptions {
  /** How browsers reach this service. */
  readonly publicUrl: string | undefined
  /** With whose credentials the integration signs, if not its own; null: with one that you may not see. */
  readonly owner: Integration | null | undefined
  /** From which addresses this service calls; default: not known. */
  readonly egressAddresses?: readonly AddressRange[]
}

/** Where apps are made and changed. */
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

/** The staged one first: whoever stages a key is about to upload its certificate. */
function toUpload(credentials: readonly Credential[]): Credential | undefined {
  const certified = credentials.filter(({ certificate }) => certificate !== null)
  return certified.find(({ state }) => state === 'staged') ?? activeOf(certified)
}

const LONGEST_API_NAME = 40

/** Two integrations never get the same: deploying one's app over the other's would replace its certificate. */
function apiNameOf(name: string): string {
  const plain = `Valetkey_${name.replaceAll('-', '_')}`
  if (plain.length <= LONGEST_API_NAME && !plain.includes('__')) return plain
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 8)
  const head = plain.replace(/__+/g, '_').slice(0, LONGEST_API_NAME - digest.length - 1)
  return `${head.replace(/_$/, '')}_${digest}`
}
