/** Reconciles this replica with the store after an outage: sets the clock, and saves leases of degraded mode. */

import { NOBODY } from '../../audit/event.ts'
import type { Log } from '../../runtime/runtime.ts'
import type { MintCoordinator } from '../mint/mint-coordinator.ts'
import type { SingleFlight } from '../mint/single-flight.ts'
import type { DegradedMode } from '../serve/degraded-mode.ts'
import type { Entry } from '../serve/lease-cache.ts'

interface Reconciler {
  /** Called when the change stream is read again. */
  begin(): void
}

interface ReconcilerDependencies {
  readonly learnTime: () => Promise<void>
  readonly degraded: Pick<DegradedMode, 'unsaved' | 'forget'>
  readonly look: (name: string) => Promise<Entry | undefined>
  readonly coordinator: MintCoordinator
  readonly flights: Pick<SingleFlight, 'join'>
  /** Retries while the change stream is read. */
  readonly untilDone: (work: () => Promise<void>) => Promise<void>
  readonly log: Pick<Log, 'warn'>
}

export function createReconciler(dependencies: ReconcilerDependencies): Reconciler {
  const { learnTime, degraded, look, coordinator, flights, untilDone, log } = dependencies

  const save = async (name: string): Promise<void> => {
    const entry = await look(name)
    if (!entry) return degraded.forget(name)
    const { isSaved } = await coordinator.run(entry, { kind: 'need', minTtlMs: 0 }, NOBODY).result
    // The store may already have a lease of another replica. Then all replicas use that one.
    if (isSaved) degraded.forget(name)
  }

  const attempt = (what: string, work: () => Promise<void>) => {
    flights
      .join(`reconcile:${what}`, () => untilDone(work))
      .result.catch((error: unknown) => {
        log.warn({ err: error, what }, 'this replica is not synchronised with the store yet')
      })
  }

  return {
    begin() {
      attempt('time', learnTime)
      for (const name of degraded.unsaved()) attempt(`lease ${name}`, () => save(name))
    },
  }
}
