/** The dashboard against the table of metrics, without a Prometheus; test/helm/prometheus.test.ts has one. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checkCertificate } from '../../src/doctor/credential-checks.ts'
import type { MetricRow } from '../../src/metrics/registry.ts'
import { METRICS } from '../../src/metrics/table.ts'
import { readDocument } from '../support/document.ts'
import { ROOT } from '../support/project-root.ts'
import { namesIn } from '../support/promql.ts'

interface Place {
  readonly x: number
  readonly y: number
  readonly w: number
  readonly h: number
}

interface DashboardPanel {
  readonly id: number
  readonly title: string
  readonly gridPos: Place
  readonly type: string
  readonly description?: string
  readonly links?: readonly { readonly url: string }[]
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit: string
      readonly thresholds: { readonly steps: readonly { color: string; value: number | null }[] }
    }
  }
  readonly targets?: readonly { readonly expr: string; readonly legendFormat?: string }[]
}

const dashboard = JSON.parse(readFileSync(join(ROOT, 'helm/files/dashboard.json'), 'utf8'))
const panels = dashboard.panels as readonly DashboardPanel[]
const targets = panels.flatMap(({ title, targets = [] }) =>
  targets.map((target) => ({ title, ...target })),
)
const TABLE: Readonly<Record<string, MetricRow>> = METRICS

/** What Prometheus adds. */
const ADDED = ['job', 'instance', 'le']
const labelsOf = (metric: string) => [...Object.keys(TABLE[metric]?.labels ?? {}), ...ADDED]

t.test('its queries ask for metrics and labels that there are', async (t) => {
  t.ok(targets.length > 30)
  for (const { title, expr } of targets) {
    const selectors = namesIn(expr)
    for (const { metric, matchers } of selectors) {
      t.ok(TABLE[metric], `${title}: ${metric}`)
      const known = labelsOf(metric)
      for (const { label, operator, value } of matchers) {
        t.ok(known.includes(label), `${title}: ${metric} has ${label}`)
        const row = TABLE[metric]?.labels?.[label]
        const isClosed = operator === '=' && row && 'values' in row
        if (isClosed) t.ok(row.values.includes(value), `${title}: ${label} may be ${value}`)
      }
      t.ok(
        matchers.some(({ label, value }) => label === 'job' && value === '$job'),
        `${title} is of the chosen fleet`,
      )
    }
    const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) =>
      list.split(/, */),
    )
    const known = selectors.flatMap(({ metric }) => labelsOf(metric))
    for (const label of grouped) t.ok(known.includes(label), `${title}: by ${label}`)
  }
})

t.test('its legends name labels that the query keeps', async (t) => {
  for (const { title, expr, legendFormat = '' } of targets) {
    const kept = /\bby \(([^)]*)\)/.exec(expr)?.[1]?.split(/, */)
    for (const [, label = ''] of legendFormat.matchAll(/{{(\w+)}}/g)) {
      t.ok(kept ? kept.includes(label) : label === 'instance', `${title}: ${label}`)
    }
  }
})

t.test('it shows what an operator asks for', async (t) => {
  const shown = new Set(targets.flatMap(({ expr }) => namesIn(expr).map(({ metric }) => metric)))
  for (const metric of [
    'valetkey_token_reads_total',
    'valetkey_token_read_duration_seconds',
    'valetkey_http_requests_total',
    'valetkey_mints_total',
    'valetkey_refusals_total',
    'valetkey_leases',
    'valetkey_lease_expires_in_seconds',
    'valetkey_certificate_expires_in_seconds',
    'valetkey_store_errors_total',
    'valetkey_readiness_check_ok',
    'valetkey_logins_last_hour',
    'valetkey_unusual_total',
  ]) {
    t.ok(shown.has(metric), metric)
  }
})

t.test('its panels have their own places and ids', async (t) => {
  const ids = panels.map(({ id }) => id)
  t.equal(new Set(ids).size, ids.length)
  const isOver = (a: Place, b: Place) =>
    a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
  for (const [at, one] of panels.entries()) {
    t.ok(one.gridPos.x + one.gridPos.w <= 24, one.title)
    for (const other of panels.slice(at + 1)) {
      t.notOk(isOver(one.gridPos, other.gridPos), `${one.title} and ${other.title}`)
    }
  }
})

t.test('each panel says what it shows, and has a section of the runbooks', async (t) => {
  const { text } = readDocument('docs/runbooks.md')
  const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading.toLowerCase().replaceAll(' ', '-'),
  )
  const charts = panels.filter(({ type }) => type !== 'row')
  t.equal(new Set(charts.map(({ description }) => description)).size, charts.length, 'its own')
  for (const { title, description = '', links = [] } of charts) {
    t.match(description, /^.{20,200}\.$/, title)
    const [file, anchor = ''] = links[0]?.url.split('#') ?? []
    t.equal(file, 'docs/runbooks.md', title)
    t.ok(anchors.includes(anchor), `${title}: ${anchor}`)
  }
})

t.test('certificates have the colours that the doctor gives them', async (t) => {
  const now = Date.parse('2026-01-31T00:00:00Z')
  const colours = { failed: 'red', warning: 'yellow', passed: 'green', skipped: '' }
  const shown = panels.filter(({ fieldConfig }) => fieldConfig?.defaults.unit === 'd')
  t.equal(shown.length, 2)
  for (const { title, fieldConfig } of shown) {
    const { steps = [] } = fieldConfig?.defaults.thresholds ?? {}
    for (const days of [1, 14, 14.9, 15, 60.9, 61, 300]) {
      const notAfter = now + days * 86_400_000
      // It reads no other member.
      const { outcome = 'skipped' } =
        checkCertificate({ certificate: { notAfter } } as never, now) ?? {}
      const step = steps.findLast(({ value }) => value === null || days >= value)
      t.equal(step?.color, colours[outcome], `${title}: ${days} days`)
    }
  }
})

t.test('the table of refusals has their reasons', async (t) => {
  const { expr = '' } = targets.find(({ title }) => title === 'Refused or not connected now') ?? {}
  t.match(expr, /by \(integration, environment, owner, reason\)/)
})
