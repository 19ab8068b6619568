/** `GET /audit`. */
import { allowsSome } from '../callers/policy.ts'
import { BrokerError } from '../errors/errors.ts'
import { operation } from '../http/openapi/operation.ts'
import type { Server } from '../http/server/server.ts'
import { AuditEventList, AuditQuery } from './schemas.ts'
import type { AuditSearch } from './search.ts'

export function registerAuditRoutes(server: Server, { search }: { search: AuditSearch }): void {
  server.get(
    '/audit',
    operation('listAuditEvents', 'service', {
      summary: 'What was done, newest first',
      description:
        'Needs `audit:read`; limited to some integrations, it shows their events alone. Without token reads, which are in the audit lines. Each share of the events has a length of its own, and denied requests are counted by caller and network, in one line each.',
      querystring: AuditQuery,
      response: { 200: AuditEventList },
    }),
    async (request) => {
      if (!allowsSome(request.principal, 'audit:read')) {
        throw new BrokerError('caller_forbidden', 'You lack audit:read')
      }
      const { items, nextCursor } = await search.page(request.query, request.principal)
      return { items: [...items], next_cursor: nextCursor }
    },
  )
}
