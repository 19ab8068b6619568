/** Mints while the store is down: one at a time in this replica, kept in memory, and saved when the store is back. */
import type { Actor } from '../audit/event.ts'
import type { Attempts } from './attempts.ts'
import type { Lease } from './lease.ts'
import type { Entry } from './lease-cache.ts'
import type { Minter } from './mint.ts'
import type { SingleFlight } from './single-flight.ts'

export interface Storeless {
  /** The lease that this replica minted for itself, while it lives and fits the integration. */
  lease(entry: Entry): Lease | undefined
  /** Only for an integration that this replica has minted for before: it holds the sealed credential. */
  mint(entry: Entry, by: Actor): { readonly result: Promise<Lease>; readonly joined: boolean }
  /** The names of the integrations whose lease is still to be saved. */
  unsaved(): readonly string[]
  /** It is in the store now, or is of no use there. */
  forget(name: string): void
}

export interface StorelessDependencies {
  readonly minter: Minter
  readonly attempts: Attempts
  readonly flights: Pick<SingleFlight, 'join'>
  readonly now: () => number
  /** Must not throw. */
  readonly onMinted: (lease: Lease, by: Actor) => void
  readonly onRefused: (name: string, error: unknown, by: Actor) => void
}

/** As long as with the store. */
const DEADLINE_MS = 10_000

export function createStoreless(dependencies: StorelessDependencies): Storeless {
  const { minter, attempts, flights, now, onMinted, onRefused } = dependencies
  const kept = new Map<string, Lease>()

  const mint = async ({ integration }: Entry, by: Actor): Promise<Lease> => {
    const { name, loginUrl } = integration
    try {
      const lease = await attempts.run(new URL(loginUrl).host, now() + DEADLINE_MS, () =>
        minter.mint(name),
      )
      kept.set(name, lease)
      onMinted(lease, by)
      return lease
    } catch (error) {
      onRefused(name, error, by)
      throw error
    }
  }

  return {
    lease({ integration, digests }) {
      const lease = kept.get(integration.name)
      if (!lease) return undefined
      const fits = lease.uid === integration.uid && digests.includes(lease.digest)
      if (fits && lease.expiresAt > now()) return lease
      kept.delete(integration.name)
      return undefined
    },
    mint: (entry, by) => flights.join(`storeless:${entry.integration.name}`, () => mint(entry, by)),
    unsaved: () => [...kept.keys()],
    forget: (name) => {
      kept.delete(name)
    },
  }
}
