/** `POST /integrations/{name}/test`. */
import type { AuditLog } from '../audit/log.ts'
import { operation } from '../http/openapi/operation.ts'
import { NoMembers } from '../http/openapi/representations.ts'
import { problems } from '../http/problems/problem.ts'
import type { Server } from '../http/server/server.ts'
import type { Integration } from '../integrations/integration.ts'
import { isSourceShown, visibleIntegration } from '../integrations/references/visible.ts'
import { NameParams } from '../integrations/schemas/schemas.ts'
import { isOk } from './check.ts'
import type { Report } from './doctor.ts'
import type { DoctorService } from './doctor-service.ts'
import { ReportView, reportView } from './schemas.ts'

interface DoctorRouteDependencies {
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
  readonly doctor: DoctorService
  readonly audit: Pick<AuditLog, 'change'>
}

export function registerDoctorRoutes(
  server: Server,
  { integrations, doctor, audit }: DoctorRouteDependencies,
): void {
  server.post(
    '/integrations/:name/test',
    operation('testIntegration', 'integrations', {
      summary: 'Finds out why an integration gets no token, or a token with defects',
      description:
        'Needs `integrations:test`. Makes a real mint and checks its environment: at most 5 logins, which count like any other, and 20 seconds. Clears a cached refusal; a new token may become the lease.',
      params: NameParams,
      body: NoMembers,
      response: {
        200: ReportView,
        ...problems('integration_not_found', 'record_corrupt'),
      },
    }),
    async (request) => {
      const { principal } = request
      const { name } = request.params
      await visibleIntegration(name, { integrations, principal, permission: 'integrations:test' })
      const report = await doctor.test(name, { principal: principal.id, requestId: request.id })
      await audit.change(request, {
        action: 'integration.tested',
        integration: name,
        ...outcomeOf(report),
      })
      return reportView(report, (source) => isSourceShown(principal, source))
    },
  )
}

function outcomeOf({ ok, checks }: Report) {
  const first = checks.find((check) => !isOk(check))
  if (ok || !first) return {}
  const { refusal } = first
  return {
    outcome: refusal ? ('refused' as const) : ('failed' as const),
    detail: { reason: refusal?.reason ?? first.check },
  }
}
