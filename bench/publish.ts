/** Puts what was measured last into the documents: their marked sections, and the chart. */
import { readFileSync, writeFileSync } from 'node:fs'
import { chartOf } from './chart.ts'
import { faultTable, readFaultResults } from './fault-results.ts'
import { type Figure, holds, shown, shownTarget, tableOf } from './figure.ts'
import { OPENBAO_NAME } from './peers/openbao-programs.ts'
import { type Measurement, type Results, readResults } from './results.ts'
import { SUITES } from './suites.ts'

const ROOT = new URL('../', import.meta.url).pathname

/** By path from the root: each marked section of it. */
const SECTIONS: Readonly<Record<string, Readonly<Record<string, (results: Results) => string>>>> = {
  'README.md': { headlines: (results) => headlines(results, README_HEADLINES) },
  'docs/performance.md': { speed: (results) => headlines(results, HEADLINES) },
  'docs/reliability.md': { reliability },
  'docs/scaling.md': {
    scale: (results) => measured(results, 'scale'),
    fleet: (results) => measured(results, 'fleet'),
  },
  'bench/README.md': {
    results: (results) =>
      Object.entries(SUITES)
        .filter(([name]) => results[name])
        .map(([name, { what }]) => `### ${name}: ${what}\n\n${measured(results, name)}`)
        .join('\n\n'),
  },
}

export const CHART_PATH = 'bench/results/speed.svg'

type Headline = readonly [suite: string, id: string, what: string]

/** What the page about performance shows, in its words. */
const HEADLINES: readonly Headline[] = [
  ['hit', 'rate', 'Hits a second of one process, with a remembered JWT, policy, metrics and audit'],
  ['hit', 'ratio', 'Requests a second, Valetkey / bare `node:http` with the same bytes'],
  ['hit', 'p99', 'p99 of a hit with 32 connections, ms'],
  ['hit', 'redis-commands', 'Redis commands a hit'],
  ['peers', 'redis-ratio', 'Requests a second, Valetkey / a service that asks Redis each time'],
  ['peers', 'verify-ratio', 'Requests a second, Valetkey / a service that verifies each JWT'],
  ['peers', 'openbao-ratio', `Hits a second, Valetkey / ${OPENBAO_NAME}`],
  [
    'peers',
    'wait-ratio-openbao-redis-jwt_bearer',
    `Wait of the first caller, Salesforce 100 ms away, JWT bearer, Valetkey on Redis / ${OPENBAO_NAME}`,
  ],
  [
    'peers',
    'own-ratio-openbao-redis-jwt_bearer',
    `Own share of a first read, JWT bearer, Valetkey on Redis / ${OPENBAO_NAME}`,
  ],
  ['peers', 'idle-rss', 'RSS at rest, MB'],
  ['peers', 'idle-rss-openbao', `The same, ${OPENBAO_NAME}, MB`],
  ['miss', 'p50', 'Own share of a mint, RSA signature included, p50, ms'],
  ['miss', 'bare-p50', 'The same steps of a mint with nothing around them, p50, ms'],
  [
    'signers',
    'more',
    'What a mint costs more where OpenBao signs / a signature of OpenBao, in the same run',
  ],
  ['scale', 'redis-ready', 'Start to ready with 100,000 integrations in Redis, ms'],
  ['scale', 'redis-used-kb', 'Memory for each integration in use, KB'],
  ['start', 'ready', 'Start to ready, ms'],
]

/** The README shows these. */
const README_HEADLINES = HEADLINES.filter(
  ([suite, id]) =>
    ['hit/rate', 'hit/ratio', 'hit/p99', 'hit/redis-commands', 'miss/p50', 'start/ready'].includes(
      `${suite}/${id}`,
    ) || /^(?:openbao|wait|own|idle)-/.test(id),
)

/** The files that follow from the results, whole. */
export function publishedFiles(results: Results = readResults()): Readonly<Record<string, string>> {
  const documents = Object.keys(SECTIONS).map((path) => [
    path,
    withResults(path, readFileSync(ROOT + path, 'utf8'), results),
  ])
  return { ...Object.fromEntries(documents), [CHART_PATH]: chartOf(results) }
}

/** The text of a document, its marked sections made anew. */
export function withResults(path: string, text: string, results: Results): string {
  return Object.entries(SECTIONS[path] ?? {}).reduce(
    (changed, [name, render]) => withSection(path, changed, name, render(results)),
    text,
  )
}

/** Gives the paths that it wrote. */
export function publish(): readonly string[] {
  const files = publishedFiles()
  for (const [path, text] of Object.entries(files)) writeFileSync(ROOT + path, text)
  return Object.keys(files)
}

/** The chart alone. Gives its path. */
export function drawChart(): string {
  writeFileSync(ROOT + CHART_PATH, chartOf(readResults()))
  return CHART_PATH
}

/** A section that is made stands between two comments, in a file that is written by hand. */
export function withSection(path: string, text: string, name: string, body: string): string {
  const begin = `<!-- ${name}: generated -->`
  const end = `<!-- /${name} -->`
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from === -1 || to < from) throw new Error(`${path} has no place for ${name}`)
  return `${text.slice(0, from + begin.length)}\n\n${body}\n\n${text.slice(to)}`
}

function headlines(results: Results, shownHere: readonly Headline[]): string {
  const rows = shownHere.flatMap(([suite, id, what]) => {
    const figure = results[suite]?.figures.find((one) => one.id === id)
    return figure ? [headline(what, figure)] : []
  })
  return ['| | median | target |', '|---|---|---|', ...rows, '', whereOf(results.hit)].join('\n')
}

function headline(what: string, figure: Figure): string {
  const verdict = { true: '', false: ', missed', undefined: '' }[String(holds(figure))]
  const target = shownTarget(figure.target)
  return `| ${what} | ${shown(figure.spread.median, figure.digits)} | ${target}${verdict} |`
}

function reliability(): string {
  const results = readFaultResults()
  const last = results.at(-1)
  if (!last) return 'Not measured yet: `npm run bench -- faults`.'
  const { machine, versions } = last
  const days = [
    ...new Set(results.map(({ at, commit }) => `${at.slice(0, 10)} at commit ${commit}`)),
  ]
  return [
    ...faultTable(results),
    '',
    `Measured on ${days.join(', ')}: ${machine}; node ${versions.node}, redis ${versions.redis}.`,
  ].join('\n')
}

function measured(results: Results, suite: string): string {
  const measurement = results[suite]
  if (!measurement) return `Not measured yet: \`npm run bench -- ${suite}\`.`
  return `${tableOf(measurement.figures).join('\n')}\n\n${whereOf(measurement)}`
}

function whereOf(measurement: Measurement | undefined): string {
  if (!measurement) return 'Not measured yet: `npm run bench`.'
  const { at, commit, machine, versions, loadBefore } = measurement
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const load = loadBefore === undefined ? 'not known' : loadBefore.toFixed(1)
  return `Measured on ${at.slice(0, 10)} at commit ${commit}: ${machine}; ${named.join(', ')}. Load average before: ${load}.`
}
