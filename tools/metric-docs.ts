/** Generates `docs/metrics.md` from the table of metrics. */
import type { LabelRow, MetricRow } from '../src/metrics/registry.ts'
import { METRICS } from '../src/metrics/table.ts'

const HEAD = `# Metrics

<!-- Generated from src/metrics/table.ts by \`npm run generate\`; a test compares it. -->

Each replica serves its own metrics at \`/metrics\` in the text format of Prometheus, on the port
\`VALETKEY_METRICS_PORT\` (9464) of \`VALETKEY_HOST\`. The port uses plain HTTP and does not
authenticate: let only Prometheus reach it. \`0\` turns it off.

Names and labels are stable. The [changelog](../CHANGELOG.md) announces each one that is removed or
changes its meaning. No label holds a value that a caller can choose: it is one of a closed list, or
a name that an operator chose. \`environment\` and \`owner\` are the labels of the integration, so that
alerts can distinguish production. A closed list also has \`other\`, for values of a later release.

Figures by integration that come from the store are as old as the scrape before, and at least 10
seconds; \`valetkey_integrations_sample_age_seconds\` shows their age. A metric shows at most the
number of series in its row, the most urgent first. \`valetkey_metric_series_left_out\` counts the rest.

| metric | type | labels | meaning |
|---|---|---|---|
`

const TAIL = `
\`process_*\` and \`nodejs_*\` have the names that Node services use: processor time, memory, open
files, garbage collection, and \`nodejs_eventloop_lag_seconds\` and its percentiles.

## Values

`

/** Longer lists are below the table. */
const IN_THE_TABLE = 3

export function renderMetricDocs(): string {
  const rows = Object.entries<MetricRow>(METRICS)
  const table = rows.map(([name, row]) => {
    const labels = Object.entries(row.labels ?? {}).map(([label, of]) => inTable(label, of))
    const bound = row.atMost === undefined ? '' : ` At most ${row.atMost} series.`
    return `| \`${name}\` | ${row.type} | ${labels.join(', ')} | ${row.help}${bound} |\n`
  })
  return `${HEAD}${table.join('')}${TAIL}${valueLists(rows).join('')}`
}

function inTable(label: string, row: LabelRow): string {
  if ('text' in row) return `\`${label}\``
  const { values } = row
  if (values.length > IN_THE_TABLE) return `\`${label}\``
  return `\`${label}\` (${values.map((value) => `\`${value}\``).join(', ')})`
}

/** A list that several metrics share is there once. */
function valueLists(rows: readonly (readonly [string, MetricRow])[]): readonly string[] {
  const metricsOf = new Map<string, string[]>()
  for (const [metric, { labels = {} }] of rows) {
    for (const [label, row] of Object.entries(labels)) {
      if ('values' in row && row.values.length <= IN_THE_TABLE) continue
      const said = 'text' in row ? lower(row.text) : row.values.map(code).join(', ')
      const key = `- ${code(label)} of METRICS: ${said}.\n`
      metricsOf.set(key, [...(metricsOf.get(key) ?? []), code(metric)])
    }
  }
  return [...metricsOf].map(([text, metrics]) => text.replace('METRICS', metrics.join(', ')))
}

const code = (text: string) => `\`${text}\``

const lower = (text: string) => `${text.charAt(0).toLowerCase()}${text.slice(1)}`
