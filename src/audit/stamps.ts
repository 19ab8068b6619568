/** Ids and times of events. Ids are unique over the fleet, and in order of time within a replica. */
import type { Stamp } from './event.ts'

export interface Stamps {
  next(): Stamp
}

export interface StampDependencies {
  readonly now: () => number
  /** Tells this replica's ids from all others'. Letters, digits and dashes. */
  readonly replica: string
}

const RADIX = 36
/** Of milliseconds since 1970: enough until the year 5188. */
const TIME_DIGITS = 9
const COUNT_DIGITS = 4

export function createStamps({ now, replica }: StampDependencies): Stamps {
  let lastAt = Number.NaN
  let at = ''
  let newest = 0
  let time = ''
  let count = 0
  return {
    next() {
      const current = now()
      if (current !== lastAt) {
        lastAt = current
        at = new Date(current).toISOString()
        // A clock that is set back must not give ids in the wrong order.
        if (current > newest) {
          newest = current
          time = current.toString(RADIX).padStart(TIME_DIGITS, '0')
          count = 0
        }
      }
      count += 1
      return { id: `${time}-${count.toString(RADIX).padStart(COUNT_DIGITS, '0')}-${replica}`, at }
    },
  }
}
