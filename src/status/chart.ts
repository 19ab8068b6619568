/** A chart of counts by hour as SVG, with the same numbers as a table. */
import type { MintHours } from '../usage/mint-hours.ts'

type Hours = Awaited<ReturnType<MintHours['read']>>

const WIDTH = 720
const HEIGHT = 150
const TOP = 16
const BOTTOM = 20
const LEFT = 44
const GAP = 3
/** Every so many hours there is a label. */
const LABELLED = 6

export function chartOf(hours: Hours): string {
  const most = Math.max(1, ...hours.map(({ minted, refused }) => minted + refused))
  const step = (WIDTH - LEFT) / hours.length
  const scale = (HEIGHT - TOP - BOTTOM) / most
  const base = HEIGHT - BOTTOM
  const bars = hours.map(({ at, minted, refused }, index) => {
    const x = LEFT + index * step
    const text = index % LABELLED === 0 ? label(x, HEIGHT - 5, clockOf(at)) : ''
    const over = base - minted * scale
    return [
      bar('minted', { x, y: over, width: step - GAP, height: minted * scale }),
      bar('refused', { x, y: over - refused * scale, width: step - GAP, height: refused * scale }),
      text,
    ].join('')
  })
  const total = (of: 'minted' | 'refused') => hours.reduce((sum, hour) => sum + hour[of], 0)
  const told = `Tokens minted in the last ${hours.length} hours: ${total('minted')}. Refusals: ${total('refused')}`
  return [
    `<p>${told}. By hour in UTC: <span class="key minted"></span> minted, <span class="key refused"></span> refused.</p>`,
    `<svg class="chart" role="img" aria-label="${told}" viewBox="0 0 ${WIDTH} ${HEIGHT}">`,
    `${label(0, TOP + 4, String(most))}${label(0, base, '0')}`,
    `<line class="axis" x1="${LEFT}" y1="${base}" x2="${WIDTH}" y2="${base}"/>`,
    ...bars,
    '</svg>',
    '<details id="hours"><summary id="hours-summary">As a table</summary><table><thead><tr>',
    '<th scope="col">Hour (UTC)</th><th scope="col">Minted</th><th scope="col">Refused</th>',
    '</tr></thead><tbody>',
    ...hours.map(
      ({ at, minted, refused }) =>
        `<tr><th scope="row">${clockOf(at)}</th><td>${minted}</td><td>${refused}</td></tr>`,
    ),
    '</tbody></table></details>',
  ].join('\n')
}

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

const bar = (kind: string, { x, y, width, height }: Box): string =>
  height === 0
    ? ''
    : `<rect class="${kind}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${width.toFixed(1)}" height="${height.toFixed(1)}"/>`

const label = (x: number, y: number, text: string): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}">${text}</text>`

const clockOf = (at: number): string => new Date(at).toISOString().slice(11, 16)
