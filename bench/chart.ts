/** The chart of docs/performance.md: requests a second of one process, as bars. */

import { shown } from './figure.ts'
import type { Results } from './results.ts'

interface Bar {
  readonly name: string
  readonly median: number
  readonly min: number
  readonly max: number
  readonly isOurs: boolean
}

const BARS = [
  { suite: 'hit', id: 'bare-rate', name: 'bare node:http, the same bytes' },
  { suite: 'hit', id: 'rate', name: 'Valetkey, a hit', isOurs: true },
  { suite: 'peers', id: 'redis-rate', name: 'a service that asks Redis each time' },
  { suite: 'peers', id: 'verify-rate', name: 'a service that verifies each JWT' },
] as const

const WIDTH = 760
const LEFT = 260
const RIGHT = 90
const ROW = 34
const TOP = 36

/** An empty chart where nothing was measured. */
export function chartOf(results: Results): string {
  const bars = barsOf(results)
  const most = Math.max(1, ...bars.map(({ max }) => max))
  const x = (value: number) => LEFT + (value / most) * (WIDTH - LEFT - RIGHT)
  const height = TOP + bars.length * ROW + 8
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="13">`,
    '<title>Requests a second of one process</title>',
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="12" y="22" font-weight="600" fill="#1f2933">Requests a second of one process; lines from the slowest round to the fastest</text>`,
    ...bars.flatMap((bar, index) => rowOf(bar, TOP + index * ROW, x)),
    '</svg>',
    '',
  ].join('\n')
}

function barsOf(results: Results): readonly Bar[] {
  return BARS.flatMap(({ suite, id, name, ...rest }) => {
    const spread = results[suite]?.figures.find((figure) => figure.id === id)?.spread
    return spread ? [{ name, ...spread, isOurs: 'isOurs' in rest }] : []
  })
}

function rowOf(bar: Bar, y: number, x: (value: number) => number): readonly string[] {
  const { name, median, min, max, isOurs } = bar
  const middle = y + ROW / 2
  const at = (value: number) => x(value).toFixed(1)
  return [
    `<text x="${LEFT - 10}" y="${middle + 4}" text-anchor="end" fill="#1f2933">${name}</text>`,
    `<rect x="${LEFT}" y="${y + 6}" width="${(x(median) - LEFT).toFixed(1)}" height="${ROW - 12}" fill="${isOurs ? '#2563eb' : '#b8c2cc'}"/>`,
    `<line x1="${at(min)}" x2="${at(max)}" y1="${middle}" y2="${middle}" stroke="#1f2933" stroke-width="1.5"/>`,
    `<text x="${(x(max) + 8).toFixed(1)}" y="${middle + 4}" fill="#1f2933">${shown(median, 0)}</text>`,
  ]
}
