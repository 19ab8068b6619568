/** `/integrations`: put, patch, read, list, delete. */
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { type AuditEntry, lentEvent } from '../audit/event.ts'
import type { AuditLog } from '../audit/log.ts'
import type { Confirm } from '../callers/index.ts'
import { allowsSome, mightAllow, type Permission } from '../callers/policy.ts'
import { remarksView } from '../credentials/remarks-view.ts'
import { BrokerError } from '../errors/errors.ts'
import { operation } from '../http/openapi/operation.ts'
import { problems } from '../http/problems/problem.ts'
import { describeFaults } from '../http/problems/schema-fault.ts'
import type { Server } from '../http/server/server.ts'
import { createAnswers } from './answers.ts'
import { etagOf, type Integration } from './integration.ts'
import type { IntegrationStore } from './integration-store.ts'
import type { Candidates } from './listing/candidates.ts'
import type { FrozenList } from './listing/frozen.ts'
import { createListing } from './listing/listing.ts'
import { NeededIfMatchHeader, WriteHeaders } from './precondition-headers.ts'
import { pinnedTo, preconditionsOf } from './preconditions.ts'
import { createFollowerIndex } from './references/follower-index.ts'
import { readFor, visibleIntegration } from './references/visible.ts'
import type { Registry, Written } from './registry.ts'
import {
  IntegrationBody,
  IntegrationList,
  IntegrationView,
  ListQuery,
  NameParams,
  PatchBody,
  WrittenView,
} from './schemas/schemas.ts'
import type { IntegrationStatus } from './status.ts'
import { inputOf, mergePatch, patchOf, writableOf } from './view.ts'
import { checkMayChange } from './write-access.ts'

interface IntegrationRouteDependencies {
  readonly registry: Registry
  /** `find` asks the listing index. */
  readonly store: Pick<IntegrationStore, 'read' | 'list'> &
    Pick<Candidates, 'find'> & { readonly frozen: FrozenList }
  readonly statusOf: (integration: Integration) => Promise<IntegrationStatus>
  /** Ends the tokens of an integration before its removal. */
  readonly revoke: (integration: Integration) => Promise<readonly AuditEntry[]>
  readonly audit: Pick<AuditLog, 'change'>
  readonly monotonic: () => number
  readonly confirm: Confirm
}

const WRITE_PROBLEMS = [
  'managed_by_file',
  'conflict',
  'integration_changed',
  'credential_state',

  'credential_invalid',
  'signer_unavailable',
  'credential_required',
  'precondition_required',
] as const

