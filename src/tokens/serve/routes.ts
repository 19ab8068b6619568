/** `GET` and `DELETE /tokens/{integration}`. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { AuditLog } from '../../audit/log.ts'
import type { Gate } from '../../callers/index.ts'
import { operation } from '../../http/openapi/operation.ts'
import { problems } from '../../http/problems/problem.ts'
import { createReplyBatcher } from '../../http/server/reply-batcher.ts'
import type { Server } from '../../http/server/server.ts'
import type { Integration } from '../../integrations/integration.ts'
import { visibleIntegration } from '../../integrations/references/visible.ts'
import { MINT_PROBLEMS } from '../mint/mint-problems.ts'
import type { Revoker } from '../revoke/revocation.ts'
import type { Broker, Served } from './broker.ts'
import type { Lease } from './lease.ts'
import { Token, TokenParams, TokenQuery } from './schemas.ts'
import { secondsLeft, tokenText } from './token-view.ts'

interface TokenRouteDependencies {
  readonly broker: Broker
  readonly revoker: Revoker
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
  readonly audit: Pick<AuditLog, 'requireWritable' | 'read' | 'change'>
  /** Counts each token that is handed out. */
  readonly onRead: (principalId: string, lease: Lease, at: number) => void
  readonly identify: Gate['identify']
  readonly now: () => number
}

const JSON_TYPE = 'application/json; charset=utf-8'

export function registerTokenRoutes(server: Server, dependencies: TokenRouteDependencies): void {
  const { broker, revoker, integrations, audit, onRead, identify, now } = dependencies
  const replyBatcher = createReplyBatcher()

  const answer = (
    served: Served,
    request: Pick<FastifyRequest, 'id' | 'principal'>,
    reply: FastifyReply,
  ): string | Promise<string> => {
    const { lease } = served
    const text = () => {
      const at = now()
      onRead(request.principal.id, lease, at)
      reply
        .header('content-type', JSON_TYPE)
        .header('cache-control', 'no-store')
        .header('cache-status', cacheStatus(served, at))
      return tokenText(lease, at)
    }
    const audited = audit.read(request, lease.integration, lease.tokenId)
    return audited ? audited.then(text) : text()
  }

  server.get(
    '/tokens/:integration',
    operation('getToken', 'tokens', {
      summary: 'A Salesforce access token of an integration',
      description: 'Needs `tokens:read`. Served from memory; minted at most once for the fleet.',
      params: TokenParams,
      querystring: TokenQuery,
      response: {
        200: Token,
        ...problems(...MINT_PROBLEMS, 'token_still_live'),
      },
    }),
    (request, reply) => {
      const { min_ttl, rejected } = request.query
      audit.requireWritable()
      const found = broker.lease(request.params.integration, request.principal, {
        ...(min_ttl !== undefined && { minTtlMs: min_ttl * 1000 }),
        ...(rejected !== undefined && { rejected }),
        requestId: request.id,
      })
      // Not async: promises would cost a tenth of the time of a hit.
      const text =
        found instanceof Promise
          ? found.then(async (served) => {
              broker.requireStill(request.params.integration, await identify(request))
              return answer(served, request, reply)
            })
          : answer(found, request, reply)
      return text instanceof Promise
        ? text.then((ready) => sendText(reply, ready))
        : replyBatcher.send(reply, text)
    },
  )

  server.delete(
    '/tokens/:integration',
    operation('revokeToken', 'tokens', {
      summary: 'Revoke the current access token, at Salesforce and everywhere',
      description:
        'Needs `tokens:revoke`. Salesforce gives every holder of the same app and user the same token, so every integration that holds it loses it.',
      params: TokenParams,
      response: {
        204: Type.Null({ description: 'Revoked' }),
        ...problems('integration_not_found'),
      },
    }),
    async (request, reply) => {
      const name = request.params.integration
      const integration = await visibleIntegration(name, {
        integrations,
        principal: request.principal,
        permission: 'tokens:revoke',
      })
      const revoked = await revoker.revoke(integration)
      const nothing = [{ action: 'token.revoked', integration: name }] as const
      await audit.change(request, ...(revoked.length > 0 ? revoked : nothing))
      return reply.code(204).send(null)
    },
  )
}

function sendText(reply: FastifyReply, text: string): void {
  reply.send(text)
}

/** Value of the `Cache-Status` header (RFC 9211). */
function cacheStatus({ via, lease, isDegraded }: Served, now: number): string {
  const detail = isDegraded ? '; detail=store-unreachable' : ''
  if (via === 'hit') return `valetkey; hit; ttl=${secondsLeft(lease, now)}${detail}`
  return `valetkey; fwd=miss; ${via === 'miss' ? 'stored' : 'collapsed'}${detail}`
}
