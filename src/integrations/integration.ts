/** An integration: one OAuth client at one Salesforce org, acting as one user. */
import { createHash } from 'node:crypto'
import type { Credential } from '../credentials/credential.ts'
import { activeOf } from '../credentials/credential.ts'
import { asksForBound, type DpopRule } from '../dpop/dpop-rule.ts'
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
    /** True: a token that is not bound to a key is not served. */
    readonly dpop?: boolean
  }
}

/** Which integration and which app deploy the credentials at Salesforce. */
export interface CertificateDeployment {
  /** The integration whose token calls Salesforce. */
  readonly through: string
  /** API name of the External Client App. */
  readonly app: string
  /** For a certificate: full name of the app's global OAuth settings. Default: `APP_glbloauth`, as Setup names them. */
  readonly settings?: string
  /** 1 to 730. Absent: rotation is manual. */
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
  /** For a grant that presents a refresh token. 1 to 365. */
  readonly refreshTokenIdleDays?: number
  readonly serveTokens: boolean
  /** False: what is unusual about it makes no events. */
  readonly watch?: false
  /** Normalised login URLs, besides its own, where other integrations may exchange its token. Absent: a former release wrote the record, and any URL is allowed. */
  readonly exchangeLoginUrls?: readonly string[]
  readonly identity: IdentityRule
  /** Name of the integration whose credentials sign. Null: its own. */
  readonly credentialFrom: string | null
  readonly certificateDeployment?: CertificateDeployment
  /** Absent: off. */
  readonly dpop?: DpopRule
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

/** Salesforce's limit for partner apps. It is short for other apps. */
export const REFRESH_TOKEN_IDLE_DAYS = 30

export const DEFAULTS = {
  description: '',
  enabled: true,
  tokenLifetime: 900,
  keepWarm: false,
  loginsPerHour: 120,
  serveTokens: true,
} as const

/** A sandbox refresh changes the id of the org, so sandboxes are pinned to the user only. */
export function defaultPin(loginUrl: string): Pin {
  const { hostname } = new URL(loginUrl)
  return /\.(sandbox|scratch)\.my\./.test(hostname) || hostname === 'test.salesforce.com'
    ? 'user'
    : 'org_and_user'
}

/** Whether what is unusual about it makes events. */
export const isWatched = ({ watch }: Pick<Integration, 'watch'>): boolean => watch !== false

/** The version alone is not unique: it starts at 1 again if an integration is deleted and created again. */
export const etagOf = ({ uid, version }: Pick<Integration, 'uid' | 'version'>): string =>
  `"${uid}.${version}"`

/** The consumer key that a credential mints with. Empty if the grant has no app. */
export const clientIdOf = (
  { grant }: Pick<Integration, 'grant'>,
  credential: Pick<Credential, 'clientId'> | undefined,
): string | undefined =>
  credential?.clientId ?? grant.clientId ?? (grantOf(grant.type).hasNoClient ? '' : undefined)

export const ownClientOf = ({ grant }: Pick<Integration, 'grant'>) => ({
  clientId: grant.clientId ?? null,
})

/** Whether the credential belongs to another app than the active one. */
export const isOfAnotherClient = (
  integration: Pick<Integration, 'grant' | 'credentials'>,
  credential: Credential,
): boolean =>
  clientIdOf(integration, credential) !== clientIdOf(integration, activeOf(integration.credentials))

/** Digest of what a token is minted for: login URL, subject, the client of the credential, and whether it is to be bound. */
export function digestOf(
  integration: Pick<Integration, 'loginUrl' | 'grant' | 'dpop'>,
  clientId: string,
): string {
  const { type } = integration.grant
  const subject = grantOf(type).subject(integration.grant)
  return createHash('sha256')
    .update(
      JSON.stringify([
        ...[integration.loginUrl, type, subject, clientId],
        ...(asksForBound(integration) ? ['dpop'] : []),
      ]),
    )
    .digest('base64url')
    .slice(0, 22)
}

/** The digest of the active credential, then that of the retired one. */
export function digestsOf(
  integration: Pick<Integration, 'loginUrl' | 'grant' | 'credentials' | 'dpop'>,
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

/** Whether a token request needs a credential. Some apps and some grants need none. */
export function needsCredential({ grant }: Pick<Integration, 'grant'>): boolean {
  const { isCredentialOptional, credentialType } = grantOf(grant.type)
  return isCredentialOptional !== true && credentialType(grant) !== 'none'
}

/** The integration whose token is exchanged. */
export const sourceOf = ({ grant }: Pick<Integration, 'grant'>): string | undefined =>
  grantOf(grant.type).sourceOf?.(grant)

/** A draft has no client id or no credential, so no token can be requested. */
export const isDraft = (integration: Integration): boolean => missingIn(integration).length > 0

export type MissingPart = 'client id' | 'credential'

/** The parts that a draft lacks. Empty if it is complete. */
export function missingIn(integration: Integration): readonly MissingPart[] {
  const active = activeOf(integration.credentials)
  const isUnproven =
    active === undefined && integration.credentialFrom === null && needsCredential(integration)
  return [
    ...(clientIdOf(integration, active) === undefined ? (['client id'] as const) : []),
    ...(isUnproven ? (['credential'] as const) : []),
  ]
}

export const draftError = (missing: readonly MissingPart[]): BrokerError =>
  new BrokerError(
    'integration_draft',
    `The integration has ${missing.map((part) => `no ${part}`).join(' and ')} yet`,
  )
