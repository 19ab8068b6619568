/** Accepts another org or user, for one integration or for all integrations of an org. */
import { BrokerError } from '../errors/errors.ts'
import type { Integration } from '../integrations/integration.ts'
import type { Authorise } from '../integrations/references/visible.ts'
import { untilWritten } from '../store/compare-and-set.ts'
import type { Outcomes } from '../store/store.ts'
import { type Identity, isExpected, isSameId, type PinnedIdentity } from './identity.ts'
import type { PinStore } from './pin-store.ts'

export interface Accepted {
  readonly former: Identity
  /** A null user is pinned by the next token. */
  readonly identity: Identity
}

export interface OrgMove {
  readonly fromOrgId: string
  readonly toOrgId: string
}

/** Each method calls `authorise` with the current integration at the write, and throws what it throws. */
export interface IdentityAcceptance {
  /** Undefined: no token is held back. Throws `request_invalid` if `expect` of the integration differs. */
  accept(name: string, authorise: Authorise): Promise<Accepted | undefined>
  /** Undefined: the integration was not pinned to that org, or a token of another org was seen. */
  acceptMove(name: string, authorise: Authorise, move: OrgMove): Promise<Accepted | undefined>
}

export function createIdentityAcceptance(dependencies: {
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
  readonly pins: PinStore
  readonly outcomes: Pick<Outcomes, 'forgetRefusal'>
}): IdentityAcceptance {
  const { integrations, pins, outcomes } = dependencies

  /** Writes the next pin and clears the cached refusal. */
  const change = (
    name: string,
    authorise: Authorise,
    nextOf: (pin: PinnedIdentity, integration: Integration) => Identity | undefined,
  ): Promise<Accepted | undefined> =>
    untilWritten(`the identity of ${name}`, async () => {
      const before = await integrations.read(name)
      const stored = before && (await pins.read(before))
      // Checked just before the write, because the pin has another version than the labels of the
      // integration.
      const integration = await authorise(name, await integrations.read(name))
      if (!stored || integration.uid !== before?.uid) return 'lost'
      const identity = stored.pin && nextOf(stored.pin, integration)
      if (!stored.pin || !identity) return undefined
      const pin = { ...stored.pin, identity, seen: null }
      if (!(await pins.write(name, pin, stored))) return 'lost'
      await outcomes.forgetRefusal(name)
      return { former: stored.pin.identity, identity }
    })

  return {
    accept: (name, authorise) =>
      change(name, authorise, ({ seen }, integration) => {
        if (!seen) return undefined
        const { orgId, userId, instanceUrl } = seen
        if (!isExpected(integration.identity, seen)) {
          throw new BrokerError(
            'request_invalid',
            'identity.expect of the integration names another org or user: change it instead',
          )
        }
        return { orgId, userId, instanceUrl }
      }),
    acceptMove: (name, authorise, { fromOrgId, toOrgId }) =>
      change(name, authorise, ({ identity, seen }, integration) => {
        if (!isSameId(identity.orgId, fromOrgId)) return undefined
        const next = seen ?? nobodyIn(toOrgId, integration, identity)
        const isMove = next && isSameId(next.orgId, toOrgId)
        if (!isMove || !isExpected(integration.identity, next)) return undefined
        const { orgId, userId, instanceUrl } = next
        return { orgId, userId, instanceUrl }
      }),
  }
}

/** For an integration without a token since the move: its next token determines the user. Undefined if the org is not pinned. */
const nobodyIn = (orgId: string, { identity: { pin } }: Integration, { instanceUrl }: Identity) =>
  pin === 'org_and_user' ? { orgId, userId: null, instanceUrl } : undefined
