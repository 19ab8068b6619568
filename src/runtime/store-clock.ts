/** The time of the store, which all replicas share, as this process knows it. */

export interface StoreClock {
  /** Whole epoch milliseconds. Before the store has told its time, this machine's. */
  now(): number
  /** The store told its time at some moment between these two. */
  learn(storeNow: number, asked: Moment, answered: Moment): void
  moment(): Moment
}

/** By both clocks of this machine. */
export interface Moment {
  readonly wall: number
  readonly monotonic: number
}

export interface StoreClockDependencies {
  /** Epoch milliseconds by this machine. */
  readonly wall: () => number
  /** Milliseconds of a clock that never steps. */
  readonly monotonic: () => number
  /** This machine's clock differs from the store's by more than 30 seconds, or (0) it does no more. */
  readonly onSkew: (aheadMs: number) => void
}

/** From here on an operator should know. */
const ALARM_MS = 30_000
/** No clock loses so much between two words from the store unless it is set. */
const STEP_MS = 5_000

/**
 * A lease is good until a time that every replica has to agree on, so a machine whose clock is
 * wrong, or is set, must not matter. Between two words from the store the longer of the two
 * elapsed times counts: a clock that was set back and a machine that slept both leave the other
 * one right, and a token is rather replaced too early than served too late. For the same reason a
 * store whose clock is set back is not followed: what it holds would live longer than it may.
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
