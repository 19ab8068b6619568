/** Brings this replica in step with the store once it is back: its time, and what was minted without it. */

import { NOBODY } from '../../audit/event.ts'
import { isStoreAway } from '../../errors/errors.ts'
import type { Log } from '../../runtime/runtime.ts'
import type { MintCoordinator } from '../mint/mint-coordinator.ts'
import type { SingleFlight } from '../mint/single-flight.ts'
import type { DegradedMode } from '../serve/degraded-mode.ts'
import type { Entry } from '../serve/lease-cache.ts'

export interface Reconciler {
  /** The store is heard again. */
  begin(): void
}

export interface ReconcilerDependencies {
  readonly learnTime: () => Promise<void>
  readonly storeless: Pick<DegradedMode, 'unsaved' | 'forget'>
  readonly look: (name: string) => Promise<Entry | undefined>
  readonly flight: MintCoordinator
  readonly flights: Pick<SingleFlight, 'join'>
  readonly isHearing: () => boolean
  readonly sleep: (ms: number) => Promise<void>
  readonly log: Pick<Log, 'warn'>
}

/** The store is heard on one connection, and written to on another that may take a little longer. */
const RETRY_MS = 100

export function createReconciler(dependencies: ReconcilerDependencies): Reconciler {
  const { learnTime, storeless, look, flight, flights, isHearing, sleep, log } = dependencies

  const save = async (name: string): Promise<void> => {
    const entry = await look(name)
    if (!entry) return storeless.forget(name)
    const { isSaved } = await flight.run(entry, { kind: 'need', minTtlMs: 0 }, NOBODY).result
    // Somebody else's may be in the store by now: then it is the one for all.
    if (isSaved) storeless.forget(name)
  }

  const untilDone = async (work: () => Promise<void>): Promise<void> => {
    for (;;) {
      try {
        return await work()
      } catch (error) {
        if (!isStoreAway(error) || !isHearing()) throw error
        await sleep(RETRY_MS)
      }
    }
  }

  const attempt = (what: string, work: () => Promise<void>) => {
    flights
      .join(`reconcile:${what}`, () => untilDone(work))
      .result.catch((error: unknown) => {
        log.warn({ err: error, what }, 'this replica is not in step with the store yet')
      })
  }

  return {
    begin() {
      attempt('time', learnTime)
      for (const name of storeless.unsaved()) attempt(`lease ${name}`, () => save(name))
    },
  }
}
