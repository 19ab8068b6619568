/** `/integrations/{name}/connections` and `/integrations/{name}/connection`: how an integration gets a refresh token, and how it loses it. */
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { AuditLog } from '../audit/log.ts'
import type { Confirm } from '../callers/index.ts'
import { absentOf } from '../callers/permission-resolver.ts'
import { BrokerError } from '../errors/errors.ts'
import { operation } from '../http/openapi/operation.ts'
import { problems } from '../http/problems/problem.ts'
import type { Server } from '../http/server/server.ts'
import type { Integration } from '../integrations/integration.ts'
import { authoriseBy, visibleIntegration } from '../integrations/references/visible.ts'
import { NameParams } from '../integrations/schemas/schemas.ts'
import type { BeginConnection } from './begin.ts'
import { withRefreshScope } from './connection.ts'
import type { ConnectionStore } from './connection-store.ts'
import type { Disconnect } from './end.ts'
import {
  BegunConnection,
  ConnectBody,
  ConnectionParams,
  ConnectionView,
  connectionViewOf,
} from './schemas.ts'

interface ConnectionRouteDependencies {
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
  readonly connections: Pick<ConnectionStore, 'read'>
  readonly begin: BeginConnection
  readonly disconnect: Disconnect
  readonly audit: Pick<AuditLog, 'change'>
  readonly confirm: Confirm
  readonly now: () => number
}

export function registerConnectionRoutes(
  server: Server,
  dependencies: ConnectionRouteDependencies,
): void {
  const { integrations, connections, begin, disconnect, audit, confirm, now } = dependencies

  /** Checks permission just before a write, and that it is still the same integration. */
  const authoriseOf =
    (request: FastifyRequest, { name, uid }: Integration) =>
    async () => {
      const authorise = authoriseBy(() => confirm(request), 'credentials:write')
      const current = await authorise(name, await integrations.read(name))
      if (current.uid !== uid) {
        throw new BrokerError('integration_not_found', 'No integration has this name')
      }
    }

  server.post(
    '/integrations/:name/connections',
    operation('connectIntegration', 'credentials', {
      summary:
        'Begin to connect an integration: a person at Salesforce allows it, and it gets a refresh token',
      description:
        'Needs `credentials:write`, and an integration with the grant `refresh_token`. The current token stays until the new one is stored. The connection becomes void if somebody else changes, connects or disconnects the integration, or if you lose the permission.',
      params: NameParams,
      body: ConnectBody,
      response: {
        201: BegunConnection,
        ...problems(
          'integration_not_found',
          'integration_draft',
          'integration_disabled',
          'integration_frozen',
          'grant_unfit',
          'credential_invalid',
          'credential_required',
          'grant_refused',
          'token_response_invalid',
          'salesforce_unavailable',
          'salesforce_timeout',
          'signing_refused',
          'signer_unavailable',
        ),
      },
    }),
    async (request, reply) => {
      const { principal, body, params } = request
      const permission = 'credentials:write'
      const integration = await visibleIntegration(params.name, {
        ...{ integrations, principal, permission },
      })
      checkConnectable(integration)
      const { connection, shown } = await begin(body.flow, {
        integration,
        scopes: withRefreshScope(body.scopes),
        by: absentOf(principal, now()),
        requestId: request.id,
        authorise: authoriseOf(request, integration),
      })
      await audit.change(request, {
        action: 'connection.begun',
        integration: integration.name,
        detail: { connection: connection.id },
      })
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .header('location', `/integrations/${integration.name}/connections/${connection.id}`)
        .send({
          id: connection.id,
          flow: connection.flow,
          status: 'pending',
          expires_at: new Date(connection.expiresAt).toISOString(),
          ...shown,
        })
    },
  )

  server.get(
    '/integrations/:name/connections/:id',
    operation('getConnection', 'credentials', {
      summary: 'The progress of a connection',
      description: 'Needs `integrations:read`. The answer contains no links, codes or tokens.',
      params: ConnectionParams,
      response: {
        200: ConnectionView,
        ...problems('integration_not_found', 'not_found'),
      },
    }),
    async (request, reply) => {
      const { name, id } = request.params
      const { principal } = request
      const permission = 'integrations:read'
      const { uid } = await visibleIntegration(name, { integrations, principal, permission })
      const stored = await connections.read(id)
      if (stored?.connection.uid !== uid) {
        throw new BrokerError('not_found', 'The integration has no connection with this id')
      }
      reply.header('cache-control', 'no-store')
      return connectionViewOf(stored.connection, now())
    },
  )

  server.delete(
    '/integrations/:name/connection',
    operation('disconnectIntegration', 'credentials', {
      summary: 'Disconnect an integration: delete its refresh token, and revoke it at Salesforce',
      description:
        'Needs `credentials:write`. The access tokens that came from it also end. If Salesforce does not answer, the revocation is retried for seven days. Pending connections become void.',
      params: NameParams,
      response: {
        204: Type.Null({ description: 'The integration has no refresh token' }),
        ...problems('integration_not_found', 'conflict'),
      },
    }),
    async (request, reply) => {
      const { name } = request.params
      const { principal } = request
      const permission = 'credentials:write'
      const integration = await visibleIntegration(name, { integrations, principal, permission })
      if (await disconnect(integration, request.id, authoriseOf(request, integration))) {
        await audit.change(request, { action: 'integration.disconnected', integration: name })
      }
      return reply.code(204).send(null)
    },
  )
}

function checkConnectable({ name, grant, enabled }: Integration): void {
  if (grant.type !== 'refresh_token') {
    throw new BrokerError(
      'grant_unfit',
      `Integration ${name} has the grant ${grant.type}; only one with the grant refresh_token is connected by a person`,
    )
  }
  if (!enabled) throw new BrokerError('integration_disabled', 'The integration is disabled')
}
