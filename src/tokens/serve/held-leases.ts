/** Finds the lease of a token that somebody shows. */
import { mightAllow, type Principal } from '../../callers/policy.ts'
import type { Secret } from '../../crypto/secret.ts'
import { isBound } from '../../dpop/binding.ts'
import type { FreezeGate } from '../../freezes/freeze-gate.ts'
import { TEXT_FORMS } from '../../http/text-forms.ts'
import type { Outcomes } from '../../store/store.ts'
import { type Lease, tokenIdOf } from './lease.ts'
import type { Entry, LeaseCache } from './lease-cache.ts'
import type { LeaseReader } from './lease-reader.ts'
import { maySee } from './servable.ts'

export type HeldLeases = ReturnType<typeof createHeldLeases>

interface HeldLeasesDependencies {
  readonly reader: Pick<LeaseReader, 'trusted' | 'read'>
  readonly cache: Pick<LeaseCache, 'values'>
  readonly outcomes: Pick<Outcomes, 'holders'>
  /** Who shows the token of a frozen integration is told that nobody has it. */
  readonly freezes: Pick<FreezeGate, 'isCurrent' | 'ready' | 'isFrozen'>
  readonly now: () => number
}

interface Shown {
  readonly token: Secret
  /** The integration, if the caller names it. Undefined: any that holds the token. */
  readonly name: string | undefined
}

const NAME = new RegExp(TEXT_FORMS.name.pattern)

export function createHeldLeases(dependencies: HeldLeasesDependencies) {
  const { reader, cache, outcomes, freezes, now } = dependencies
  const entryOf = async (name: string): Promise<Entry | undefined> =>
    reader.trusted(name) ?? (await reader.read(name, () => true)).entry

  const leaseIn = (entry: Entry | undefined, tokenId: string): Lease | undefined => {
    const lease = entry?.lease
    const isHeld = lease?.tokenId === tokenId && lease.expiresAt > now()
    if (!entry || !isHeld || freezes.isFrozen(entry.integration, lease)) return undefined
    return entry.integration.serveTokens ? lease : undefined
  }

  const namesInMemory = (tokenId: string): readonly string[] => {
    const names: string[] = []
    for (const { lease, integration } of cache.values()) {
      if (lease?.tokenId === tokenId) names.push(integration.name)
    }
    return names
  }

  const find = async (
    { token, name }: Shown,
    isFor: (entry: Entry) => boolean,
    isAsked: (name: string) => boolean = () => true,
  ): Promise<Lease | undefined> => {
    if (name !== undefined && !NAME.test(name)) return undefined
    if (!freezes.isCurrent()) await freezes.ready()
    const tokenId = tokenIdOf(token)
    const names = name === undefined ? await outcomes.holders(tokenId) : [name]
    for (const one of names.filter(isAsked)) {
      const entry = await entryOf(one)
      const lease = leaseIn(entry, tokenId)
      if (entry && lease && isFor(entry)) return lease
    }
    return undefined
  }

  return {
    /** Who shows the token has it, unless it is bound to a key, because it proves nothing then. Undefined: no integration holds it, or the named one does not. Rejects with `store_unavailable`. */
    of: (shown: Shown): Promise<Lease | undefined> =>
      find(shown, ({ lease }) => lease !== undefined && !isBound(lease)),
    /** The same for a token that the principal may read. */
    readableBy: (principal: Principal, shown: Shown): Promise<Lease | undefined> =>
      find(
        shown,
        (entry) => maySee(entry, entry.integration.name, principal),
        (name) => mightAllow(principal, 'tokens:read', name),
      ),
    /** As `of`, without the store: an integration that this replica did not use is unknown. */
    inMemory({ token, name }: Shown): Lease | undefined {
      const tokenId = tokenIdOf(token)
      const names = name === undefined ? namesInMemory(tokenId) : [name]
      const leases = names.map((one) => leaseIn(reader.trusted(one), tokenId))
      return leases.find((lease) => lease !== undefined && !isBound(lease))
    },
  }
}
