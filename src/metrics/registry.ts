/** Counters and histograms in memory, defined by a table of metrics. An increment of a bound metric allocates nothing. */
import { familyText, labelText, type Point } from './exposition.ts'

/** The values of a label: a closed list, or (`text`) names from operators, never from callers. */
export type LabelRow = { readonly values: readonly string[] } | { readonly text: string }

export type LabelRows = Readonly<Record<string, LabelRow>>

interface Row {
  readonly help: string
  readonly labels?: LabelRows
  /** Most series of a metric with a `text` label. */
  readonly atMost?: number
}

export type MetricRow =
  | (Row & { readonly type: 'counter' | 'gauge' })
  /** Ascending upper bounds without infinity. */
  | (Row & { readonly type: 'histogram'; readonly buckets: readonly number[] })

export type MetricTable = Readonly<Record<string, MetricRow>>

export interface Counter {
  add(amount?: number): void
}

export interface Histogram {
  observe(value: number): void
}

type Labels<R> = R extends { readonly labels: infer Rows }
  ? readonly [Readonly<Record<keyof Rows & string, string>>]
  : readonly []

type Name<Table, Type> = {
  [N in keyof Table & string]: Table[N] extends { readonly type: Type } ? N : never
}[keyof Table & string]

/** A value and its labels. */
export type Sample<R> = readonly [value: number, ...labels: Labels<R>]

export interface Metrics<Table extends MetricTable> {
  /** Returns a bound counter for repeated use. A value outside the closed list of its label counts as `other`. */
  counter<N extends Name<Table, 'counter'>>(name: N, ...labels: Labels<Table[N]>): Counter
  histogram<N extends Name<Table, 'histogram'>>(name: N, ...labels: Labels<Table[N]>): Histogram
  /** Called at each scrape. Series above the limit are omitted and counted. */
  sample<N extends Name<Table, 'counter' | 'gauge'>>(
    name: N,
    read: () => Iterable<Sample<Table[N]>>,
  ): void
  /** The number of omitted series of each metric in the last scrape, for metrics earlier in the table. */
  leftOut(): ReadonlyMap<string, number>
  /** The Prometheus text format, version 0.0.4. */
  render(): string
}

/** For values outside a closed list and for series above the limit. */
const OTHER = 'other'
/** Metrics with at most this many combinations of closed lists start at zero, so that a rate is correct from the first event. */
const FROM_THE_START = 120

export function createMetrics<const Table extends MetricTable>(table: Table): Metrics<Table> {
  const families = new Map(Object.entries(table).map(([name, row]) => [name, createFamily(row)]))
  let leftOut = new Map<string, number>()

  const familyOf = (name: string): Family => {
    const family = families.get(name)
    if (!family) throw new TypeError(`There is no metric ${name}`)
    return family
  }

  return {
    counter: (name, ...labels) => familyOf(name).counter(first(labels)),
    histogram: (name, ...labels) => familyOf(name).histogram(first(labels)),
    sample: (name, read) => familyOf(name).sample(read as () => Iterable<LooseSample>),
    leftOut: () => leftOut,
    render() {
      leftOut = new Map()
      const texts: string[] = []
      for (const [name, family] of families) {
        const { points, skipped } = family.read()
        if (skipped > 0) leftOut.set(name, skipped)
        texts.push(familyText(name, family.row, points))
      }
      return texts.join('')
    },
  }
}

type LooseLabels = Readonly<Record<string, string>>

const first = (labels: readonly LooseLabels[]): LooseLabels => labels[0] ?? {}

type LooseSample = readonly [value: number, labels?: LooseLabels]

interface Family {
  readonly row: MetricRow
  counter(labels: LooseLabels): Counter
  histogram(labels: LooseLabels): Histogram
  sample(read: () => Iterable<LooseSample>): void
  read(): { readonly points: Iterable<Point>; readonly skipped: number }
}

interface Series<Cell> {
  readonly labels: string
  readonly cell: Cell
}

