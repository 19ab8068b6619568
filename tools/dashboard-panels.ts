/** The parts of a panel of the dashboard, and queries that several of them have. */

interface Query {
  readonly expr: string
  /** `{{label}}` stands for the value of the label. */
  readonly legend: string
}

export interface Panel {
  readonly title: string
  readonly type: 'stat' | 'timeseries' | 'table'
  /** Name of the unit in Grafana. */
  readonly unit: string
  readonly queries: readonly Query[]
  /** Width in columns, of 24. */
  readonly width: number
  /** Limits of green, yellow and red. If they fall, higher values are better. */
  readonly steps?: readonly [yellow: number, red: number]
  readonly stacked?: boolean
  /** What it shows, and what is wrong where it shows something odd. */
  readonly description: string
  /** A section of `docs/runbooks.md`. */
  readonly runbook: string
}

export interface DashboardRow {
  readonly title: string
  readonly height: number
  readonly panels: readonly Panel[]
}

export const FLEET = 'job=~"$job"'

export const rateOf = (metric: string, by: string, matchers = FLEET) =>
  `sum by (${by}) (rate(${metric}{${matchers}}[$__rate_interval]))`

export const quantile = (share: number, metric: string, by?: string) =>
  `histogram_quantile(${share}, sum by (${by ? `le, ${by}` : 'le'}) (rate(${metric}_bucket{${FLEET}}[$__rate_interval])))`

/** The median and the 99th percentile, for each value of a label if there is one. */
export const latencies = (metric: string, by?: string): readonly Query[] =>
  [50, 99].map((share) => ({
    expr: quantile(share / 100, metric, by),
    legend: `p${share}${by ? ` {{${by}}}` : ''}`,
  }))

export const one = (expr: string, legend = ''): readonly Query[] => [{ expr, legend }]

type Words = 'description' | 'runbook'

export function stat(title: string, unit: string, expr: string): Omit<Panel, Words> {
  return { title, type: 'stat', unit, width: 4, queries: one(expr) }
}

export function graph(title: string, unit: string, width: number): Omit<Panel, 'queries' | Words> {
  return { title, type: 'timeseries', unit, width }
}

export function table(title: string, unit: string, width: number): Omit<Panel, 'queries' | Words> {
  return { title, type: 'table', unit, width }
}
