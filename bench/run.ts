/** `npm run bench [-- SUITE …]`: starts what it measures, and prints ratios of one run. */
import { cpus } from 'node:os'

type Suite = () => Promise<readonly string[]>

const SUITES: Readonly<Record<string, Suite>> = {
  start: async () => {
    const { benchStart } = await import('./start.ts')
    return [
      '| | min | median | max |',
      '|---|---|---|---|',
      row('from process start to ready, ms', await benchStart(10), 0),
      '',
      'Target: under 1,000 ms.',
    ]
  },
  callers: async () => {
    const { benchCallers } = await import('./callers.ts')
    const { ratio, remembered, open, failures } = await benchCallers({ rounds: 5, seconds: 4 })
    return [
      '| | min | median | max |',
      '|---|---|---|---|',
      row('remembered JWT caller, requests a second', remembered, 0),
      row('no authentication, requests a second', open, 0),
      row('ratio', ratio, 2),
      '',
      `${failures} failed requests. Target: a ratio of 0.85 or more.`,
    ]
  },
  faults: async () => {
    const { benchFaults } = await import('./faults.ts')
    const only = (process.env.BENCH_FAULTS ?? '').split(',').filter((text) => text !== '')
    return benchFaults(only)
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

function row(
  name: string,
  { min, median, max }: Record<'min' | 'median' | 'max', number>,
  digits: number,
) {
  const cells = [min, median, max].map((value) => value.toFixed(digits))
  return `| ${name} | ${cells.join(' | ')} |`
}

const names = process.argv.slice(2)
const unknown = names.filter((name) => !Object.hasOwn(SUITES, name))
if (unknown.length > 0) {
  console.error(
    `There is no suite ${unknown.join(', ')}; there are ${Object.keys(SUITES).join(', ')}`,
  )
  process.exit(64)
}
console.log(`${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}\n`)
for (const [name, suite] of Object.entries(SUITES)) {
  if (names.length > 0 && !names.includes(name)) continue
  console.log(`## ${name}\n`)
  for (const line of await suite()) console.log(line)
  console.log()
}
