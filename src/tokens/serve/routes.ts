/** `GET` and `DELETE /tokens/{integration}`. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { AuditLog } from '../../audit/log.ts'
import type { Gate } from '../../callers/index.ts'
import type { Principal } from '../../callers/policy.ts'
import { isBound, tokenBound } from '../../dpop/binding.ts'
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

interface HandOutDependencies {
  readonly broker: Broker
  readonly audit: Pick<AuditLog, 'requireWritable' | 'read'>
  /** Counts each token that is handed out. */
  readonly onRead: (principalId: string, lease: Lease, at: number, request: Asked) => void
  /** Authenticates again a caller that waited for a mint. */
  readonly identify: Gate['identify']
  readonly now: () => number
}

type Asked = Pick<FastifyRequest, 'id' | 'ip' | 'raw' | 'principal'>

/** Writes a token into the headers of an answer. Returns the body. Undefined: no body. A writer that waited for a signer calls `still` before it writes, which throws if the caller may not have the token any more. */
type Writer = (
  reply: FastifyReply,
  served: Served,
  at: number,
  still: () => Promise<void>,
) => string | undefined | Promise<string | undefined>

/** Called before the audit. Throws if the door does not hand out this token. */
type Admit = (served: Served) => void

interface Wanted {
  readonly integration: string
  readonly minTtlMs?: number
  readonly rejected?: string
  /** Whether the rejected token, which this lease is of, is dead. It is replaced only then. Default: it is. */
  readonly isDead?: (lease: Lease) => Promise<boolean>
}

export type HandOut = ReturnType<typeof createHandOut>

/** Hands out a token over HTTP: audited, counted, and for a caller that may have it when it is there. */
export function createHandOut(dependencies: HandOutDependencies) {
  const { broker, audit, onRead, identify, now } = dependencies
  const replyBatcher = createReplyBatcher()

  const answer = (
    served: Served,
    request: FastifyRequest,
    reply: FastifyReply,
    write: Writer,
    admit: Admit,
  ) => {
    const { lease } = served
    admit(served)
    const body = () => {
      const at = now()
      onRead(request.principal.id, lease, at, request)
      reply.header('cache-control', 'no-store')
      return write(reply, served, at, async () =>
        broker.requireStill(lease.integration, await identify(request)),
      )
    }
    const audited = audit.read(request, lease.integration, lease.tokenId)
    return audited ? audited.then(body) : body()
  }

  const unlessLive = async (
    name: string,
    principal: Principal,
    { rejected, requestId }: { readonly rejected?: string; readonly requestId: string },
    isDead: NonNullable<Wanted['isDead']>,
  ): Promise<Served> => {
    const served = await broker.lease(name, principal, { requestId })
    const { lease } = served
    const isOver = rejected !== undefined && lease.tokenId === rejected && (await isDead(lease))
    return isOver ? broker.lease(name, principal, { requestId, rejected }) : served
  }

  /** Throws and rejects as `broker.lease` does, and with `token_bound`. */
  return (
    request: FastifyRequest,
    reply: FastifyReply,
    { integration, isDead, ...wanted }: Wanted,
    write: Writer,
    admit: Admit = refuseBound,
  ): void | Promise<void> => {
    audit.requireWritable()
    const { principal, id: requestId } = request
    const asked = { ...wanted, requestId }
    const found = isDead
      ? unlessLive(integration, principal, asked, isDead)
      : broker.lease(integration, principal, asked)
    // Not async: promises would cost a tenth of the time of a hit.
    const body =
      found instanceof Promise
        ? found.then(async (served) => {
            broker.requireStill(integration, await identify(request))
            return answer(served, request, reply, write, admit)
          })
        : answer(found, request, reply, write, admit)
    return body instanceof Promise
      ? body.then((ready) => void reply.send(ready))
      : replyBatcher.send(reply, body)
  }
}

interface TokenRouteDependencies {
  readonly handOut: HandOut
  readonly revoker: Revoker
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
  readonly audit: Pick<AuditLog, 'change'>
}

/** Clients of most doors would send it as a bearer token. */
const refuseBound: Admit = ({ lease }) => {
  if (isBound(lease)) throw tokenBound(lease.integration)
}

const JSON_TYPE = 'application/json; charset=utf-8'

const writeToken: Writer = (reply, served, at) => {
  reply.header('content-type', JSON_TYPE).header('cache-status', cacheStatus(served, at))
  return tokenText(served.lease, at)
}

export function registerTokenRoutes(server: Server, dependencies: TokenRouteDependencies): void {
  const { handOut, revoker, integrations, audit } = dependencies

  server.get(
    '/tokens/:integration',
    operation('getToken', 'tokens', {
      summary: 'A Salesforce access token of an integration',
      description: 'Needs `tokens:read`. Served from memory; minted at most once for the fleet.',
      params: TokenParams,
      querystring: TokenQuery,
      response: {
        200: Token,
        ...problems(...MINT_PROBLEMS, 'token_still_live', 'token_bound', 'request_not_allowed'),
      },
    }),
    (request, reply) => {
      const { min_ttl, rejected } = request.query
      const wanted = {
        integration: request.params.integration,
        ...(min_ttl !== undefined && { minTtlMs: min_ttl * 1000 }),
        ...(rejected !== undefined && { rejected }),
      }
      return handOut(request, reply, wanted, writeToken)
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

/** Value of the `Cache-Status` header (RFC 9211). */
function cacheStatus({ via, lease, isDegraded }: Served, now: number): string {
  const detail = isDegraded ? '; detail=store-unreachable' : ''
  if (via === 'hit') return `valetkey; hit; ttl=${secondsLeft(lease, now)}${detail}`
  return `valetkey; fwd=miss; ${via === 'miss' ? 'stored' : 'collapsed'}${detail}`
}
