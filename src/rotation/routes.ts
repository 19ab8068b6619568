/** `/integrations/{name}/credentials`: the credentials of an integration, without secrets. */
import { Type } from 'typebox'
import { BrokerError } from '../errors/errors.ts'
import { operation } from '../http/openapi/operation.ts'
import { problems } from '../http/problems/problem.ts'
import type { Server } from '../http/server/server.ts'
import { etagOf, type Integration } from '../integrations/integration.ts'
import { NameParams } from '../integrations/schemas/schemas.ts'
import { createAccess } from './access.ts'
import { type DeploymentRouteDependencies, registerDeploymentRoutes } from './deployment-routes.ts'
import type { Erasure } from './erasure.ts'
import { CredentialList, CredentialParams, CredentialView } from './schemas.ts'
import { registerStagingRoutes, type StagingRouteDependencies } from './staging-routes.ts'
import { credentialViewOf } from './view.ts'

interface CredentialRouteDependencies
  extends Pick<
    StagingRouteDependencies & DeploymentRouteDependencies,
    'audit' | 'confirm' | 'now'
  > {
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
  readonly rotation: Pick<StagingRouteDependencies, 'staging' | 'activation' | 'deployer'> & {
    readonly erasure: Pick<Erasure, 'dated'>
  }
}

const PEM_MEDIA_TYPE = 'application/x-pem-file'

export function registerCredentialRoutes(
  server: Server,
  { integrations, rotation, ...shared }: CredentialRouteDependencies,
): void {
  const access = createAccess(integrations)
  const { erasure } = rotation

  server.get(
    '/integrations/:name/credentials',
    operation('listCredentials', 'credentials', {
      summary: 'The credentials of an integration and their states',
      description: 'Needs `integrations:read`. The answer never contains a secret.',
      params: NameParams,
      response: { 200: CredentialList, ...problems('integration_not_found') },
    }),
    async (request, reply) => {
      const read = await access(request, 'integrations:read', request.params.name)
      const integration = await erasure.dated(read)
      reply.header('etag', etagOf(integration))
      return {
        items: integration.credentials.map((credential) =>
          credentialViewOf(integration, credential),
        ),
      }
    },
  )

  server.get(
    '/integrations/:name/credentials/:id',
    operation('getCredential', 'credentials', {
      summary: 'One credential and its state',
      description: 'Needs `integrations:read`. The answer never contains a secret.',
      params: CredentialParams,
      response: {
        200: CredentialView,
        ...problems('integration_not_found', 'credential_not_found'),
      },
    }),
    async (request, reply) => {
      const { name, id } = request.params
      const integration = await erasure.dated(await access(request, 'integrations:read', name))
      const credential = integration.credentials.find((one) => one.id === id)
      if (!credential) {
        throw new BrokerError('credential_not_found', 'There is no credential with this id')
      }
      reply.header('etag', etagOf(integration))
      return credentialViewOf(integration, credential)
    },
  )

  server.get(
    '/integrations/:name/credentials/:id/certificate',
    operation('getCertificate', 'credentials', {
      summary: 'The certificate to upload to Salesforce, as PEM',
      description: 'Needs `integrations:read`.',
      params: CredentialParams,
      response: {
        200: Type.Unsafe<string>({
          description: 'PEM',
          content: { [PEM_MEDIA_TYPE]: { schema: { type: 'string' } } },
        }),
        ...problems('integration_not_found', 'credential_not_found'),
      },
    }),
    async (request, reply) => {
      const { name, id } = request.params
      const integration = await access(request, 'integrations:read', name)
      const pem = integration.credentials.find((one) => one.id === id)?.certificate?.pem
      if (pem === undefined) {
        throw new BrokerError('credential_not_found', 'There is no certificate with this id')
      }
      return reply
        .type(PEM_MEDIA_TYPE)
        .header('etag', etagOf(integration))
        .header('content-disposition', `attachment; filename="${name}.crt"`)
        .send(pem)
    },
  )

  registerStagingRoutes(server, { ...rotation, ...shared, access })
  registerDeploymentRoutes(server, { ...rotation, ...shared, access })
}
