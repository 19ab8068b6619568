/** An integration: one OAuth client at one Salesforce org, acting as one user. */
import { createHash } from 'node:crypto'
import type { Credential } from '../credentials/credential.ts'
import { activeOf } from '../credentials/credential.ts'
import { BrokerError } from '../errors/errors.ts'
import type { GrantSettings } from '../grants/grant.ts'
import { grantOf } from '../grants/index.ts'

type Pin = 'org_and_user' | 'user' | 'off'

export interface IdentityRule {
  readonly pin: Pin
  readonly expect?: {
    readonly orgId?: string
    readonly userId?: string
    readonly scopes?: readonly string[]
  }
}

/** Through whom, and to which app, its credentials are deployed at Salesforce. */
export interface CertificateDeployment {
  /** The integration with whose token it is done. */
  readonly through: string
  /** API name of the External Client App. */
  readonly app: string
  /** For a certificate: full name of the app's global OAuth settings. Default: `APP_glbloauth`, as Setup names them. */
  readonly settings?: string
  /** 1 to 730. Absent: by hand. */
  readonly rotateEveryDays?: number
}

/** What an operator defines. */
export interface Definition {
  readonly description: string
  readonly enabled: boolean
  readonly labels: Readonly<Record<string, string>>
  /** Normalised: no trailing slash. */
  readonly loginUrl: string
  readonly grant: GrantSettings
  /** Seconds. 60 to 86,400. */
  readonly tokenLifetime: number
  readonly keepWarm: boolean
  /** 1 to 3,600. */
  readonly loginsPerHour: number
  /** Of a grant that presents a refresh token. 1 to 365. */
  readonly refreshTokenIdleDays?: number
  readonly serveTokens: boolean
  /** Where others may exchange its token, beside its own login URL; normalised. Absent of a record of a former release: where they did. */
  readonly exchangeLoginUrls?: readonly string[]
  readonly identity: IdentityRule
  /** Signs with another integration's credentials. */
  readonly credentialFrom: string | null
  readonly certificateDeployment?: CertificateDeployment
}

export interface Integration extends Definition {
  readonly name: string
  readonly uid: string
  readonly version: number
  readonly credentials: readonly Credential[]
  readonly managedBy: 'api' | 'file'
  readonly createdAt: number
  readonly updatedAt: number
}

/** The limit that Salesforce sets for apps of partners, and a short one for others. */
export const REFRESH_TOKEN_IDLE_DAYS = 30

export const DEFAULTS = {
  description: '',
  enabled: true,
  tokenLifetime: 900,
  keepWarm: false,
  loginsPerHour: 120,
  serveTokens: true,
} as const

/** A sandbox refresh gives the org a new id, so only the user is pinned there. */
export function defaultPin(loginUrl: string): Pin {
  const { hostname } = new URL(loginUrl)
  return /\.(sandbox|scratch)\.my\./.test(hostname) || hostname === 'test.salesforce.com'
    ? 'user'
    : 'org_and_user'
}

/** The version is not enough: an integration deleted and made again starts at 1 once more. */
export const etagOf = ({ uid, version }: Pick<Integration, 'uid' | 'version'>): string =>
  `"${uid}.${version}"`

/** The consumer key that a credential mints with; empty where no app stands behind the grant. */
export const clientIdOf = (
  { grant }: Pick<Integration, 'grant'>,
  credential: Pick<Credential, 'clientId'> | undefined,
): string | undefined =>
  credential?.clientId ?? grant.clientId ?? (grantOf(grant.type).hasNoClient ? '' : undefined)

export const ownClientOf = ({ grant }: Pick<Integration, 'grant'>) => ({
  clientId: grant.clientId ?? null,
})

/** Does it belong to another app than the one in use? */
export const isOfAnotherClient = (
  integration: Pick<Integration, 'grant' | 'credentials'>,
  credential: Credential,
): boolean =>
  clientIdOf(integration, credential) !== clientIdOf(integration, activeOf(integration.credentials))

/** What a token is minted for: login URL, subject, and the client of the credential that minted. */
export function digestOf(
  integration: Pick<Integration, 'loginUrl' | 'grant'>,
  clientId: string,
): string {
  const { type } = integration.grant
  const subject = grantOf(type).subject(integration.grant)
  return createHash('sha256')
    .update(JSON.stringify([integration.loginUrl, type, subject, clientId]))
    .digest('base64url')
    .slice(0, 22)
}

/** The digest of the active credential first, then of the retired one. */
export function digestsOf(
  integration: Pick<Integration, 'loginUrl' | 'grant' | 'credentials'>,
  credentials: readonly Credential[],
): readonly string[] {
  const minting: readonly (Credential | undefined)[] = credentials
    .filter(({ state }) => state === 'active' || state === 'retired')
    .sort((a, b) => a.state.localeCompare(b.state))
  const isPublic = minting.length === 0 && !needsCredential(integration)
  const clients = (isPublic ? [undefined] : minting).flatMap(
    (credential) => clientIdOf(integration, credential) ?? [],
  )
  return [...new Set(clients.map((client) => digestOf(integration, client)))]
}

/** Whether its refresh token is in custody. */
export const presentsRefreshToken = ({ grant }: Pick<Integration, 'grant'>): boolean =>
  grantOf(grant.type).presentsRefreshToken === true

/** Whether no token can be requested without a credential: some apps ask for none, and some grants take none. */
export function needsCredential({ grant }: Pick<Integration, 'grant'>): boolean {
  const { isCredentialOptional, credentialType } = grantOf(grant.type)
  return isCredentialOptional !== true && credentialType(grant) !== 'none'
}

/** The integration whose token is exchanged. */
export const sourceOf = ({ grant }: Pick<Integration, 'grant'>): string | undefined =>
  grantOf(grant.type).sourceOf?.(grant)

/** Lacks a client id or a credential: no token can be requested. */
export const isDraft = (integration: Integration): boolean => missingIn(integration).length > 0

export type MissingPart = 'client id' | 'credential'

/** What a draft lacks; nothing, of one that is none. */
export function missingIn(integration: Integration): readonly MissingPart[] {
  const active = activeOf(integration.credentials)
  const isUnproven =
    active === undefined && integration.credentialFrom === null && needsCredential(integration)
  return [
    ...(clientIdOf(integration, active) === undefined ? (['client id'] as const) : []),
    ...(isUnproven ? (['credential'] as const) : []),
  ]
}

/** The problem of a draft. */
export const draftError = (missing: readonly MissingPart[]): BrokerError =>
  new BrokerError(
    'integration_draft',
    `The integration has ${missing.map((part) => `no ${part}`).join(' and ')} yet`,
  )
