/** `POST /tokens/{integration}/check`. */
import type { AuditLog } from '../../audit/log.ts'
import type { Gate } from '../../callers/index.ts'
import { operation } from '../../http/openapi/operation.ts'
import { problems } from '../../http/problems/problem.ts'
import type { Server } from '../../http/server/server.ts'
import type { Integration } from '../../integrations/integration.ts'
import { visibleIntegration } from '../../integrations/references/visible.ts'
import { MINT_PROBLEMS } from '../mint/mint-problems.ts'
import type { Broker } from '../serve/broker.ts'
import { TokenParams } from '../serve/schemas.ts'
import type { CheckToken } from './token-check.ts'
import { callersSight, Seen, TokenCheckView, tokenCheckView } from './token-check-schemas.ts'

interface TokenCheckRouteDependencies {
  readonly broker: Pick<Broker, 'lease' | 'requireStill'>
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
  readonly check: CheckToken
  readonly identify: Gate['identify']
  readonly audit: Pick<AuditLog, 'change'>
}

export function registerTokenCheckRoutes(
  server: Server,
  { broker, integrations, check, identify, audit }: TokenCheckRouteDependencies,
): void {
  server.post(
    '/tokens/:integration/check',
    operation('checkToken', 'tokens', {
      summary: 'Find out why the token of an integration does not work where it is used',
      description:
        'Needs `tokens:read`. One REST call with the token from here, laid beside what the caller saw: it tells sessions that are locked to an address from a wrong host, a missing scope, an IP policy and a dead token. `valetkey check-token` makes the call at the place of the caller, and asks this. Answers no token.',
      params: TokenParams,
      body: Seen,
      response: {
        200: TokenCheckView,
        ...problems(...MINT_PROBLEMS, 'grant_unfit', 'request_not_allowed'),
      },
    }),
    async (request) => {
      const { integration: name } = request.params
      const { principal, id: requestId } = request
      const permission = 'tokens:read'
      const integration = await visibleIntegration(name, { integrations, principal, permission })
      const { lease } = await broker.lease(name, principal, { minTtlMs: 0, requestId })
      broker.requireStill(name, await identify(request))
      const found = await check(integration, lease, callersSight(request.body))
      await audit.change(request, {
        action: 'token.checked',
        integration: name,
        detail: { reason: found.difference },
      })
      return tokenCheckView(found)
    },
  )
}
