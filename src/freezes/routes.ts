/** `/freezes`: what an operator does first on the day of an incident. */
import { Type } from 'typebox'
import type { AuditLog } from '../audit/log.ts'
import { allowsAll, type Principal } from '../callers/policy.ts'
import { BrokerError } from '../errors/errors.ts'
import { operation } from '../http/openapi/operation.ts'
import { problems } from '../http/problems/problem.ts'
import type { Server } from '../http/server/server.ts'
import type { Integration } from '../integrations/integration.ts'
import { unlessUnusable } from '../store/integrity/record-schema.ts'
import { managesFreezes, mayFreeze, mayLift, mightFreeze } from './access.ts'
import type { Freeze } from './freeze.ts'
import type { Freezing } from './freezing.ts'
import {
  FreezeBody,
  FreezeList,
  FreezeParams,
  FreezeView,
  freezeViewOf,
  selectorOf,
} from './schemas.ts'

interface FreezeRouteDependencies {
  readonly freezing: Freezing
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
  readonly audit: Pick<AuditLog, 'change'>
}

const NEEDS =
  'Needs `service:manage` over all integrations, or `tokens:revoke` over all that it selects'

export function registerFreezeRoutes(
  server: Server,
  { freezing, integrations, audit }: FreezeRouteDependencies,
): void {
  const read = async (name: string) => unlessUnusable(integrations.read(name))
  const isShown = (principal: Principal, { selector }: Freeze) =>
    mayFreeze(principal, selector, read)

  server.post(
    '/freezes',
    operation('createFreeze', 'service', {
      summary: 'Freeze integrations: they give no tokens, and their tokens are revoked',
      description: `${NEEDS}. With the answer, this replica gives no token of what is selected, at any door; every replica that hears the store does so within a second (\`integration_frozen\`). Nothing is minted, refreshed or deployed for it, and a mint that is under way is revoked instead of stored. Then every live token is revoked at Salesforce, in the background; \`GET /freezes/{id}\` shows how far that is. Other integrations lose a token that they share. It also selects integrations that are created or changed later. Several freezes of one integration must all be lifted.`,
      body: FreezeBody,
      response: { 201: FreezeView, ...problems('conflict') },
    }),
    async (request, reply) => {
      const { principal, body } = request
      const { revoke = true, revoke_refresh_tokens: revokeRefreshTokens = false, reason } = body
      const selector = selectorOf(body.selector)
      if (!(await mayFreeze(principal, selector, read))) throw lacks()
      if (Object.keys(body.selector).length === 1 && body.selector.all === false) {
        throw new BrokerError('request_invalid', 'body/selector selects nothing')
      }
      if (revokeRefreshTokens && !revoke) {
        throw new BrokerError(
          'request_invalid',
          'body/revoke_refresh_tokens needs body/revoke: a refresh token ends with its access tokens',
        )
      }
      const by = principal.id
      const report = await freezing.order({ selector, reason, by, revoke, revokeRefreshTokens })
      const { id } = report.freeze
      await audit.change(request, {
        action: 'freeze.created',
        integration: null,
        detail: { freeze: id },
      })
      return reply.code(201).header('location', `/freezes/${id}`).send(freezeViewOf(report))
    },
  )

  server.get(
    '/freezes',
    operation('listFreezes', 'service', {
      summary: 'The freezes in force',
      description: `${NEEDS}; other freezes are left out. The oldest is first.`,
      response: { 200: FreezeList },
    }),
    async (request, reply) => {
      const { principal } = request
      if (!mightFreeze(principal)) throw lacks()
      const reports = await freezing.list((freeze) => isShown(principal, freeze))
      reply.header('cache-control', 'no-store')
      return { items: reports.map(freezeViewOf), next_cursor: null }
    },
  )

  server.get(
    '/freezes/:id',
    operation('getFreeze', 'service', {
      summary: 'How far a freeze was carried out',
      description: `${NEEDS}. A lifted freeze can be read for 30 days.`,
      params: FreezeParams,
      response: { 200: FreezeView, ...problems('freeze_not_found') },
    }),
    async (request, reply) => {
      const { principal, params } = request
      const report = mightFreeze(principal) ? await freezing.read(params.id) : undefined
      if (!report) throw missing(principal)
      if (!(await isShown(principal, report.freeze))) throw lacks()
      reply.header('cache-control', 'no-store')
      return freezeViewOf(report)
    },
  )

  server.delete(
    '/freezes/:id',
    operation('liftFreeze', 'service', {
      summary: 'Lift a freeze: its integrations give tokens again',
      description:
        'Needs `service:manage` over all integrations; what the caller froze itself, it may also lift with `tokens:revoke` over all that it selects. An integration gives tokens again when all freezes that select it are lifted. Tokens that Salesforce has not ended yet are still revoked.',
      params: FreezeParams,
      response: {
        204: Type.Null({ description: 'The freeze is not in force' }),
        ...problems('freeze_not_found', 'conflict'),
      },
    }),
    async (request, reply) => {
      const { principal, params } = request
      if (!mightFreeze(principal)) throw lacks()
      const lifted = await freezing.lift(params.id, principal.id, async (freeze) => {
        if (!(await mayLift(principal, freeze, read))) throw lacks()
      })
      if (!lifted) throw missing(principal)
      await audit.change(request, {
        action: 'freeze.lifted',
        integration: null,
        detail: { freeze: lifted.id },
      })
      return reply.code(204).send(null)
    },
  )
}

const lacks = () =>
  new BrokerError(
    'caller_forbidden',
    'You lack service:manage over all integrations, and tokens:revoke over all that it selects',
  )

/** Who may not see every freeze is not told which ones there are. */
const missing = (principal: Principal): BrokerError =>
  managesFreezes(principal) || allowsAll(principal, 'tokens:revoke')
    ? new BrokerError('freeze_not_found', 'No freeze has this id')
    : lacks()
