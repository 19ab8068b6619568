/**
 * Learns the life of a token after it was handed out, so that its first caller waits for one call to
 * Salesforce alone. This breaks no promise:
 *
 * - It is never too late: the assumption is the rule that holds where Salesforce says nothing, and a
 *   shorter life replaces it by the same compare-and-set, also in the due index.
 * - Revocations advance `orev` and leave a tombstone. So the store refuses a life that was learned for
 *   an older lease or for a dead token.
 * - A token is compared with its pin before it is saved, and a new pin is saved with it.
 * - A dead token gets a tombstone, is revoked at Salesforce and is replaced. For a minute, tokens of
 *   that integration are proven before they are handed out.
 * - It waits for the mints of its replica, because callers wait for them: 20 seconds at most, and a
 *   twentieth of the assumption, which is safe all the while.
 * - If a replica dies before it learned the life, or has too many that wait, any replica that reads
 *   the lease 15 seconds later takes over.
 * - A caller waits where it must: for a `min_ttl` above the assumption, and for a mint that repeats the
 *   token that the caller rejected. After nine seconds, or where the token was revoked during the wait,
 *   the lease that the integration has then answers.
 */
import { type Actor, NOBODY } from '../../audit/event.ts'
import { isStoreTrouble } from '../../errors/errors.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import { waitFor } from '../../runtime/timeout.ts'
import { createYieldingQueue } from '../../runtime/yielding-queue.ts'
import type { Revoker } from '../revoke/revocation.ts'
import type { DegradedMode } from '../serve/degraded-mode.ts'
import { type Lease, learningYieldMs, type MintResult } from '../serve/lease.ts'
import type { TokenRequirement } from '../serve/token-requirement.ts'
import type { LeaseRecords } from './lease-records.ts'
import type { Minter } from './mint.ts'
import { DEADLINE_MS, type MintCoordinator } from './mint-coordinator.ts'
import type { SingleFlight } from './single-flight.ts'

export type LifeLearner = ReturnType<typeof createLifeLearner>

interface LifeLearnerDependencies {
  readonly minter: Pick<Minter, 'learn'>
  readonly records: Pick<LeaseRecords, 'look' | 'saveLife'>
  readonly coordinator: MintCoordinator
  readonly revoker: Pick<Revoker, 'endProvenDead'>
  /** What it holds was not saved yet. */
  readonly degraded: Pick<DegradedMode, 'learned' | 'lease'>
  readonly flights: Pick<SingleFlight, 'join'>
  readonly host: {
    readonly runtime: Pick<Runtime, 'now' | 'monotonic'>
    readonly log: Pick<Log, 'warn'>
    /** The process stops: the calls to Salesforce end, and another replica learns it. */
    readonly stopping: AbortSignal
  }
}

/** Most of a caller's time, from the begin of the mint. Then the assumption answers before the caller gives up. */
const LEARNED_WITHIN_MS = DEADLINE_MS - 1_000

/** At most so many lives are learned at once. */
const AT_ONCE = 16
/** At most so many wait. What waits holds its opened credential in memory. More are learned where they are read. */
const WAITING = 10_000

/** In the place of a request id in the audit. */
const BY: Actor = { ...NOBODY, requestId: 'token-life' }

export function createLifeLearner(dependencies: LifeLearnerDependencies) {
  const { minter, records, coordinator, revoker, degraded, flights, host } = dependencies
  const { runtime, log, stopping } = host
  const { monotonic } = runtime
  const queue = createYieldingQueue({ monotonic, atOnce: AT_ONCE, most: WAITING })
  /** Each replica tries once for each lease that it has in memory. */
  const begun = new WeakSet<Lease>()
  const queued = new WeakSet<Lease>()

  /** The token proved dead when its life was asked for. It ends everywhere, and another one takes its place. Where it was revoked meanwhile, it is dead for that reason, and nobody asked for another one. */
  const replace = async (lease: Lease): Promise<Lease | undefined> => {
    const { integration: name, tokenId, mintedAt } = lease
    const held = await records.look(name)
    const isHeld =
      held && [held.lease, degraded.lease(held)].some((one) => one?.tokenId === tokenId)
    if (!isHeld) return held?.lease
    log.warn({ integration: name, tokenId }, 'a token proved dead soon after it was issued')
    await revoker.endProvenDead(lease, BY)
    const entry = await records.look(name)
    if (entry?.integration.uid !== lease.uid || !entry.integration.enabled) return undefined
    return (await coordinator.run(entry, { kind: 'replace', mintedAt }, BY).result).lease
  }

  const learn = async (lease: Lease): Promise<Lease | undefined> => {
    const learned = await minter.learn(lease, stopping)
    if (!learned) return replace(lease)
    try {
      return await records.saveLife(learned)
    } catch (error) {
      if (!isStoreTrouble(error)) throw error
      degraded.learned(learned)
      return learned
    }
  }

  /** Never throws. Undefined: it could not be learned, or nothing took the place of the lease. */
  const begin = (lease: Lease): Promise<Lease | undefined> => {
    begun.add(lease)
    const { integration, tokenId, mintedAt } = lease
    return flights.join(`life:${integration}:${tokenId}:${mintedAt}`, async () => {
      try {
        return await learn(lease)
      } catch (error) {
        if (!stopping.aborted) {
          log.warn({ err: error, integration }, 'the life of a token could not be learned')
        }
        return undefined
      }
    }).result
  }

  /** After the answers to all who wait for it. Where too many wait, `read` begins it. */
  const beginLater = (lease: Lease) => {
    if (queued.has(lease)) return
    const isQueued = queue.later(
      async () => {
        if (!begun.has(lease)) await begin(lease)
      },
      learningYieldMs(lease, runtime.now()),
    )
    if (isQueued) queued.add(lease)
  }

  /** The assumption is shorter than what is asked for: its life may be longer. */
  const isTooShort = ({ expiresAt }: Lease, requirement: TokenRequirement): boolean =>
    requirement.kind === 'need' && expiresAt - runtime.now() < requirement.minTtlMs

  const run: MintCoordinator['run'] = (entry, requirement, by) => {
    const deadlineAt = runtime.monotonic() + LEARNED_WITHIN_MS
    const { result, joined } = coordinator.run(entry, requirement, by)
    const withLife = async (minted: MintResult): Promise<MintResult> => {
      const { lease, isFresh } = minted
      const isAwaited = isTooShort(lease, requirement)
      if (lease.learnBy === undefined || (!isFresh && !isAwaited)) return minted
      if (!isAwaited) {
        beginLater(lease)
        return minted
      }
      const learning = begin(lease)
      const ms = Math.max(0, deadlineAt - runtime.monotonic())
      const learned = await waitFor(learning, { ms, late: () => undefined })
      if (learned) return { ...minted, lease: learned }
      // The token may have been revoked during the wait, so what the integration has now answers.
      const current = await coordinator.run(entry, requirement, by).result
      return { ...current, isFresh: isFresh || current.isFresh }
    }
    return { result: queue.urgent(result).then(withLife), joined }
  }

  return {
    /** The same coordinator; what it mints learns its life in the background, after the answers and the mints that wait. */
    coordinator: { run } satisfies MintCoordinator as MintCoordinator,
    /** A lease is read. Takes over where the replica that minted it had its time. */
    read(lease: Lease): void {
      if (lease.learnBy === undefined || lease.learnBy > runtime.now() || begun.has(lease)) return
      void begin(lease)
    },
  }
}
