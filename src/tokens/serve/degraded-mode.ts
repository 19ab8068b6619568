/** Mints while the store is unavailable: one at a time, kept in memory, and saved after the outage. */
import type { Actor } from '../../audit/event.ts'
import { BrokerError } from '../../errors/errors.ts'
import { presentsRefreshToken } from '../../integrations/integration.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { RefusalRecord } from '../../store/store.ts'
import type { Logins } from '../mint/logins.ts'
import type { MintAudit } from '../mint/mint-event.ts'
import { isWhileResting, refusedStill, remember } from '../mint/refusal-memory.ts'
import type { SingleFlight } from '../mint/single-flight.ts'
import type { Lease, MintResult } from './lease.ts'
import type { Entry } from './lease-cache.ts'
import {
  holdsRejected,
  stillLiveAgain,
  type TokenRequirement,
  tokenStillLive,
} from './token-requirement.ts'

export type DegradedMode = ReturnType<typeof createDegradedMode>

interface DegradedModeDependencies {
  readonly logins: Pick<Logins, 'mint' | 'probe'>
  readonly flights: Pick<SingleFlight, 'join'>
  readonly audit: Pick<MintAudit, 'minted' | 'refused'>
  readonly runtime: Pick<Runtime, 'now' | 'monotonic' | 'uniqueId'>
}

/** The shared count of logins is in the store. */
const uncounted = async (): Promise<void> => undefined

const DEADLINE_MS = 10_000

export function createDegradedMode(dependencies: DegradedModeDependencies) {
  const { logins, flights, audit, runtime } = dependencies
  const { now, monotonic } = runtime
  const kept = new Map<string, Lease>()
  const refusals = new Map<string, RefusalRecord>()

  const mint = async ({ integration }: Entry, by: Actor, isProbe: boolean): Promise<MintResult> => {
    const { name } = integration
    if (presentsRefreshToken(integration)) throw needsStore()
    const refused = refusedStill(refusals.get(name), integration, now())
    if (refused) throw refused
    try {
      const lease = await logins.mint(
        integration,
        {
          charge: uncounted,
          deadlineAt: monotonic() + DEADLINE_MS,
          hasWorked: async () => true,
        },
        isProbe,
      )
      refusals.delete(name)
      kept.set(name, lease)
      audit.minted(lease, by)
      return { lease, isFresh: true, isSaved: false }
    } catch (error) {
      if (isWhileResting(error)) throw error
      const refusal = remember(error, integration, refusals.get(name), now())
      if (refusal) refusals.set(name, refusal)
      audit.refused(name, error, by)
      throw error
    }
  }

  return {
    /** The lease that this replica minted in degraded mode, while it is valid and fits the integration. */
    lease({ integration, digests }: Entry): Lease | undefined {
      const lease = kept.get(integration.name)
      if (!lease) return undefined
      const fits = lease.uid === integration.uid && digests.includes(lease.digest)
      if (fits && lease.expiresAt > now()) return lease
      kept.delete(integration.name)
      return undefined
    },
    /** Works for integrations that this replica minted for before, because it has the sealed credential. Throws Salesforce's refusal while it is remembered. Throws `store_unavailable` for a grant with a refresh token, and for a rejected token of degraded mode, because only all replicas together can decide whether that token lives. */
    mint(
      entry: Entry,
      requirement: TokenRequirement,
      by: Actor,
    ): { readonly result: Promise<MintResult>; readonly joined: boolean } {
      const { name } = entry.integration
      const probe = logins.probe(entry.integration)
      const isProbe = probe !== undefined
      const key = isProbe ? `probe:${runtime.uniqueId()}` : `degraded:${name}`
      const { result, joined } = flights.join(key, async () => {
        await probe
        if (requirement.kind === 'rejected' && kept.get(name)?.tokenId === requirement.tokenId) {
          throw new BrokerError(
            'store_unavailable',
            'Without the store it is unknown whether the rejected token is valid',
            { retryAfterMs: 1_000 },
          )
        }
        return mint(entry, by, isProbe)
      })
      const isOwn = holdsRejected(entry, requirement)
      return {
        result: isOwn ? result.then((minted) => another(minted, requirement)) : result,
        joined,
      }
    },
    keep: (lease: Lease): void => {
      kept.set(lease.integration, lease)
    },
    /** Keeps the lease with its known lifetime. */
    learned(lease: Lease): void {
      const { integration, tokenId } = lease
      if (kept.get(integration)?.tokenId === tokenId) kept.set(integration, lease)
    },
    /** Names of the integrations whose lease is not saved yet. */
    unsaved: (): readonly string[] => [...kept.keys()],
    /** Called when the lease is in the store, or is useless there. */
    forget: (name: string): void => {
      kept.delete(name)
      refusals.delete(name)
    },
  }
}

/** Salesforce may return the rejected token again. It is live, but serving it again does not help. */
function another(minted: MintResult, requirement: TokenRequirement): MintResult {
  if (requirement.kind !== 'rejected' || minted.lease.tokenId !== requirement.tokenId) return minted
  const { restMs } = stillLiveAgain(undefined, requirement.tokenId, minted.lease.mintedAt)
  throw tokenStillLive(restMs)
}

/** If a refresh token is used without a record in the store, another replica may use it again. */
const needsStore = () =>
  new BrokerError(
    'store_unavailable',
    'A refresh token is not used while the store is unavailable',
    {
      retryAfterMs: 1_000,
    },
  )
