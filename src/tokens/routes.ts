/** `GET` and `DELETE /tokens/{integration}`. */
import { Type } from 'typebox'
import type { AuditLog } from '../audit/log.ts'
import { GUARDED, problems } from '../http/problem.ts'
import type { Server } from '../http/server.ts'
import type { Integration } from '../integrations/integration.ts'
import { visibleIntegration } from '../integrations/visible.ts'
import type { Broker, Served } from './broker.ts'
import type { Lease } from './lease.ts'
import type { Revoker } from './revocation.ts'
import { Token, TokenParams, TokenQuery } from './schemas.ts'

export interface TokenRouteDependencies {
  readonly broker: Broker
  readonly revoker: Revoker
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
  readonly audit: Pick<AuditLog, 'requireWritable' | 'read' | 'change'>
  /** Counts a token that is handed out. */
  readonly onRead: (principalId: string, lease: Lease) => void
  readonly now: () => number
}

export function registerTokenRoutes(server: Server, dependencies: TokenRouteDependencies): void {
  const { broker, revoker, integrations, audit, onRead, now } = dependencies

  server.get(
    '/tokens/:integration',
    {
      schema: {
        tags: ['tokens'],
        operationId: 'getToken',
        summary: 'A Salesforce access token of an integration',
        description: 'Needs `tokens:read`. Served from memory; minted at most once for the fleet.',
        params: TokenParams,
        querystring: TokenQuery,
        response: {
          200: Token,
          ...problems(
            ...GUARDED,
            'integration_not_found',
            'integration_disabled',
            'integration_draft',
            'token_still_live',
            'login_budget_exhausted',
            'conflict',
            'grant_refused',
            'identity_changed',
            'token_response_invalid',
            'salesforce_unavailable',
            'record_corrupt',
            'salesforce_timeout',
          ),
        },
      },
    },
    async (request, reply) => {
      const minTtlMs = (request.query.min_ttl ?? 30) * 1000
      audit.requireWritable()
      const found = broker.lease(request.params.integration, request.principal, {
        minTtlMs,
        ...(request.query.rejected !== undefined && { rejected: request.query.rejected }),
        requestId: request.id,
      })
      const served = found instanceof Promise ? await found : found
      const audited = audit.read(request, served.lease.integration, served.lease.tokenId)
      if (audited) await audited
      onRead(request.principal.id, served.lease)
      reply.header('cache-control', 'no-store').header('cache-status', cacheStatus(served, now()))
      return viewOf(served.lease, now())
    },
  )

  server.delete(
    '/tokens/:integration',
    {
      schema: {
        tags: ['tokens'],
        operationId: 'revokeToken',
        summary: 'Revoke the current access token, at Salesforce and everywhere',
        description:
          'Needs `tokens:revoke`. Salesforce gives every holder of the same app and user the same token, so every integration that holds it loses it.',
        params: TokenParams,
        response: {
          204: Type.Null({ description: 'Revoked' }),
          ...problems(...GUARDED, 'integration_not_found'),
        },
      },
    },
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

/** RFC 9211. */
function cacheStatus({ via, lease, isStoreless }: Served, now: number): string {
  const detail = isStoreless ? '; detail=store-unreachable' : ''
  if (via === 'hit') return `valetkey; hit; ttl=${secondsLeft(lease, now)}${detail}`
  return `valetkey; fwd=miss; ${via === 'miss' ? 'stored' : 'collapsed'}${detail}`
}

const secondsLeft = (lease: Lease, now: number) =>
  Math.max(0, Math.floor((lease.expiresAt - now) / 1000))

const time = (at: number) => new Date(at).toISOString()

function viewOf(lease: Lease, now: number): Token {
  return {
    integration: lease.integration,
    access_token: lease.accessToken.reveal(),
    token_type: 'Bearer',
    instance_url: lease.instanceUrl,
    ...(lease.apiInstanceUrl !== undefined && { api_instance_url: lease.apiInstanceUrl }),
    ...(lease.scope !== undefined && { scope: lease.scope }),
    issued_at: time(lease.issuedAt),
    expires_at: time(lease.expiresAt),
    expires_in: secondsLeft(lease, now),
    expiry_source: lease.expirySource,
    token_id: lease.tokenId,
    ...(lease.orgId !== undefined && { org_id: lease.orgId }),
    ...(lease.userId !== undefined && { user_id: lease.userId }),
    ...(lease.identityUrl !== undefined && { identity_url: lease.identityUrl }),
  }
}
