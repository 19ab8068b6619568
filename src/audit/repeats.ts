/** Distinguishes the first event of its kind within a minute from repeated ones, and counts these. */

interface Repeats<Kind> {
  /** Whether it is the first of the minute. */
  isFirst(key: string, kind: Kind): boolean
  /** Ends minutes that are over, or all. Returns the repeated kinds with their counts. */
  take(all?: boolean): readonly { readonly kind: Kind; readonly count: number }[]
}

const MINUTE_MS = 60_000
/** Most separate kinds in one minute. Further ones share one count. */
const KINDS_MAX = 10_000

interface Counted<Kind> {
  readonly kind: Kind
  readonly endsAt: number
  count: number
}

/** `monotonic`: monotonic clock, in milliseconds. `others`: stands for the kinds above the limit. */
export function createRepeats<Kind>(monotonic: () => number, others: Kind): Repeats<Kind> {
  const counts = new Map<string, Counted<Kind>>()

  return {
    isFirst(key, kind) {
      const room = counts.size < KINDS_MAX || counts.has(key)
      const place = room ? key : ''
      const counted = counts.get(place)
      if (counted) {
        counted.count += 1
        return false
      }
      counts.set(place, {
        kind: room ? kind : others,
        endsAt: monotonic() + MINUTE_MS,
        count: room ? 0 : 1,
      })
      return room
    },
    take(all = false) {
      const over = [...counts].filter(([, { endsAt }]) => all || endsAt <= monotonic())
      for (const [key] of over) counts.delete(key)
      return over.flatMap(([, { kind, count }]) => (count > 0 ? [{ kind, count }] : []))
    },
  }
}
