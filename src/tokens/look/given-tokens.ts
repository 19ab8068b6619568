/** Which token each principal was given last, and where, in this process. So a caller that comes back is noticed. */
import type { Lease } from '../serve/lease.ts'

interface Held {
  /** The end of the lease that it was given. */
  until: number
  address: string
}

interface Given {
  readonly tokenId: string
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

export function createGivenTokens() {
  const given = new Map<string, Given>()
  let count = 0

  const startOf = (name: string, tokenId: string): Given => {
    count -= given.get(name)?.principals.size ?? 0
    const fresh = { tokenId, principals: new Map<string, Held>() }
    given.set(name, fresh)
    return fresh
  }

  return {
    /** Notes that the principal gets the token until `until`. Returns whether it had the same one, which had not ended. */
    note(
      principalId: string,
      { integration, tokenId }: Pick<Lease, 'integration' | 'tokenId'>,
      { now, until, address }: GivenNow,
    ): boolean {
      if (count >= REMEMBERED) {
        given.clear()
        count = 0
      }
      const known = given.get(integration)
      const current = known?.tokenId === tokenId ? known : startOf(integration, tokenId)
      const held = current.principals.get(principalId)
      if (held === undefined) {
        count += 1
        current.principals.set(principalId, { until, address })
        return false
      }
      const isBack = held.until > now
      held.until = until
      held.address = address
      return isBack
    },
    /** The principal that got the token at this address. Undefined: none, or several. */
    givenTo(
      { integration, tokenId }: Pick<Lease, 'integration' | 'tokenId'>,
      address: string,
    ): string | undefined {
      const current = given.get(integration)
      if (current?.tokenId !== tokenId) return undefined
      const found = [...current.principals].filter(([, held]) => held.address === address)
      return found.length === 1 ? found[0]?.[0] : undefined
    },
  }
}
