/** Whose token it is: the org and user that an integration is pinned to, and whether a token is of another. Pure. */
import { Type } from 'typebox'
import { BrokerError } from '../errors/errors.ts'
import type { IdentityRule, Integration } from '../integrations/integration.ts'
import { type BodyOf, nullable } from '../store/record-body.ts'

export const identityMembers = {
  /** 15 or 18 characters. Null: the token did not say. */
  orgId: nullable(Type.String()),
  userId: nullable(Type.String()),
  instanceUrl: Type.String(),
}
export const Identity = Type.Object(identityMembers)

export type Identity = BodyOf<typeof Identity>

type Ids = Omit<Identity, 'instanceUrl'>

const SeenIdentity = Type.Object({
  ...identityMembers,
  at: Type.Number(),
  /** Of the integration, then. */
  version: Type.Number(),
})

export type SeenIdentity = BodyOf<typeof SeenIdentity>

/** What is remembered of an integration's tokens. */
export const PinnedIdentity = Type.Object({
  /** Of the integration: one made again under the same name starts anew. */
  uid: Type.String(),
  identity: Identity,
  /** The scopes of the last token, where Salesforce said them. */
  scope: nullable(Type.String()),
  /** Another identity that came, was kept back, and waits to be accepted. */
  seen: nullable(SeenIdentity),
})

export type PinnedIdentity = BodyOf<typeof PinnedIdentity>

export interface Judgement {
  /** Kept back, and why. */
  readonly changed: readonly ('org_id' | 'user_id')[]
  /** The same org and user, at another host than before. */
  readonly hasMoved: boolean
  /** The scopes are others than before, or the first ones lack some that are expected. */
  readonly hasOtherScopes: boolean
  /** What to pin from now on; nothing, where a first token is not what `expect` says. */
  readonly identity: Identity
}

/** Salesforce writes an id with 15 characters, or with a checksum of 3 more. */
export const isSameId = (one: string | null, other: string | null): boolean =>
  one === null || other === null ? one === other : one.slice(0, 15) === other.slice(0, 15)

/** What a token says of itself. */
export interface TokenIdentity {
  readonly orgId?: string
  readonly userId?: string
  readonly instanceUrl: string
  readonly scope?: string
}

export const identityOf = ({ orgId, userId, instanceUrl }: TokenIdentity): Identity => ({
  orgId: orgId ?? null,
  userId: userId ?? null,
  instanceUrl,
})

/** Trust on first use, member by member; it ends where `expect` says what the member has to be. */
export function judgeIdentity(
  { pin, expect }: IdentityRule,
  known: Pick<PinnedIdentity, 'identity' | 'scope'> | undefined,
  lease: TokenIdentity,
): Judgement {
  const token = identityOf(lease)
  const pinned = known?.identity
  const wanted = {
    orgId: expect?.orgId ?? (pin === 'org_and_user' ? pinned?.orgId : undefined) ?? null,
    userId: expect?.userId ?? (pin === 'off' ? undefined : pinned?.userId) ?? null,
  }
  const isOther = (member: 'orgId' | 'userId') =>
    wanted[member] !== null && !isSameId(wanted[member], token[member])
  const changed = [
    ...(isOther('orgId') ? (['org_id'] as const) : []),
    ...(isOther('userId') ? (['user_id'] as const) : []),
  ]
  if (changed.length > 0) {
    const nothing = { orgId: null, userId: null, instanceUrl: token.instanceUrl }
    return { changed, hasMoved: false, hasOtherScopes: false, identity: pinned ?? nothing }
  }
  return {
    changed,
    hasMoved: pinned !== undefined && pinned.instanceUrl !== token.instanceUrl,
    hasOtherScopes: hasOtherScopes(expect?.scopes ?? [], known?.scope ?? null, lease.scope),
    identity: token,
  }
}

/** Does `expect` allow it? */
export const isExpected = ({ expect }: IdentityRule, { orgId, userId }: Ids): boolean =>
  (expect?.orgId === undefined || isSameId(expect.orgId, orgId)) &&
  (expect?.userId === undefined || userId === null || isSameId(expect.userId, userId))

export const isSameIdentity = (one: Identity, other: Identity): boolean =>
  isSameId(one.orgId, other.orgId) && isSameId(one.userId, other.userId)

/** What is to be remembered after a token came. The time of an identity that comes again stays, so that it is no news. */
export function pinAfter(
  { changed, identity }: Judgement,
  former: PinnedIdentity | undefined,
  lease: TokenIdentity,
  { uid, version }: Pick<Integration, 'uid' | 'version'>,
  now: number,
): PinnedIdentity {
  const scope = former?.scope ?? null
  if (changed.length === 0) return { uid, identity, scope: lease.scope ?? scope, seen: null }
  const token = identityOf(lease)
  const seen = former?.seen
  const isKnown = seen && isSameIdentity(seen, token) && seen.version === version
  return { uid, identity, scope, seen: isKnown ? seen : { ...token, version, at: now } }
}

const setOf = (scope: string): ReadonlySet<string> =>
  new Set(scope.split(' ').filter((one) => one !== ''))

function hasOtherScopes(
  expected: readonly string[],
  known: string | null,
  scope: string | undefined,
): boolean {
  if (scope === undefined) return false
  const given = setOf(scope)
  if (known === null) return expected.some((one) => !given.has(one))
  const former = setOf(known)
  return former.size !== given.size || [...given].some((one) => !former.has(one))
}

const NAMES = { org_id: 'org', user_id: 'user' } as const

/** The problem for those who asked for the token. */
export function identityChanged(
  changed: Judgement['changed'],
  rule: IdentityRule,
  pinned: Identity | undefined,
  seen: Identity,
): BrokerError {
  const members = changed.map((member) => NAMES[member]).join(' and ')
  const expected = wantedIdentity(rule, pinned)
  return new BrokerError(
    'identity_changed',
    `Salesforce gave a token of another ${members} than before; it is kept back until an operator accepts it.`,
    { members: { identity: { expected: idsOf(expected), seen: idsOf(seen) } } },
  )
}

const idsOf = ({ orgId, userId }: Ids) => ({ org_id: orgId, user_id: userId })

/** What a token should be, as far as it is known. */
export const wantedIdentity = ({ expect }: IdentityRule, pinned: Identity | undefined): Ids => ({
  orgId: expect?.orgId ?? pinned?.orgId ?? null,
  userId: expect?.userId ?? pinned?.userId ?? null,
})
