/** The alerts, by Prometheus's own tool: their rules, and what they say of figures that are made up. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import type { MetricRow } from '../../src/metrics/registry.ts'
import { METRICS } from '../../src/metrics/table.ts'
import { provideCommand, unlessProvided } from '../support/apt.ts'
import { readDocument } from '../support/document.ts'
import { ROOT } from '../support/project-root.ts'
import { namesIn } from '../support/promql.ts'

interface Rule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

const ALERTS = 'helm/files/alerts.yaml'
const RULE_TESTS = 'test/helm/alert-rules.yaml'
const skip = unlessProvided(provideCommand('prometheus', (line) => t.comment(line)))

const read = (path: string) => parse(readFileSync(join(ROOT, path), 'utf8'))
const rules = (read(ALERTS).groups as { rules: Rule[] }[]).flatMap((group) => group.rules)
const alerts = rules.filter((rule) => rule.alert !== undefined)
const runbooks = readDocument('docs/runbooks.md')

const check = (...args: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: ROOT, encoding: 'utf8' })
  return { status, said: stdout + stderr }
}

t.test('promtool finds nothing wrong', { skip }, async (t) => {
  const { status, said } = check('check', 'rules', '--lint-fatal', ALERTS)
  t.equal(status, 0, said)
})

t.test('they come when they should, with the labels that they should have', { skip }, async (t) => {
  const { status, said } = check('test', 'rules', RULE_TESTS)
  t.equal(status, 0, said)
})

t.test('each is shown both out and quiet', async (t) => {
  const shown = (read(RULE_TESTS).tests as { alert_rule_test: { alertname: string }[] }[]).flatMap(
    (group) => group.alert_rule_test as { alertname: string; exp_alerts: unknown[] }[],
  )
  for (const { alert } of alerts) {
    const counts = shown.filter((one) => one.alertname === alert).map((one) => one.exp_alerts)
    t.ok(
      counts.some((out) => out.length > 0),
      `${alert} is shown out`,
    )
    t.ok(
      counts.some((out) => out.length === 0),
      `${alert} is shown quiet`,
    )
  }
})

t.test('they ask for metrics and values of labels that there are', async (t) => {
  const recorded = new Set(rules.flatMap(({ record }) => record ?? []))
  const fleets = rules.map(({ labels }) => labels?.severity ?? '').filter((one) => one.length > 20)
  t.ok(fleets.length > 5)
  for (const { expr } of rules) {
    for (const { metric, matchers } of namesIn(expr)) {
      const row = (METRICS as Readonly<Record<string, MetricRow>>)[metric]
      t.ok(row ?? metric === 'up', metric)
      for (const { label, operator, value } of matchers) {
        const values = row?.labels?.[label]
        t.ok(values, `${metric} has ${label}`)
        if (operator === '=' && values && 'values' in values) {
          t.ok(values.values.includes(value), `${metric}: ${label} may be ${value}`)
        }
      }
    }
  }
  for (const template of fleets.filter((one) => one.includes('query'))) {
    t.ok([...recorded].some((name) => template.includes(name)))
  }
})

t.test('only production pages, and the integration keeps its labels', async (t) => {
  for (const { alert = '', labels, annotations } of alerts) {
    const severity = labels?.severity ?? ''
    t.match(annotations?.summary, /\$labels\.(integration|job)/, alert)
    if (severity === 'ticket') continue
    t.match(severity, /page.*else.*ticket/, alert)
    t.match(severity, /environment|serves_production/, alert)
  }
  for (const { alert = '', expr } of alerts) {
    for (const aggregated of expr.matchAll(/without \(([^)]*)\)/g)) {
      t.notMatch(aggregated[1], /environment|owner|integration|job/, alert)
    }
    t.notMatch(expr, /\bby \(/, `${alert} drops no label that it does not name`)
  }
})

t.test('each has its section in the runbooks, with commands', async (t) => {
  for (const { alert = '', annotations } of alerts) {
    t.equal(annotations?.runbook_url, `docs/runbooks.md#${alert.toLowerCase()}`)
    t.ok(runbooks.blocks('sh', `## ${alert}`).length > 0, alert)
  }
  const sections = [...runbooks.text.matchAll(/^## (Valetkey\w+)$/gm)].map(([, name]) => name)
  t.strictSame(
    sections,
    alerts.map(({ alert }) => alert),
    'in the order of the alerts',
  )
})
