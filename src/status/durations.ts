/** How long something lasts, in words for a table. */

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** Whole units, rounded down: `45 s`, `12 min`, `3 h`, `14 days`. Less than nothing is `0 s`. */
export function spanText(ms: number): string {
  const days = Math.floor(ms / DAY_MS)
  if (days >= 2) return `${days} days`
  if (ms >= 2 * HOUR_MS) return `${Math.floor(ms / HOUR_MS)} h`
  if (ms >= 2 * MINUTE_MS) return `${Math.floor(ms / MINUTE_MS)} min`
  return `${Math.max(0, Math.floor(ms / 1_000))} s`
}

/** As `2026-01-31 09:05 UTC`. */
export const timeText = (at: number): string =>
  `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