function createFamily(row: MetricRow): Family {
  const counters = new Map<string, Series<CounterCell>>()
  const histograms = new Map<string, Series<HistogramCell>>()
  let sampled: (() => Iterable<LooseSample>) | undefined

  const bind = <Cell>(series: Map<string, Series<Cell>>, labels: LooseLabels, make: () => Cell) => {
    const isFull = series.size >= (row.atMost ?? Number.POSITIVE_INFINITY)
    const own = labelsOf(row, labels)
    const text = isFull && !series.has(own) ? labelsOf(row, labels, true) : own
    const known = series.get(text)
    if (known) return known.cell
    const cell = make()
    series.set(text, { labels: text, cell })
    return cell
  }

  const bounds = row.type === 'histogram' ? row.buckets : []
  const counter = (labels: LooseLabels) => bind(counters, labels, createCounterCell)
  const histogram = (labels: LooseLabels) =>
    bind(histograms, labels, () => createHistogramCell(bounds))

  const points = function* (): Generator<Point> {
    for (const { labels, cell } of counters.values()) yield { labels, value: cell.read() }
    for (const { labels, cell } of histograms.values()) yield* cell.points(labels)
  }

  const readSampled = (read: () => Iterable<LooseSample>) => {
    const found = new Map<string, Point>()
    let skipped = 0
    for (const [value, labels = {}] of read()) {
      const text = labelsOf(row, labels)
      if (found.size < (row.atMost ?? Number.POSITIVE_INFINITY)) {
        found.set(text, { labels: text, value })
      } else skipped += 1
    }
    return { points: found.values(), skipped }
  }

  for (const labels of combinationsOf(row)) {
    if (row.type === 'histogram') histogram(labels)
    else if (row.type === 'counter') counter(labels)
  }

  return {
    row,
    counter,
    histogram,
    sample(read) {
      sampled = read
      counters.clear()
    },
    read: () => (sampled ? readSampled(sampled) : { points: points(), skipped: 0 }),
  }
}

interface CounterCell extends Counter {
  read(): number
}

function createCounterCell(): CounterCell {
  // A typed array stores the number in place; a variable would allocate a new object each time.
  const value = new Float64Array(1)
  return {
    add(amount = 1) {
      value[0] = (value[0] ?? 0) + amount
    },
    read: () => value[0] ?? 0,
  }
}

interface HistogramCell extends Histogram {
  points(labels: string): Generator<Point>
}

function createHistogramCell(bounds: readonly number[]): HistogramCell {
  const counts = new Float64Array(bounds.length + 1)
  const sum = new Float64Array(1)
  return {
    observe(value) {
      let at = 0
      while (at < bounds.length && value > (bounds[at] ?? 0)) at += 1
      counts[at] = (counts[at] ?? 0) + 1
      sum[0] = (sum[0] ?? 0) + value
    },
    *points(labels) {
      let count = 0
      for (const [at, bound] of [...bounds, Number.POSITIVE_INFINITY].entries()) {
        count += counts[at] ?? 0
        yield { suffix: '_bucket', labels, le: bound, value: count }
      }
      yield { suffix: '_sum', labels, value: sum[0] ?? 0 }
      yield { suffix: '_count', labels, value: count }
    },
  }
}

/** In the order of the table. `isOver` replaces open labels by `other`. */
function labelsOf({ labels: rows = {} }: MetricRow, labels: LooseLabels, isOver = false): string {
  return labelText(
    Object.entries(rows).map(([name, row]) => {
      const value = labels[name] ?? ''
      if ('text' in row) return [name, isOver ? OTHER : value]
      return [name, row.values.includes(value) ? value : OTHER]
    }),
  )
}

/** All combinations of closed lists; empty if a label is open or there are too many. */
function combinationsOf({ labels = {} }: MetricRow): readonly LooseLabels[] {
  let combinations: readonly LooseLabels[] = [{}]
  for (const [name, row] of Object.entries(labels)) {
    if ('text' in row) return []
    combinations = combinations.flatMap((one) =>
      row.values.map((value) => ({ ...one, [name]: value })),
    )
  }
  return combinations.length <= FROM_THE_START ? combinations : []
}
