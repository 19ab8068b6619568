/** Ids and times of events. Ids are unique over the fleet, and in order of time within a replica. */
import type { EventId } from './event.ts'

interface EventIdDependencies {
  readonly now: () => number
  /** Tells this replica's ids from all others'. Letters, digits and dashes. */
  readonly replica: string
}

const RADIX = 36
/** Of milliseconds since 1970: enough until the year 5188. */
const TIME_DIGITS = 9
/** Within a millisecond: of five digits without padding, which costs more than all else here. */
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
        // A clock that is set back must not give ids in the wrong order.
        if (current > newest) begin(current)
      }
      if (count === COUNT.last) begin(newest + 1)
      count += 1
      return { id: `${time}-${count}-${replica}`, at }
    },
  }
}
