/** Finds out whether a token lives: one inexpensive call with it at its instance, for all callers and replicas together. */
import { isStoreTrouble } from '../../errors/errors.ts'
import { grantOf } from '../../grants/index.ts'
import type { TokenEndpoint } from '../../grants/token-endpoint/token-endpoint.ts'
import type { Integration } from '../../integrations/integration.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import { within } from '../../runtime/timeout.ts'
import type { LookVerdict } from '../../store/records.ts'
import type { Change, Changes, Locks } from '../../store/store.ts'
import type { Lease } from '../serve/lease.ts'

export type TokenLook = ReturnType<typeof createTokenLook>

interface TokenLookDependencies {
  readonly endpoint: Pick<TokenEndpoint, 'probe'>
  /** From memory. */
  readonly integrationOf: (name: string) => Pick<Integration, 'grant'> | undefined
  /** Of the whole fleet. */
  readonly locks: Pick<Locks, 'acquire'>
  /** Tells the other replicas. */
  readonly changes: Pick<Changes, 'announce'>
  readonly runtime: Pick<Runtime, 'monotonic' | 'uniqueId'>
  readonly log: Pick<Log, 'info' | 'warn'>
}

interface Seen {
  /** The begin of the look. */
  readonly at: number
  readonly verdict: LookVerdict | Promise<LookVerdict>
}

/** The fleet looks once in this time, because each look costs an API call of the org. */
const LOCK_MS = 10_000
/** How long a look counts: until its lock is free, whatever the way to the store took. */
const COUNTS_MS = LOCK_MS + 250
/** Together with the time that aborted work may take, two seconds. */
const DEADLINE_MS = 1_900
/** Most remembered tokens. The oldest is forgotten first. */
const REMEMBERED = 10_000

export function createTokenLook(dependencies: TokenLookDependencies) {
  const { endpoint, integrationOf, locks, changes, runtime, log } = dependencies
  const { monotonic, uniqueId } = runtime
  const seen = new Map<string, Seen>()
  /** What waits for the verdict of another replica: a look, and one that must not be older. */
  const waiting = new Map<string, Set<(verdict: LookVerdict) => void>>()

  const keep = (tokenId: string, one: Seen): void => {
    seen.delete(tokenId)
    seen.set(tokenId, one)
    if (seen.size <= REMEMBERED) return
    const [oldest] = seen.keys()
    if (oldest !== undefined) seen.delete(oldest)
  }

  const call = async (lease: Lease, signal: AbortSignal): Promise<LookVerdict> => {
    const { instanceUrl, accessToken, dpop } = lease
    const call = { instanceUrl, accessToken, dpopKey: dpop?.key, signal }
    const { verdict } = await endpoint.probe(call)
    if (verdict === 'untold') return 'unknown'
    return verdict === 'dead' ? 'dead' : 'live'
  }

  const tell = (tokenId: string, verdict: LookVerdict): void => {
    changes.announce({ type: 'look', tokenId, verdict }).catch((error: unknown) => {
      // Without the store, each replica looks alone. That the store is away has its own warning.
      if (!isStoreTrouble(error))
        log.warn({ err: error }, 'the other replicas were not told of a look at a token')
    })
  }

  /** Without the store, each replica decides alone. */
  const isOurs = async (lock: string): Promise<boolean> => {
    try {
      return await locks.acquire(lock, uniqueId(), LOCK_MS)
    } catch (error) {
      if (isStoreTrouble(error)) return true
      throw error
    }
  }

  const heardOf = (tokenId: string) => {
    const { promise, resolve } = Promise.withResolvers<LookVerdict>()
    const all = waiting.get(tokenId) ?? new Set()
    waiting.set(tokenId, all.add(resolve))
    const end = () => {
      all.delete(resolve)
      if (all.size === 0 && waiting.get(tokenId) === all) waiting.delete(tokenId)
    }
    return { verdict: promise, end }
  }

  /** Never throws. */
  const begin = async (lease: Lease, lock: string): Promise<LookVerdict> => {
    const { integration, tokenId } = lease
    // From now on: the verdict may come before the answer about the lock.
    const other = heardOf(tokenId)
    try {
      return await within(
        DEADLINE_MS,
        async (signal) => {
          if (!(await isOurs(lock))) return other.verdict
          const verdict = await call(lease, signal).catch((error: unknown) => {
            log.info({ err: error, integration }, 'a token could not be looked at')
            return 'unknown' as const
          })
          tell(tokenId, verdict)
          return verdict
        },
        { late: () => 'unknown' },
      )
    } catch (error) {
      log.warn({ err: error, integration }, 'a token could not be looked at')
      return 'unknown'
    } finally {
      other.end()
    }
  }

  return {
    /** What is known of the last ten seconds is answered at once, else by one call of the fleet within two seconds. `since`: the look must not be older, by the monotonic clock; there is at most one more in ten seconds for that. */
    look(lease: Lease, since = Number.NEGATIVE_INFINITY): LookVerdict | Promise<LookVerdict> {
      const { tokenId } = lease
      const known = seen.get(tokenId)
      const at = monotonic()
      const isKnown = known !== undefined && at - known.at < COUNTS_MS
      if (isKnown && known.at >= since) return known.verdict
      const integration = integrationOf(lease.integration)
      if (!integration || !opensRestApi(integration)) return 'unknown'
      const verdict = begin(lease, `${isKnown ? 'look-again' : 'look'}:${tokenId}`)
      keep(tokenId, { at, verdict })
      void verdict.then((found) => {
        if (seen.get(tokenId)?.verdict === verdict) keep(tokenId, { at, verdict: found })
      })
      return verdict
    },
    /** Another replica, or this one, told what it found. */
    heard(change: Change): void {
      if (change.type !== 'look') return
      const { tokenId, verdict } = change
      const known = seen.get(tokenId)
      for (const resolve of waiting.get(tokenId) ?? []) resolve(verdict)
      const at = monotonic()
      const isNews = known === undefined || at - known.at >= COUNTS_MS
      if (isNews || (known.verdict === 'unknown' && verdict !== 'unknown'))
        keep(tokenId, { at, verdict })
    },
  }
}

/** The call uses the REST API. */
const opensRestApi = ({ grant }: Pick<Integration, 'grant'>): boolean =>
  grantOf(grant.type).opensRestApi?.(grant) ?? true
