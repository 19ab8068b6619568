/** The files that are generated and committed: what each must contain. */
import { readFileSync } from 'node:fs'
import { renderMetricDocs } from '../../src/app/metric-docs.ts'
import { renderConfigurationDocs } from '../../src/config.ts'
import { renderOpenapi } from '../../src/http/openapi.ts'
import { renderProblemTable } from '../../src/http/problem-pages.ts'
import { startBroker } from './broker.ts'
import { renderChartDocs } from './chart-docs.ts'

export const ROOT = new URL('../../', import.meta.url).pathname

/** By path from the root. */
export async function generatedFiles(): Promise<Readonly<Record<string, string>>> {
  const ends: (() => unknown)[] = []
  const broker = await startBroker({ teardown: (end) => ends.push(end) }, { loginHosts: [] })
  const openapi = renderOpenapi(broker.app.server)
  for (const end of ends) await end()
  return {
    'openapi.yaml': openapi,
    'docs/configuration.md': renderConfigurationDocs(),
    'docs/metrics.md': renderMetricDocs(),
    'helm/README.md': renderChartDocs(),
    'README.md': withTable('README.md', 'problems', renderProblemTable()),
  }
}

/** A generated part of a file that is written by hand stands between two comments. */
function withTable(path: string, name: string, table: string): string {
  const text = readFileSync(`${ROOT}${path}`, 'utf8')
  const begin = `<!-- ${name}: generated -->`
  const end = `<!-- /${name} -->`
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from === -1 || to < from) throw new Error(`${path} has no place for the table ${name}`)
  return `${text.slice(0, from + begin.length)}\n\n${table}\n\n${text.slice(to)}`
}
