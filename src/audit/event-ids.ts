/** Ids and times of events. Ids are unique among all replicas, and ordered by time within a replica. */
import type { EventId } from './event.ts'

interface EventIdDependencies {
  readonly now: () => number
  /** Distinguishes the ids of this replica from all others. Letters, digits and hyphens. */
  readonly replica: string
}

const RADIX = 36
/** Digits of the milliseconds since 1970 in base 36. Enough until the year 5188. */
const TIME_DIGITS = 9
/** Counts within a millisecond. Five digits need no padding, which would cost more than the rest of this code. */
const COUNT = { first: 10_000, last: 99_999 }

export function createEventIds({ now, replica }: EventIdDependencies) {
  let lastAt = Number.NaN
  let at = ''
  let newest = 0
  let time = ''
  let count = COUNT.first

  const begin = (ms: number) => {
    newest = ms
    time = ms.toString(RADIX).padStart(TIME_DIGITS, '0')
    count = COUNT.first
  }

  return {
    next(): EventId {
      const current = now()
      if (current !== lastAt) {
        lastAt = current
        at = new Date(current).toISOString()
        // If the clock is set back, ids must keep their order.
        if (current > newest) begin(current)
      }
      if (count === COUNT.last) begin(newest + 1)
      count += 1
      return { id: `${time}-${count}-${replica}`, at }
    },
  }
}
