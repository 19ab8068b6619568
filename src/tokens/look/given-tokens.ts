/** Which token each principal was given last, in this process. So a caller that comes back is noticed. */
import type { Lease } from '../serve/lease.ts'

interface Given {
  readonly tokenId: string
  /** By principal: when the lease that it was given ends. */
  readonly until: Map<string, number>
}

/** Most principals of all integrations together. */
const REMEMBERED = 100_000

export function createGivenTokens() {
  const given = new Map<string, Given>()
  let count = 0

  const startOf = (name: string, tokenId: string): Given => {
    count -= given.get(name)?.until.size ?? 0
    const fresh = { tokenId, until: new Map<string, number>() }
    given.set(name, fresh)
    return fresh
  }

  return {
    /** Notes that the principal gets the token until `until`. Returns whether it had the same one, which had not ended. */
    note(
      principalId: string,
      { integration, tokenId }: Pick<Lease, 'integration' | 'tokenId'>,
      { now, until }: { readonly now: number; readonly until: number },
    ): boolean {
      if (count >= REMEMBERED) {
        given.clear()
        count = 0
      }
      const known = given.get(integration)
      const current = known?.tokenId === tokenId ? known : startOf(integration, tokenId)
      const before = current.until.get(principalId)
      if (before === undefined) count += 1
      current.until.set(principalId, until)
      return before !== undefined && before > now
    },
  }
}
