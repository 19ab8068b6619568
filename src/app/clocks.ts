/** The clocks of this process: the machine's own, and the store's, which all replicas share. */
import type { Logger } from '../logger/logger.ts'
import { createStoreClock, type StoreClock } from '../store/store-clock.ts'

export interface Clocks {
  /** Epoch milliseconds by this machine. */
  readonly wall: () => number
  /** Milliseconds of a clock that never steps. */
  readonly monotonic: () => number
  /** By the store. */
  readonly clock: StoreClock
}

/** With a `now` of its own, a test holds all of the time that leases know; with a `monotonic`, all that ages know. */
export function composeClocks(
  log: Logger,
  now: (() => number) | undefined,
  monotonic: () => number = () => performance.now(),
): Clocks {
  const wall = now ?? Date.now
  const clock = createStoreClock({
    wall,
    monotonic: now ?? monotonic,
    onSkew: (aheadMs) =>
      log.warn(
        { aheadSeconds: Math.round(aheadMs / 1000) },
        "this machine's clock differs from the store's",
      ),
  })
  return { wall, monotonic, clock }
}
