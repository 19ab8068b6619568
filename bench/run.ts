/** `npm run bench [-- SUITE …]`: starts what it measures, prints ratios of one run, and keeps them. */
import { loadavg } from 'node:os'
import { tableOf } from './figure.ts'
import { drawChart, publish } from './publish.ts'
import { keepResult, surroundings } from './results.ts'
import type { Teardown } from './setting.ts'
import { SUITES, type Suite } from './suites.ts'

const EX_USAGE = 64

/** A quick look: what it finds is shown, and not kept. */
const isShort = process.env.BENCH_SHORT === '1'

/** What shows something else than figures, in lines. Only where it is named. */
const OTHERS: Readonly<Record<string, () => Promise<readonly string[]>>> = {
  publish: async () => publish(),
  faults: async () => {
    const { benchFaults } = await import('./faults.ts')
    const only = (process.env.BENCH_FAULTS ?? '').split(',').filter((text) => text !== '')
    return benchFaults(only)
  },
  custody: async () => {
    const { benchCustody } = await import('./custody.ts')
    const seconds = Number(process.env.BENCH_CUSTODY_SECONDS ?? 600)
    return withTeardown((t) => benchCustody(t, seconds))
  },
  timing: async () => {
    const { benchTiming } = await import('./timing.ts')
    const comparisons = await benchTiming(20_000)
    return [
      '| refusals that must not be told apart | bytes | median, µs | Welch t | t of the quickest nine tenths |',
      '|---|---|---|---|---|',
      ...comparisons.map(
        ({ what, isSame, medianUs: [first, second], t }) =>
          `| ${what} | ${isSame ? 'the same' : '**differ**'} | ${first.toFixed(1)}, ${second.toFixed(1)} | ${t.all.toFixed(2)} | ${t.cropped.toFixed(2)} |`,
      ),
      '',
      '20,000 pairs each, on one connection. Target: equal bytes, and |t| below 4.5.',
    ]
  },
}

async function withTeardown<Result>(run: (t: Teardown) => Promise<Result>): Promise<Result> {
  const ends: (() => unknown)[] = []
  try {
    return await run({ teardown: (end) => void ends.unshift(end) })
  } finally {
    for (const end of ends) await end()
  }
}

async function measure(name: string, suite: Suite): Promise<void> {
  console.log(`## ${name}: ${suite.what}\n`)
  const ends: (() => unknown)[] = []
  const startedAt = performance.now()
  const [loadBefore = 0] = loadavg()
  try {
    const figures = await suite.measure({ teardown: (end) => void ends.unshift(end) }, isShort)
    const seconds = Math.round((performance.now() - startedAt) / 1000)
    const at = new Date().toISOString()
    if (!isShort) keepResult(name, { at, ...surroundings(), seconds, loadBefore, figures })
    console.log(`${tableOf(figures).join('\n')}\n\n${seconds} s\n`)
  } finally {
    for (const end of ends) await end()
  }
}

const known = [...Object.keys(SUITES), ...Object.keys(OTHERS)]
const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !known.includes(name))
if (unknown.length > 0) {
  console.error(`There is no suite ${unknown.join(', ')}; there are ${known.join(', ')}`)
  process.exit(EX_USAGE)
}
const plain = Object.keys(SUITES).filter((name) => !SUITES[name]?.isLong)
const names = asked.length > 0 ? asked : plain
const { machine, versions, commit } = surroundings()
const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
console.log(`${machine}\n${named.join(', ')}\ncommit ${commit}\n`)
for (const name of names) {
  const suite = SUITES[name]
  if (suite) await measure(name, suite)
  else console.log(`## ${name}\n\n${(await OTHERS[name]?.())?.join('\n')}\n`)
}
if (names.some((name) => name in SUITES)) console.log(drawChart())
