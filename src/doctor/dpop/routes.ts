/** `POST /integrations/{name}/probes/dpop`. */
import type { AuditLog } from '../../audit/log.ts'
import { operation } from '../../http/openapi/operation.ts'
import { NoMembers } from '../../http/openapi/representations.ts'
import { problems } from '../../http/problems/problem.ts'
import type { Server } from '../../http/server/server.ts'
import type { Integration } from '../../integrations/integration.ts'
import { visibleIntegration } from '../../integrations/references/visible.ts'
import { NameParams } from '../../integrations/schemas/schemas.ts'
import { MINT_PROBLEMS } from '../../tokens/mint/mint-problems.ts'
import type { DpopProber } from './prober.ts'
import { DpopReport, dpopReportView } from './schemas.ts'

interface DpopProbeRouteDependencies {
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
  readonly prober: DpopProber
  readonly audit: Pick<AuditLog, 'change'>
}

export function registerDpopProbeRoutes(
  server: Server,
  { integrations, prober, audit }: DpopProbeRouteDependencies,
): void {
  server.post(
    '/integrations/:name/probes/dpop',
    operation('probeDpop', 'integrations', {
      summary: 'Finds out what the org of an integration does with DPoP',
      description:
        'Experimental. Needs `integrations:test`. Makes at most 8 logins, which count like those of the doctor, and some 30 requests that only read, in 26 seconds at most, and ends its own tokens. Salesforce may give it the token that is in use, bound to another key; no token that others have is revoked. For a grant that presents a refresh token, it makes no login, and calls with the token that is there.',
      params: NameParams,
      body: NoMembers,
      response: { 200: DpopReport, ...problems(...MINT_PROBLEMS, 'request_invalid') },
    }),
    async (request) => {
      const { principal } = request
      const { name } = request.params
      await visibleIntegration(name, { integrations, principal, permission: 'integrations:test' })
      const report = await prober.probe(name)
      const detail = { reason: report.posture }
      await audit.change(request, { action: 'integration.probed', integration: name, detail })
      return dpopReportView(report)
    },
  )
}
