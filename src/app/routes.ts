/** `POST /store/accept`. */
import { Type } from 'typebox'
import type { AuditLog } from '../audit/log.ts'
import { allowsAll } from '../callers/policy.ts'
import { BrokerError } from '../errors.ts'
import { GUARDED, problems } from '../http/problem.ts'
import type { Server } from '../http/server.ts'
import type { StoreWatch } from '../store/store-watch.ts'

export interface StoreRouteDependencies {
  readonly accept: StoreWatch['accept']
  readonly audit: Pick<AuditLog, 'change'>
}

export function registerStoreRoutes(
  server: Server,
  { accept, audit }: StoreRouteDependencies,
): void {
  server.post(
    '/store/accept',
    {
      schema: {
        tags: ['service'],
        operationId: 'acceptStore',
        summary: 'Accept a store that lost its content, or went back in time',
        description:
          'Needs `service:manage` over all integrations. What is in the store now is right, for every replica within two seconds: what is not there answers 404 again instead of 503 `store_reset`, and the alarm ends. Changes nothing where the store is as it should be.',
        response: { 204: Type.Null({ description: 'Accepted' }), ...problems(...GUARDED) },
      },
    },
    async (request, reply) => {
      if (!allowsAll(request.principal, 'service:manage')) {
        throw new BrokerError('caller_forbidden', 'You lack service:manage over all integrations')
      }
      const was = await accept()
      if (was !== 'sound') {
        await audit.change(request, {
          action: 'store.accepted',
          integration: null,
          detail: { reason: was },
        })
      }
      return reply.code(204).send(null)
    },
  )
}
