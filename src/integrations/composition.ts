/** Composes the definition, credentials and digests of an integration for a write. Pure. */
import { isDeepStrictEqual } from 'node:util'
import {
  activeOf,
  addSecret,
  type Credential,
  type CredentialSecrets,
  digestOfCredential,
  keepSecrets,
  replaceActive,
} from '../credentials/credential.ts'
import type { CredentialInput } from '../credentials/credential-input.ts'
import type { FreshCredential } from '../credentials/fresh-credential.ts'
import { asksForBound, type DpopRule } from '../dpop/dpop-rule.ts'
import { BrokerError } from '../errors/errors.ts'
import { grantOf } from '../grants/index.ts'
import type { HostRules } from '../http/outbound/login-host.ts'
import {
  DEFAULTS,
  type Definition,
  defaultPin,
  digestsOf,
  type IdentityRule,
  type Integration,
  presentsRefreshToken,
  REFRESH_TOKEN_IDLE_DAYS,
} from './integration.ts'
import type { IntegrationWrite } from './integration-store.ts'

/** An integration as a request or a file gives it. An absent member gets its default. */
export interface IntegrationInput
  extends Partial<Omit<Definition, 'loginUrl' | 'grant' | 'identity' | 'credentialFrom' | 'dpop'>> {
  readonly loginUrl: string
  readonly grant: Definition['grant']
  readonly identity?: Partial<IdentityRule>
  readonly credential?: CredentialInput
  readonly dpop?: Partial<DpopRule>
}

export interface Composition {
  readonly name: string
  readonly definition: Definition
  readonly managedBy: Integration['managedBy']
  readonly current: Integration | undefined
  readonly secrets: CredentialSecrets
  readonly fresh: FreshCredential | undefined
  /** The integration that owns the credentials, if this one signs with another's. */
  readonly owner: Integration | undefined
  /** Selects the stored credentials to erase. Default: none. */
  readonly isToErase?: (credential: Credential) => boolean
}

export type GrantTrouble = (grant: Definition['grant']) => string | undefined

/** Throws `request_invalid` if the configuration of this service does not support the grant. */
export function checkGrant(grant: Definition['grant'], trouble: GrantTrouble | undefined): void {
  const why = trouble?.(grant)
  if (why !== undefined) throw new BrokerError('request_invalid', `body/grant: ${why}`)
}

/** Throws `request_invalid` if a login URL is not allowed. */
export function definitionOf(
  input: IntegrationInput,
  hosts: Pick<HostRules, 'checkLoginUrl'>,
  current: Integration | undefined,
): Definition {
  const { credential, identity, loginUrl: url, refreshTokenIdleDays, ...others } = input
  const { exchangeLoginUrls: urls, dpop, watch = true, ...rest } = others
  const loginUrl = hosts.checkLoginUrl(url)
  const isFormer = current !== undefined && current.exchangeLoginUrls === undefined
  const exchangeLoginUrls = urls?.map((one) => hosts.checkLoginUrl(one)) ?? []
  return {
    ...DEFAULTS,
    labels: {},
    ...rest,
    loginUrl,
    // A record of a former release does not limit exchanges. It stays so until the owner sets a
    // limit.
    ...(!(isFormer && urls === undefined) && { exchangeLoginUrls }),
    ...(presentsRefreshToken(rest) && {
      refreshTokenIdleDays: refreshTokenIdleDays ?? REFRESH_TOKEN_IDLE_DAYS,
    }),
    ...(!watch && { watch }),
    ...(asksForBound({ dpop }) && {
      dpop: { mode: 'on' as const, keyStorage: dpop?.keyStorage ?? ('broker' as const) },
    }),
    identity: { ...identity, pin: identity?.pin ?? defaultPin(loginUrl) },
    credentialFrom:
      credential === undefined ? (current?.credentialFrom ?? null) : (credential.from ?? null),
  }
}

