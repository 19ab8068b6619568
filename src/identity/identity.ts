/** The org and user that an integration is pinned to, and the comparison with a token. */
import { Type } from 'typebox'
import type { KeyBinding } from '../dpop/binding.ts'
import { BrokerError } from '../errors/errors.ts'
import type { IdentityRule, Integration } from '../integrations/integration.ts'
import { type BodyOf, nullable } from '../store/record-body.ts'

export const identityMembers = {
  /** 15 or 18 characters. Null: the token does not state it. */
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
  /** Version of the integration at that time. */
  version: Type.Number(),
})

export type SeenIdentity = BodyOf<typeof SeenIdentity>

/** The remembered identity of an integration's tokens. */
export const PinnedIdentity = Type.Object({
  /** The uid of the integration, so that a new integration with the same name starts without a pin. */
  uid: Type.String(),
  identity: Identity,
  /** The scopes of the last token, if Salesforce stated them. */
  scope: nullable(Type.String()),
  /** Another identity whose token was held back and that can be accepted. */
  seen: nullable(SeenIdentity),
})

export type PinnedIdentity = BodyOf<typeof PinnedIdentity>

export interface Judgement {
  /** Differences that hold the token back. */
  readonly changed: readonly ('org_id' | 'user_id')[]
  /** Same org and user, but another host. */
  readonly hasMoved: boolean
  /** The scopes changed, or the first ones lack expected scopes. */
  readonly hasOtherScopes: boolean
  /** The identity to pin. Empty if the first token does not match `expect`. */
  readonly identity: Identity
}

/** Salesforce writes an id with 15 characters, or with a checksum of 3 more. */
export const isSameId = (one: string | null, other: string | null): boolean =>
  one === null || other === null ? one === other : one.slice(0, 15) === other.slice(0, 15)

export interface TokenIdentity {
  readonly orgId?: string
  readonly userId?: string
  readonly instanceUrl: string
  readonly scope?: string
  readonly dpop?: KeyBinding
}

export const identityOf = ({ orgId, userId, instanceUrl }: TokenIdentity): Identity => ({
  orgId: orgId ?? null,
  userId: userId ?? null,
  instanceUrl,
})

/** Trust on first use, for each member that `expect` does not define. */
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

/** Whether `expect` allows the identity. */
export const isExpected = ({ expect }: IdentityRule, { orgId, userId }: Ids): boolean =>
  (expect?.orgId === undefined || isSameId(expect.orgId, orgId)) &&
  (expect?.userId === undefined || userId === null || isSameId(expect.userId, userId))

const isSameIdentity = (one: Identity, other: Identity): boolean =>
  isSameId(one.orgId, other.orgId) && isSameId(one.userId, other.userId)

/** The pin after a token. A repeated identity keeps its time, so that it causes no second event. */
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

/** The problem for requests of the token. */
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
    `Salesforce issued a token of another ${members}; it is held back until an operator accepts it.`,
    { members: { identity: { expected: idsOf(expected), seen: idsOf(seen) } } },
  )
}

const idsOf = ({ orgId, userId }: Ids) => ({ org_id: orgId, user_id: userId })

/** The expected identity, from `expect` and the pin. */
export const wantedIdentity = ({ expect }: IdentityRule, pinned: Identity | undefined): Ids => ({
  orgId: expect?.orgId ?? pinned?.orgId ?? null,
  userId: expect?.userId ?? pinned?.userId ?? null,
})
