/** Which token each principal was given last, by any replica. So a caller that comes back is noticed. */
import type { Change } from '../../store/store.ts'
import type { Lease } from '../serve/lease.ts'

interface Held {
  /** The end of the lease that it was given. */
  until: number
  /** Empty: another replica gave it. */
  address: string
}

interface Given {
  readonly tokenId: string
  readonly mintedAt: number
  readonly principals: Map<string, Held>
}

interface GivenNow {
  readonly now: number
  readonly until: number
  readonly address: string
}

/** Most principals of all integrations together. */
const REMEMBERED = 100_000

export type GivenTokens = ReturnType<typeof createGivenTokens>

type GivenLease = Pick<Lease, 'integration' | 'tokenId' | 'mintedAt' | 'expiresAt'>

/** `onFirst`: this replica is the first one that gives the token to the principal. */
export function createGivenTokens(onFirst: (principalId: string, lease: GivenLease) => void) {
  const given = new Map<string, Given>()
  let count = 0

  const of = (lease: Pick<GivenLease, 'integration' | 'tokenId' | 'mintedAt'>): Given => {
    const { integration, tokenId, mintedAt } = lease
    const known = given.get(integration)
    if (known?.tokenId === tokenId) return known
    count -= known?.principals.size ?? 0
    const fresh = { tokenId, mintedAt, principals: new Map<string, Held>() }
    given.set(integration, fresh)
    return fresh
  }

  const add = ({ principals }: Given, principalId: string, held: Held) => {
    count += 1
    principals.set(principalId, held)
  }

  const forgetIfMany = () => {
    if (count < REMEMBERED) return
    given.clear()
    count = 0
  }

  return {
    /** Notes that the principal gets the token until `until`. Returns whether it had the same one, which had not ended. */
    note(principalId: string, lease: GivenLease, { now, until, address }: GivenNow): boolean {
      forgetIfMany()
      const current = of(lease)
      const held = current.principals.get(principalId)
      if (held === undefined) {
        add(current, principalId, { until, address })
        onFirst(principalId, lease)
        return false
      }
      const isBack = held.until > now
      held.until = until
      held.address = address
      return isBack
    },
    /** Another replica, or this one, gave a token. */
    heard(change: Change): void {
      if (change.type !== 'given') return
      const { integration, tokenId, mintedAt, until } = change
      const known = given.get(integration)
      const isOld = known && known.tokenId !== tokenId && known.mintedAt >= mintedAt
      if (isOld) return
      forgetIfMany()
      const current = of(change)
      for (const principal of change.principals) {
        if (!current.principals.has(principal)) add(current, principal, { until, address: '' })
      }
    },
    /** The principal that got the token at this address. Undefined: none, or several. */
    givenTo(
      { integration, tokenId }: Pick<Lease, 'integration' | 'tokenId'>,
      address: string,
    ): string | undefined {
      const current = given.get(integration)
      if (current?.tokenId !== tokenId) return undefined
      let found: string | undefined
      for (const [principalId, held] of current.principals) {
        if (held.address !== address) continue
        if (found !== undefined) return undefined
        found = principalId
      }
      return found
    },
  }
}