export function registerIntegrationRoutes(
  server: Server,
  dependencies: IntegrationRouteDependencies,
): void {
  const { registry, store, statusOf, revoke, audit, confirm, monotonic } = dependencies
  const followers = createFollowerIndex({ store, monotonic })
  const answers = createAnswers({ store, followers, statusOf })
  const listing = createListing({
    ...{ store, statusOf, candidates: store, frozen: store.frozen },
    listed: answers.listed,
  })

  /** Runs before other checks of the request, also for an integration that does not exist yet. The write checks again, and decides. */
  const authoriseWrite = async ({ principal }: FastifyRequest, name: string) => {
    const permission = 'integrations:write'
    if (!mightAllow(principal, permission, name)) {
      throw new BrokerError('caller_forbidden', `You lack ${permission} for this integration`)
    }
    const integration = await readFor(name, { integrations: store, principal, permission })
    checkMayChange(principal, name, integration)
  }

  const visible = ({ principal }: FastifyRequest, permission: Permission, name: string) =>
    visibleIntegration(name, { integrations: store, principal, permission })

  const answer = async (
    { principal }: FastifyRequest,
    { integration, result, remarks }: Written,
    how: 'put' | 'patched',
  ) => ({
    status: result === 'created' ? 201 : 200,
    etag: etagOf(integration),
    body: {
      ...(await answers.written(integration, principal, how)),
      ...remarksView(remarks),
    },
  })

  const put: Registry['put'] = async (...write) => {
    try {
      return await registry.put(...write)
    } finally {
      followers.forget()
    }
  }

  server.put(
    '/integrations/:name',
    operation('putIntegration', 'integrations', {
      summary: 'Create or replace an integration',
      description:
        'Needs `integrations:write`. Replacing needs `If-Match`. A PUT that equals the current definition changes nothing. A credential in the body becomes active at once. Without one, the stored one stays.',
      params: NameParams,
      headers: WriteHeaders,
      body: IntegrationBody,
      response: { 200: WrittenView, 201: WrittenView, ...problems(...WRITE_PROBLEMS) },
    }),
    async (request, reply) => {
      const { name } = request.params
      await authoriseWrite(request, name)
      const input = inputOf(request.body)
      const preconditions = preconditionsOf(request)
      const written = await put(name, input, preconditions, () => confirm(request))
      await audit.change(request, ...auditEntriesOf(written))
      const { status, etag, body } = await answer(request, written, 'put')
      return reply
        .code(status as 200)
        .header('etag', etag)
        .headers(status === 201 ? { location: `/integrations/${name}` } : {})
        .send(body)
    },
  )

  server.patch(
    '/integrations/:name',
    operation('patchIntegration', 'integrations', {
      summary: 'Change members of an integration',
      description: 'Needs `integrations:write` and `If-Match`. A JSON merge patch (RFC 7396).',
      params: NameParams,
      headers: NeededIfMatchHeader,
      body: PatchBody,
      response: { 200: WrittenView, ...problems(...WRITE_PROBLEMS, 'integration_not_found') },
    }),
    async (request, reply) => {
      const { name } = request.params
      const current = await visible(request, 'integrations:write', name)
      if (request.body.credential === null) {
        throw new BrokerError('request_invalid', 'body/credential cannot be removed, only replaced')
      }
      const merged = mergePatch(writableOf(current), patchOf(request.body))
      const validate = request.compileValidationSchema(IntegrationBody, 'body')
      if (!validate(merged)) {
        throw new BrokerError('request_invalid', describeFaults(validate.errors ?? [], 'body'))
      }
      const input = inputOf(merged as IntegrationBody)
      const preconditions = pinnedTo(current, preconditionsOf(request))
      const written = await put(name, input, preconditions, () => confirm(request))
      await audit.change(request, ...auditEntriesOf(written))
      const { etag, body } = await answer(request, written, 'patched')
      return reply.header('etag', etag).send(body)
    },
  )

  server.get(
    '/integrations/:name',
    operation('getIntegration', 'integrations', {
      summary: 'An integration and its status',
      description: 'Needs `integrations:read`. The answer never contains a secret.',
      params: NameParams,
      response: {
        200: IntegrationView,
        ...problems('integration_not_found', 'record_corrupt'),
      },
    }),
    async (request, reply) => {
      const integration = await visible(request, 'integrations:read', request.params.name)
      reply.header('etag', etagOf(integration))
      return answers.shown(integration, request.principal)
    },
  )

  server.get(
    '/integrations',
    operation('listIntegrations', 'integrations', {
      summary: 'The integrations that you may see, in order of name',
      description: 'Needs `integrations:read`.',
      querystring: ListQuery,
      response: { 200: IntegrationList, ...problems('record_corrupt') },
    }),
    async (request) => {
      const { principal } = request
      if (!allowsSome(principal, 'integrations:read')) {
        throw new BrokerError('caller_forbidden', 'You lack integrations:read')
      }
      const page = await listing.page(request.query, principal)
      return {
        items: [...page.items],
        next_cursor: page.nextCursor,
        ...(page.corrupt.length > 0 && { corrupt: [...page.corrupt] }),
      }
    },
  )

  server.delete(
    '/integrations/:name',
    operation('deleteIntegration', 'integrations', {
      summary: 'Revoke the token of an integration and erase it with its secrets',
      description: 'Needs `integrations:write` and `If-Match`.',
      params: NameParams,
      headers: NeededIfMatchHeader,
      response: {
        204: Type.Null({ description: 'Erased' }),
        ...problems(
          'integration_not_found',
          'managed_by_file',
          'credential_state',
          'conflict',
          'integration_changed',
          'precondition_required',
        ),
      },
    }),
    async (request, reply) => {
      const { name } = request.params
      await visible(request, 'integrations:write', name)
      const happened: AuditEntry[] = []
      try {
        const preconditions = preconditionsOf(request)
        const may = () => confirm(request)
        await registry.remove(name, preconditions, may, async (integration) => {
          happened.push(...(await revoke(integration)))
        })
        happened.push({ action: 'integration.deleted', integration: name })
      } finally {
        followers.forget()
        // A revoked token stays revoked, even if the removal then lost its race.
        await audit.change(request, ...happened)
      }
      return reply.code(204).send(null)
    },
  )
}

/** Audit entries of a write. A write that changed nothing has none. */
function auditEntriesOf({
  integration: { name },
  result,
  activated,
  lentBy,
}: Written): readonly AuditEntry[] {
  if (result === 'unchanged') return []
  return [
    { action: `integration.${result}`, integration: name },
    ...(activated === undefined
      ? []
      : [
          {
            action: 'credential.activated' as const,
            integration: name,
            detail: { credential: activated },
          },
        ]),
    ...(lentBy === undefined ? [] : [lentEvent(lentBy, name)]),
  ]
}
