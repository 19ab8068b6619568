/** The files that are generated and committed: what each must contain. */

import { readFileSync } from 'node:fs'
import { publishedFiles, withSection } from '../../bench/publish.ts'
import { readTriedClients } from '../../compat/clients.ts'
import { readServerResults, serverTable } from '../../compat/servers.ts'
import { renderOpenapi } from '../../src/http/openapi/openapi.ts'
import { renderProblemTable } from '../../src/http/problems/problem-pages.ts'
import { renderAccessTable } from '../../tools/access-table.ts'
import { renderActionTable, renderShareTable } from '../../tools/audit-docs.ts'
import { renderClientErrors, renderClients } from '../../tools/client-docs.ts'
import { renderClientTypes } from '../../tools/client-types.ts'
import { renderCommandDocs, renderManPage } from '../../tools/command-docs.ts'
import { renderConfigurationDocs } from '../../tools/configuration-docs.ts'
import { renderDashboard } from '../../tools/dashboard.ts'
import { renderMetricDocs } from '../../tools/metric-docs.ts'
import { overviewFiles } from '../../tools/overview.ts'
import { renderCauses } from '../../tools/redis-docs.ts'
import { renderRestRefusals } from '../../tools/refusal-docs.ts'
import type { ClientRow } from '../clients/client-row.ts'
import { CLIENT_ROWS } from '../clients/table.ts'
import { startBroker } from './broker.ts'
import { renderChartDocs } from './chart-docs.ts'
import { ROOT } from './project-root.ts'

/** By path from the root. */
export async function generatedFiles(): Promise<Readonly<Record<string, string>>> {
  const ends: (() => unknown)[] = []
  const broker = await startBroker({ teardown: (end) => ends.push(end) }, { loginHosts: [] })
  const openapi = renderOpenapi(broker.app.server)
  for (const end of ends) await end()
  return {
    'openapi.yaml': openapi,
    ...renderClientTypes(openapi),
    'docs/command-line.md': withSection(
      'docs/command-line.md',
      readFileSync(`${ROOT}docs/command-line.md`, 'utf8'),
      'commands',
      renderCommandDocs(),
    ),
    'man/valetkey.1': renderManPage(),
    'docs/audit.md': auditDocs(),
    'docs/callers.md': withSection(
      'docs/callers.md',
      readFileSync(`${ROOT}docs/callers.md`, 'utf8'),
      'access',
      renderAccessTable(),
    ),
    ...clientDocs(),
    'docs/configuration.md': renderConfigurationDocs(),
    'docs/metrics.md': renderMetricDocs(),
    'helm/files/dashboard.json': renderDashboard(),
    'helm/README.md': renderChartDocs(),
    'docs/redis.md': withSection(
      'docs/redis.md',
      withSection(
        'docs/redis.md',
        readFileSync(`${ROOT}docs/redis.md`, 'utf8'),
        'causes',
        renderCauses(),
      ),
      'servers',
      serverTable(readServerResults()),
    ),
    'docs/troubleshooting.md': withSection(
      'docs/troubleshooting.md',
      readFileSync(`${ROOT}docs/troubleshooting.md`, 'utf8'),
      'rest-refusals',
      renderRestRefusals(),
    ),
    'docs/errors.md': withSection(
      'docs/errors.md',
      readFileSync(`${ROOT}docs/errors.md`, 'utf8'),
      'problems',
      renderProblemTable(),
    ),
    ...overviewFiles(),
    ...publishedFiles(),
  }
}

function auditDocs(): string {
  const path = 'docs/audit.md'
  const text = readFileSync(`${ROOT}${path}`, 'utf8')
  const withActions = withSection(path, text, 'actions', renderActionTable())
  return withSection(path, withActions, 'shares', renderShareTable())
}

function clientDocs(): Readonly<Record<string, string>> {
  const section = (path: string, name: string, body: string) => ({
    [path]: withSection(path, readFileSync(`${ROOT}${path}`, 'utf8'), name, body),
  })
  const tried = readTriedClients().filter(({ failed }) => failed === 0)
  const on = ({ name, version }: ClientRow) =>
    tried.find((one) => one.client === name && one.version === version)?.on
  return {
    ...section('docs/clients.md', 'clients', renderClients(CLIENT_ROWS, { on })),
    ...section('docs/client-errors.md', 'client-errors', renderClientErrors(CLIENT_ROWS)),
  }
}
