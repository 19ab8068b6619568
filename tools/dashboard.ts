/** Generates `helm/files/dashboard.json` from the rows of panels. */
import type { Panel } from './dashboard-panels.ts'
import { ROWS } from './dashboard-rows.ts'

const COLUMNS = 24
const DATASOURCE = { type: 'prometheus', uid: '$datasource' }

export function renderDashboard(): string {
  let id = 0
  let y = 0
  const panels = ROWS.flatMap((row) => {
    id += 1
    const head = { id, type: 'row', title: row.title, collapsed: false, panels: [] }
    const placed: object[] = [{ ...head, gridPos: { x: 0, y, w: COLUMNS, h: 1 } }]
    y += 1
    let x = 0
    for (const panel of row.panels) {
      if (x + panel.width > COLUMNS) {
        x = 0
        y += row.height
      }
      id += 1
      placed.push({ id, ...panelOf(panel), gridPos: { x, y, w: panel.width, h: row.height } })
      x += panel.width
    }
    y += row.height
    return placed
  })
  const dashboard = {
    uid: 'valetkey',
    title: 'Valetkey',
    description: 'Generated from tools/dashboard-rows.ts by `npm run generate`.',
    tags: ['valetkey'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    templating: { list: VARIABLES },
    panels,
  }
  return `${JSON.stringify(dashboard, null, 2)}\n`
}

const chooser = (name: string, query: string) => ({
  name,
  type: 'query',
  datasource: DATASOURCE,
  query: { query, refId: name },
  definition: query,
  refresh: 2,
  multi: true,
  includeAll: true,
  allValue: '.*',
  current: { selected: true, text: ['All'], value: ['$__all'] },
})

const VARIABLES = [
  { name: 'datasource', type: 'datasource', query: 'prometheus', current: {} },
  chooser('job', 'label_values(valetkey_ready, job)'),
  chooser('environment', 'label_values(valetkey_logins_per_hour_limit{job=~"$job"}, environment)'),
]

/** Where the runbooks are. The chart replaces it by the place where they are published. */
const RUNBOOKS = 'docs/runbooks.md'

/** As the headings of a document are linked to. */
const anchorOf = (heading: string): string => heading.toLowerCase().replaceAll(' ', '-')

function panelOf({ title, type, unit, queries, steps, stacked, description, runbook }: Panel) {
  const isTable = type === 'table'
  return {
    title,
    type,
    description,
    links: [
      {
        title: `Runbook: ${runbook}`,
        url: `${RUNBOOKS}#${anchorOf(runbook)}`,
        targetBlank: true,
      },
    ],
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: {
        unit,
        ...(steps && { color: { mode: 'thresholds' } }),
        thresholds: { mode: 'absolute', steps: steps ? stepsOf(steps) : [GREEN] },
        ...(type === 'timeseries' && {
          custom: { fillOpacity: 10, stacking: { mode: stacked ? 'normal' : 'none' } },
        }),
      },
      overrides: [],
    },
    options: optionsOf(type),
    ...(isTable && {
      transformations: [{ id: 'organize', options: { excludeByName: { Time: true } } }],
    }),
    targets: queries.map(({ expr, legend }, at) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + at),
      datasource: DATASOURCE,
      expr,
      ...(legend !== '' && { legendFormat: legend }),
      ...(type !== 'timeseries' && { instant: true }),
      ...(isTable && { format: 'table' }),
    })),
  }
}

const GREEN = { color: 'green', value: null }

/** Falling limits are lower bounds: a value below the second is red. */
function stepsOf([yellow, red]: readonly [number, number]) {
  if (yellow > red) {
    return [
      { color: 'red', value: null },
      { color: 'yellow', value: red },
      { color: 'green', value: yellow },
    ]
  }
  if (yellow === red) return [GREEN, { color: 'red', value: red }]
  return [GREEN, { color: 'yellow', value: yellow }, { color: 'red', value: red }]
}

function optionsOf(type: Panel['type']): object {
  if (type === 'stat') {
    return { reduceOptions: { calcs: ['lastNotNull'], values: false }, colorMode: 'value' }
  }
  if (type === 'table') return { showHeader: true }
  return { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } }
}
