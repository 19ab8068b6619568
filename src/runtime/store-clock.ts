/** The time of the store, which all replicas share. */

export interface StoreClock {
  /** Whole epoch milliseconds. Before the first answer of the store, the time of this machine. */
  now(): number
  /** The store read its clock between these two moments. */
  learn(storeNow: number, asked: Moment, answered: Moment): void
  moment(): Moment
}

/** A moment on both clocks of this machine. */
interface Moment {
  readonly wall: number
  readonly monotonic: number
}

interface StoreClockDependencies {
  readonly wall: () => number
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
  /** Called when the clock of this machine differs from the store's by more than 30 seconds, and with 0 when it no longer does. */
  readonly onSkew: (aheadMs: number) => void
}

const ALARM_MS = 30_000
/** A larger difference between two answers means that a clock was set. */
const STEP_MS = 5_000

/**
 * All replicas must agree on the end of a lease, so the clock of a machine must not matter. Between
 * two answers of the store, the longer of the two elapsed times counts. That is right if the wall
 * clock is set back and if the machine sleeps; in doubt, a token is replaced too early. For the
 * same reason the result does not follow a store whose clock is set back.
 */
export function createStoreClock(dependencies: StoreClockDependencies): StoreClock {
  const { wall, monotonic, onSkew } = dependencies
  const moment = (): Moment => ({ wall: wall(), monotonic: monotonic() })
  let base = { ...moment(), store: wall() }
  let hasLearned = false
  let isFar = false

  const at = ({ wall, monotonic }: Moment): number =>
    base.store + Math.max(wall - base.wall, monotonic - base.monotonic)

  return {
    now: () => Math.floor(at(moment())),
    moment,
    learn(storeNow, asked, answered) {
      const steady = base.store + asked.monotonic - base.monotonic
      if (hasLearned && storeNow < steady - STEP_MS) {
        base = { ...answered, store: steady + answered.monotonic - asked.monotonic }
        return
      }
      hasLearned = true
      const earliest = at(asked)
      const latest = at(answered)
      const wrongMs = storeNow < earliest ? storeNow - earliest : Math.max(0, storeNow - latest)
      base = { ...answered, store: latest + wrongMs }
      const aheadMs = answered.wall - base.store
      if (Math.abs(aheadMs) > ALARM_MS === isFar) return
      isFar = !isFar
      onSkew(isFar ? aheadMs : 0)
    },
  }
}
