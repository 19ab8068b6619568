/** Replaces due leases, so that no caller waits. */

import type { Actor } from '../../audit/event.ts'
import { BrokerError } from '../../errors/errors.ts'
import { isFrozenError } from '../../freezes/freeze-gate.ts'
import { isDraft } from '../../integrations/integration.ts'
import type { OutageLogger } from '../../runtime/outage-logger.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { createTask } from '../../runtime/tasks.ts'
import type { DueIndex } from '../../store/store.ts'
import type { MintCoordinator } from '../mint/mint-coordinator.ts'
import type { Lease } from '../serve/lease.ts'
import type { Entry } from '../serve/lease-cache.ts'
import type { TokenRequirement } from '../serve/token-requirement.ts'

interface Refresher {
  start(): void
  /** A lease is due at this time, so the index is read then at the latest. */
  expect(dueAt: number): void
  /** The due index may have an earlier entry than this replica knows. */
  heard(): void
  /** The clock of the store may have been set. */
  tick(): void
  /** Starts no new work, and waits for running work. */
  stop(): Promise<void>
  /** Number of leases that are being replaced. */
  activeCount(): number
}

/** `lateMs`: the delay after the due time. `failures`: failures in a row before this success, or including this failure. */
export type Refreshed = { readonly name: string; readonly failures: number } & (
  | { readonly outcome: 'replaced'; readonly lateMs: number }
  | { readonly outcome: 'failed'; readonly error: unknown }
)

interface RefresherDependencies {
  readonly due: DueIndex
  readonly look: (name: string) => Promise<Entry | undefined>
  readonly coordinator: MintCoordinator
  readonly runtime: Runtime
  readonly onRefreshed: (refreshed: Refreshed) => void
  /** Reports failures to read the due index. */
  readonly outage: OutageLogger
}

/** Longest time between reads of the due index, because a replica of an older release tells nobody what it adds. */
const LOOK_MS = 10_000
/** Most concurrent replacements of one replica. */
const CONCURRENCY = 16
/** Interval between starts. Without it, all work starts at the same moment and callers wait. `behind`: the interval while leases are late by more than `BEHIND_MS`. */
const PACE_MS = { usual: 20, behind: 5 }
const BEHIND_MS = 30_000
/** If this replica dies, another one takes a claimed lease after this time. */
const POSTPONE_MS = 15_000
const RETRY_MS = { least: 500, most: 30_000 }
const TROUBLE_MS = 1_000

const BY: Actor = { principal: null, requestId: 'refresh-ahead' }

export function createRefresher(dependencies: RefresherDependencies): Refresher {
  const { due, look, coordinator, runtime, onRefreshed, outage } = dependencies
  const { now, random } = runtime
  const active = new Set<Promise<void>>()
  const failures = new Map<string, number>()
  let isBehind = false
  /** End of the pause. Minus infinity: the index is read soon anyway. */
  let nextAt = Number.NEGATIVE_INFINITY
  /** Earliest due time of which this replica learned since it began to read the index. */
  let expectedAt = Number.POSITIVE_INFINITY

  const expect = (at: number) => {
    expectedAt = Math.min(expectedAt, at)
    if (at < nextAt) task.wake()
  }

  const reschedule = async (name: string, at: number) => {
    await due.unmark(name)
    await due.mark(name, at)
    expect(at)
  }

  const replace = async (name: string): Promise<void> => {
    const entry = await look(name)
    const requirement = entry && requirementFor(entry)
    if (!entry || !requirement) {
      failures.delete(name)
      return due.unmark(name)
    }
    const point = entry.lease?.refreshAt ?? now()
    if (requirement.kind === 'replace' && point > now()) return reschedule(name, point)
    const before = failures.get(name) ?? 0
    // After a failure, the lease is late for another reason.
    isBehind = before === 0 && now() - point > BEHIND_MS
    try {
      await coordinator.run(entry, requirement, BY).result
      failures.delete(name)
      onRefreshed({ outcome: 'replaced', name, lateMs: now() - point, failures: before })
    } catch (error) {
      // Not a failure: an operator wants it so, until the freeze is lifted.
      if (isFrozenError(error)) return reschedule(name, now() + RETRY_MS.most)
      failures.set(name, before + 1)
      onRefreshed({ outcome: 'failed', name, error, failures: before + 1 })
      await reschedule(name, retryAt(before, entry.lease, error))
    }
  }

  /** Undefined: no action is needed. A lease with `keep_warm` is also minted after its end. */
  const requirementFor = ({ integration, lease }: Entry): TokenRequirement | undefined => {
    if (!integration.enabled || isDraft(integration)) return undefined
    if (lease && lease.expiresAt > now()) return { kind: 'replace', mintedAt: lease.mintedAt }
    return integration.keepWarm ? { kind: 'need', minTtlMs: 0 } : undefined
  }

  /** Adds backoff, but keeps time for another try before the lease ends. */
  const retryAt = (failed: number, lease: Lease | undefined, error: unknown): number => {
    const asked = error instanceof BrokerError ? (error.retryAfterMs ?? 0) : 0
    const backoff = Math.min(RETRY_MS.most, RETRY_MS.least * 2 ** failed) * (0.5 + random() / 2)
    const quarter = ((lease?.expiresAt ?? Number.POSITIVE_INFINITY) - now()) / 4
    const inTime = Math.min(backoff, Math.max(quarter, RETRY_MS.least))
    return Math.ceil(now() + Math.max(Math.min(asked, RETRY_MS.most), inTime))
  }

  const begin = (name: string) => {
    const work = replace(name)
      .then(outage.over, outage.report)
      .finally(() => active.delete(work))
    active.add(work)
  }

  const task = createTask({
    ...{ runtime, outage, retryMs: TROUBLE_MS },
    async work() {
      if (active.size === CONCURRENCY) await Promise.race(active)
      // Only a completed refresh proves that the index can also be written.
      if (task.stopped.aborted) return { idleMs: 0 }
      nextAt = Number.NEGATIVE_INFINITY
      expectedAt = Number.POSITIVE_INFINITY
      const { names, nextInMs } = await due.claim(1, POSTPONE_MS)
      const [name] = names
      if (name === undefined) {
        nextAt = Math.min(now() + Math.min(Math.ceil(nextInMs), LOOK_MS), expectedAt)
        return { idleMs: Math.max(0, nextAt - now()) }
      }
      begin(name)
      return { idleMs: isBehind ? PACE_MS.behind : PACE_MS.usual }
    },
  })

  return {
    start: task.start,
    expect,
    heard: task.wake,
    tick: task.tick,
    async stop() {
      await task.stop()
      await Promise.all(active)
    },
    activeCount: () => active.size,
  }
}
