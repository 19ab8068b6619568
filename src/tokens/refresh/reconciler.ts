/** Brings this replica in step with the store once it is back: its time, and what was minted without it. */

import { NOBODY } from '../../audit/event.ts'
import type { Log } from '../../runtime/runtime.ts'
import type { MintCoordinator } from '../mint/mint-coordinator.ts'
import type { SingleFlight } from '../mint/single-flight.ts'
import type { DegradedMode } from '../serve/degraded-mode.ts'
import type { Entry } from '../serve/lease-cache.ts'

interface Reconciler {
  /** The store is heard again. */
  begin(): void
}

interface ReconcilerDependencies {
  readonly learnTime: () => Promise<void>
  readonly degraded: Pick<DegradedMode, 'unsaved' | 'forget'>
  readonly look: (name: string) => Promise<Entry | undefined>
  readonly coordinator: MintCoordinator
  readonly flights: Pick<SingleFlight, 'join'>
  /** Works as long as the change stream is read. */
  readonly untilDone: (work: () => Promise<void>) => Promise<void>
  readonly log: Pick<Log, 'warn'>
}

export function createReconciler(dependencies: ReconcilerDependencies): Reconciler {
  const { learnTime, degraded, look, coordinator, flights, untilDone, log } = dependencies

  const save = async (name: string): Promise<void> => {
    const entry = await look(name)
    if (!entry) return degraded.forget(name)
    const { isSaved } = await coordinator.run(entry, { kind: 'need', minTtlMs: 0 }, NOBODY).result
    // Somebody else's may be in the store by now: then it is the one for all.
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