export function compose(
  { name, definition, managedBy, current, secrets, fresh, owner, isToErase }: Composition,
  { now, uniqueId }: { readonly now: () => number; readonly uniqueId: () => string },
): IntegrationWrite {
  // An integration and its first credential have the same time of creation.
  const at = now()
  const stored = (current?.credentials ?? []).filter(
    (one) => !isToErase?.(one) && !(fresh && isOf(fresh, one, secrets)),
  )
  const formerId = current?.grant.clientId ?? null
  const former = { clientId: formerId === (definition.grant.clientId ?? null) ? null : formerId }
  const renewed = fresh ? replaceActive(stored, fresh.credential, former, at) : stored
  const credentials = owner ? [] : renewed
  const known = fresh ? addSecret(secrets, fresh.credential, fresh.secret) : secrets
  const integration: Integration = {
    ...unknownOf(current),
    ...definition,
    name,
    uid: current?.uid ?? uniqueId(),
    version: current?.version ?? 1,
    credentials,
    managedBy,
    createdAt: current?.createdAt ?? at,
    updatedAt: at,
  }
  return {
    integration,
    digests: digestsOf(integration, (owner ?? integration).credentials),
    secrets: keepSecrets(known, credentials),
  }
}

const DEFINITION_MEMBERS = [
  'description',
  'enabled',
  'labels',
  'loginUrl',
  'grant',
  'tokenLifetime',
  'keepWarm',
  'watch',
  'loginsPerHour',
  'refreshTokenIdleDays',
  'serveTokens',
  'exchangeLoginUrls',
  'identity',
  'credentialFrom',
  'certificateDeployment',
  'dpop',
] as const satisfies readonly (keyof Definition)[]

const MEMBERS: ReadonlySet<string> = new Set([
  ...DEFINITION_MEMBERS,
  ...([
    'name',
    'uid',
    'version',
    'credentials',
    'managedBy',
    'createdAt',
    'updatedAt',
  ] as const satisfies readonly (keyof Integration)[]),
])

/** Members that a newer release wrote. A write by this release keeps them. */
const unknownOf = (current: Integration | undefined): object =>
  Object.fromEntries(Object.entries(current ?? {}).filter(([member]) => !MEMBERS.has(member)))

export const isSameDefinition = (definition: Definition, current: Integration): boolean =>
  DEFINITION_MEMBERS.every((member) => isDeepStrictEqual(definition[member], current[member]))

const digestOfFresh = ({ credential, secret }: FreshCredential) =>
  digestOfCredential(secret, credential.certificate)

const isOf = (
  fresh: FreshCredential,
  { id, certificate }: Credential,
  { byId }: CredentialSecrets,
): boolean => {
  const held = byId[id]
  return held !== undefined && digestOfCredential(held, certificate) === digestOfFresh(fresh)
}

/** Whether this very credential is the active one. */
export function isActive(
  fresh: FreshCredential,
  current: Integration,
  secrets: CredentialSecrets,
): boolean {
  const active = activeOf(current.credentials)
  return active !== undefined && isOf(fresh, active, secrets)
}

/** Whether the credential was ever active in this integration. */
export const wasActive = (fresh: FreshCredential, { known }: CredentialSecrets): boolean =>
  known.includes(digestOfFresh(fresh))

/** No stored secret is sent to another host. No signature is sent to a host that is not Salesforce's. A grant without a credential keeps none. */
export function credentialsToErase(
  { loginUrl, grant }: Pick<Definition, 'loginUrl' | 'grant'>,
  current: Pick<Definition, 'loginUrl'>,
  hosts: Pick<HostRules, 'isSalesforceOwn'>,
): (credential: Credential) => boolean {
  if (grantOf(grant.type).credentialType(grant) === 'none') return () => true
  const isSame = loginUrl === current.loginUrl
  const isOwn = hosts.isSalesforceOwn(new URL(loginUrl).hostname)
  return ({ state, type }) => !isSame && state !== 'pending' && !(type === 'certificate' && isOwn)
}
