/** Generates the overview picture of the README in light and dark. */

interface Palette {
  readonly background: string
  readonly text: string
  readonly muted: string
  readonly line: string
  readonly box: string
  readonly broker: string
  readonly brokerText: string
}

const PALETTES = {
  light: {
    background: '#ffffff',
    text: '#1f2933',
    muted: '#52606d',
    line: '#7b8794',
    box: '#f0f3f6',
    broker: '#2563eb',
    brokerText: '#ffffff',
  },
  dark: {
    background: '#0d1117',
    text: '#e6edf3',
    muted: '#9aa7b4',
    line: '#6e7b88',
    box: '#1c232c',
    broker: '#3b76f0',
    brokerText: '#ffffff',
  },
} as const satisfies Record<string, Palette>

const WIDTH = 760
const HEIGHT = 330

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  readonly name: string
  readonly notes?: readonly string[]
}

const BROKER: Box = {
  ...{ x: 300, y: 84, width: 160, height: 112, name: 'Valetkey' },
  notes: ['one or more replicas', 'tokens in memory', 'keys sealed'],
}

const BOXES: readonly Box[] = [
  { x: 24, y: 60, width: 140, height: 160, name: 'Your services', notes: ['no keys, no secrets'] },
  { x: 596, y: 60, width: 140, height: 70, name: 'Salesforce', notes: ['token endpoint'] },
  { x: 596, y: 150, width: 140, height: 70, name: 'Salesforce', notes: ['API of your org'] },
  { x: 300, y: 262, width: 160, height: 52, name: 'Redis', notes: ['sealed state'] },
]

/** Each arrow begins and ends at the edge of a box. `at` is the position of its label. */
const ARROWS = [
  { path: 'M164 112 H298', label: 'GET /tokens/billing', at: [232, 104] },
  { path: 'M300 164 H166', label: 'access token', at: [232, 156] },
  { path: 'M460 104 H594', label: 'token request', at: [528, 96] },
  { path: 'M380 196 V260', label: 'state, locks, changes', at: [462, 240] },
  { path: 'M94 60 V30 H750 V185 H738', label: 'API calls with the token', at: [422, 22] },
] as const

/** Files by their path from the root. */
export function overviewFiles(): Readonly<Record<string, string>> {
  return {
    'docs/overview-light.svg': overviewOf(PALETTES.light),
    'docs/overview-dark.svg': overviewOf(PALETTES.dark),
  }
}

function overviewOf(palette: Palette): string {
  const { background, line, muted } = palette
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" font-family="system-ui, sans-serif" font-size="13">`,
    '<title>Services ask Valetkey for tokens and call Salesforce with them</title>',
    `<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 L8 4 L0 8 Z" fill="${line}"/></marker></defs>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="${background}"/>`,
    ...ARROWS.flatMap(({ path, label, at: [x, y] }) => [
      `<path d="${path}" fill="none" stroke="${line}" stroke-width="1.5" marker-end="url(#end)"/>`,
      textAt(x, y, label, muted),
    ]),
    ...BOXES.flatMap((box) => boxOf(box, palette.box, palette.text, muted)),
    ...boxOf(BROKER, palette.broker, palette.brokerText, palette.brokerText),
    '</svg>',
    '',
  ].join('\n')
}

function boxOf(box: Box, fill: string, text: string, muted: string): readonly string[] {
  const { x, y, width, height, name, notes = [] } = box
  const middle = x + width / 2
  const first = y + height / 2 + 5 - notes.length * 9
  return [
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="8" fill="${fill}"/>`,
    `<text x="${middle}" y="${first}" text-anchor="middle" font-size="15" font-weight="600" fill="${text}">${name}</text>`,
    ...notes.map((note, index) => textAt(middle, first + 20 + index * 18, note, muted)),
  ]
}

const textAt = (x: number, y: number, text: string, fill: string): string =>
  `<text x="${x}" y="${y}" text-anchor="middle" fill="${fill}">${text}</text>`
