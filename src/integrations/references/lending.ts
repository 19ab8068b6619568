/** Rules for credentials that one integration lends to others: who may lend, for what, and which tokens a follower does not serve. */
import { isDeepStrictEqual } from 'node:util'
import type { Principal } from '../../callers/policy.ts'
import { activeOf, type Credential } from '../../credentials/credential.ts'
import { BrokerError } from '../../errors/errors.ts'
import { grantOf } from '../../grants/index.ts'
import { everyIntegration } from '../every.ts'
import {
  clientIdOf,
  type Definition,
  type Integration,
  presentsRefreshToken,
} from '../integration.ts'
import type { IntegrationStore, SealedIntegration } from '../integration-store.ts'
import { referenced } from './referenced.ts'
import { isShown, unnamed } from './visible.ts'

/** The lender of a credential, with its sealed secrets. Throws what `readSealed` throws; neither this nor `open` names the lender of an unusable record. */
export async function readLender(
  { readSealed }: Pick<IntegrationStore, 'readSealed'>,
  name: string,
): Promise<SealedIntegration | undefined> {
  const sealed = await unnamed(readSealed(name))
  return sealed && { ...sealed, open: () => unnamed(sealed.open()) }
}

/** The integration whose credential signs. Throws `caller_forbidden`, `credential_invalid`, `request_invalid`. */
export async function lenderOf(check: {
  readonly name: string
  readonly definition: Definition
  readonly current: Integration | undefined
  readonly principal: Principal
  readonly store: Pick<IntegrationStore, 'read' | 'list'>
}): Promise<Integration | undefined> {
  const { name, definition, current, principal, store } = check
  const { credentialFrom: from } = definition
  if (from === null) return undefined
  const isAnew = isLentAnew(definition, current)
  const owner = isAnew
    ? await referenced('credential', from, { by: name, principal, read: store.read })
    : await unnamed(store.read(from))
  if (!owner)
    throw new BrokerError('credential_invalid', 'from: there is no such other integration')
  if (owner.credentialFrom !== null) {
    throw new BrokerError(
      'credential_invalid',
      'from: that integration has no credential of its own',
    )
  }
  if (servesInside(definition, owner)) throw wouldServeInside()
  if (isAnew || definition.serveTokens !== current?.serveTokens) {
    await checkSiblings(name, definition, owner, store)
  }
  return owner
}

/** Whether a write lends a credential, or lends it for another user, app or host than before. */
export const isLentAnew = (definition: Definition, current: Integration | undefined): boolean =>
  definition.credentialFrom !== null &&
  (current?.credentialFrom !== definition.credentialFrom ||
    current.loginUrl !== definition.loginUrl ||
    !isDeepStrictEqual(current.grant, definition.grant))

/** Whether it would serve the internal token of its owner. Salesforce gives the same token for the same app and user. */
export const servesInside = (
  follower: Definition,
  owner: Pick<Integration, keyof Definition | 'credentials'>,
): boolean =>
  follower.serveTokens &&
  !owner.serveTokens &&
  hasSameSubject(follower, owner, activeOf(owner.credentials))

/** Integrations that sign with one credential as one user must all serve their token, or none. Throws `request_invalid`. */
async function checkSiblings(
  name: string,
  definition: Definition,
  owner: Integration,
  store: Pick<IntegrationStore, 'list'>,
): Promise<void> {
  const active = activeOf(owner.credentials)
  const isAtOdds = (await followersOf(store, owner.name)).some(
    (one) =>
      one.name !== name &&
      one.serveTokens !== definition.serveTokens &&
      hasSameSubject(definition, one, active),
  )
  if (!isAtOdds) return
  throw definition.serveTokens
    ? wouldServeInside()
    : new BrokerError(
        'request_invalid',
        'body/serve_tokens: false would keep nothing inside: another integration signs with the same credential as the same user, and serves the token',
      )
}

function hasSameSubject(follower: Definition, owner: Definition, active: Credential | undefined) {
  const { type } = owner.grant
  const grant = grantOf(type)
  // Only the token shows which user approved the connection.
  if (follower.grant.type !== type || presentsRefreshToken(owner)) return false
  const [one, other] = [follower, owner].map((of) => grant.subject(of.grant).toLowerCase())
  if (one !== other) return false
  return (
    grant.namesUser === true ||
    (follower.loginUrl === owner.loginUrl &&
      clientIdOf(follower, active) === clientIdOf(owner, active))
  )
}

export const wouldServeInside = (): BrokerError =>
  new BrokerError(
    'request_invalid',
    'body/serve_tokens must be false: it acts as the same user as the integration whose credential it signs with, or another that does, and that one keeps its token inside the broker',
  )

/** In order of name. */
export async function followersOf(
  store: Pick<IntegrationStore, 'list'>,
  name: string,
): Promise<readonly Integration[]> {
  const found: Integration[] = []
  for await (const one of everyIntegration(store)) if (one.credentialFrom === name) found.push(one)
  return found
}

/** Throws `credential_state` while another integration signs with its credential. */
export async function checkNobodyFollows(
  store: Pick<IntegrationStore, 'list'>,
  name: string,
  principal: Principal,
): Promise<void> {
  const followers = await followersOf(store, name)
  if (followers.length === 0) return
  throw new BrokerError(
    'credential_state',
    `${namedOf(followers, principal)} signs with its credential`,
  )
}

/** Throws `credential_state` if a follower would send the secret to another host than its owner does. */
export async function checkFollowersGoAlong(
  store: Pick<IntegrationStore, 'list'>,
  definition: Definition,
  current: Integration,
  principal: Principal,
): Promise<void> {
  if (definition.loginUrl === current.loginUrl) return
  const followers = await followersOf(store, current.name)
  const strays = followers.filter(
    ({ grant, loginUrl }) =>
      loginUrl !== definition.loginUrl && grantOf(grant.type).sendsCredential(grant),
  )
  if (strays.length === 0) return
  throw new BrokerError(
    'credential_state',
    `${namedOf(strays, principal)} would send its secret to the former login_url: let it sign with one of its own first`,
  )
}

/** One of them, with its name if the principal may see one. */
export function namedOf(integrations: readonly Integration[], principal: Principal): string {
  const shown = integrations.find((one) => isShown(principal, one))
  return shown ? `Integration ${shown.name}` : 'Another integration'
}
