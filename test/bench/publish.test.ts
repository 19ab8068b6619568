import t from 'tap'
import { chartOf } from '../../bench/chart.ts'
import { faultTable } from '../../bench/fault-results.ts'
import { exactly, type Figure, holds, tableOf } from '../../bench/figure.ts'
import { withResults, withSection } from '../../bench/publish.ts'
import { spreadOf } from '../../bench/ratio.ts'
import type { Results } from '../../bench/results.ts'

const figure = (id: string, values: readonly number[], rest: Partial<Figure> = {}): Figure => ({
  ...{ id, what: `what ${id} is`, spread: spreadOf(values), digits: 2 },
  ...rest,
})

const results = (figures: readonly Figure[]): Results => ({
  hit: {
    ...{ at: '2026-01-02T03:04:05Z', commit: 'abc1234', machine: '2 × CPU', seconds: 1 },
    ...{ versions: { node: 'v24' }, loadBefore: 0.25, figures },
  },
})

t.test('a target is judged by the median', async (t) => {
  t.equal(holds(figure('a', [0.1, 0.8, 0.9], { target: { atLeast: 0.8 } })), true)
  t.equal(holds(figure('a', [0.7, 0.79, 2], { target: { atLeast: 0.8 } })), false)
  t.equal(holds(figure('a', [1, 2, 9], { target: { atMost: 2 } })), true)
  t.equal(holds(figure('a', [2.01], { target: { atMost: 2 } })), false)
  t.equal(holds(figure('a', [1])), undefined)
})

t.test('a table has minimum, median and maximum, and says what was missed', async (t) => {
  const lines = tableOf([figure('a', [3, 1, 2], { target: { atMost: 1 } })])
  t.equal(lines.at(-1), '| what a is | 1.00 | 2.00 | 3.00 | ≤ 1 | **no** |')
})

t.test('a document gets the figures that were measured, with where and when', async (t) => {
  const section = (name: string) =>
    `a\n<!-- ${name}: generated -->\nwhat stood there\n<!-- /${name} -->\nz`
  const missed = figure('ratio', [0.7], { target: { atLeast: 0.8 } })
  const changed = withResults('docs/performance.md', section('speed'), results([missed]))
  t.match(changed, /^a\n<!-- speed: generated -->\n/)
  t.match(
    changed,
    '| Requests a second, Valetkey / bare `node:http` with the same bytes | 0.70 | ≥ 0.8, missed |',
  )
  t.match(changed, '2026-01-02 at commit abc1234: 2 × CPU; node v24. Load average before: 0.3.')
  t.notMatch(changed, 'what stood there')
  t.match(changed, /<!-- \/speed -->\nz$/)
  const others: readonly (readonly [string, string, RegExp | string])[] = [
    ['README.md', 'headlines', '| Requests a second, Valetkey / bare `node:http` with the same'],
    ['docs/reliability.md', 'reliability', /\n\| .+ \| .+ \| .+ \|\n/],
  ]
  for (const [path, name, row] of others) {
    const text = withResults(path, section(name), results([missed]))
    t.match(text, new RegExp(`^a\n<!-- ${name}: generated -->\n`))
    t.match(text, row, path)
    t.notMatch(text, 'what stood there')
    t.match(text, new RegExp(`<!-- /${name} -->\nz$`))
  }
  const both = ['speed', 'speed-elsewhere'].map(section).join('\n')
  t.match(
    withResults('docs/performance.md', both, results([missed])),
    /what stood there\n<!-- \/speed-elsewhere -->\nz$/,
    'only its own section is made anew',
  )
})

t.test('a table of faults has what was shown, and says what was missed', async (t) => {
  const where = { at: '2026-01-02T03:04:05Z', commit: 'abc1234', machine: '2 × CPU', versions: {} }
  const lines = faultTable([
    { what: 'Redis dies', must: '0 errors', shown: '0 errors of 9', holds: true, ...where },
    { what: 'all dies', must: '0 errors', shown: '9 errors of 9', holds: false, ...where },
  ])
  t.same(lines.slice(2), [
    '| Redis dies | 0 errors | 0 errors of 9 |',
    '| all dies | 0 errors | **missed**: 9 errors of 9 |',
  ])
})

t.test('a document without the place is a mistake', async (t) => {
  t.throws(() => withSection('a.md', '<!-- /x --><!-- x: generated -->', 'x', ''), /a\.md/)
})

t.test('the chart has a bar for what was measured, as long as its figure', async (t) => {
  const svg = chartOf(results([figure('rate', [50]), figure('bare-rate', [100])]))
  const widths = [...svg.matchAll(/<rect x="260"[^>]*width="([\d.]+)"/g)].map(([, w]) => Number(w))
  t.equal(widths.length, 2)
  t.equal((widths[0] ?? 0) / (widths[1] ?? 1), 2)
  t.match(svg, '>50</text>')
  t.same(exactly(3), { min: 3, median: 3, max: 3 })
})
