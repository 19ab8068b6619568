/** Durations as people write and read them. */

const UNITS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** Milliseconds of `90s`, `15m`, `2h`, `30d`; undefined if the text is no duration. */
export function durationIn(text: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const unitMs = UNITS[unit]
  return count === undefined || unitMs === undefined ? undefined : Number(count) * unitMs
}

/** The largest unit that fits, rounded down: `45s`, `12m`, `3h`, `57d`. A negative duration is `-` and its length. */
export function durationText(ms: number): string {
  const length = Math.abs(ms)
  const [unit, unitMs] = Object.entries(UNITS)
    .toReversed()
    .find(([, one]) => length >= one) ?? ['s', 1_000]
  return `${ms < 0 ? '-' : ''}${Math.floor(length / unitMs)}${unit}`
}
