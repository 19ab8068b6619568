/** The simulator's time: real time, and what a test added. Epoch milliseconds. */
export interface Clock {
  now(): number
  /** Moves time forward (or back, if negative). */
  advance(ms: number): void
}

export function createClock(realNow: () => number): Clock {
  let offsetMs = 0
  return {
    now: () => realNow() + offsetMs,
    advance(ms) {
      offsetMs += ms
    },
  }
}
