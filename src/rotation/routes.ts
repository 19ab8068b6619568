/** `/integrations/{name}/credentials`: what an integration proves itself with; never a secret. */
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { allows } from '../callers/policy.ts'
import type { Credential } from '../credentials/credential.ts'
import { BrokerError } from '../errors.ts'
import { GUARDED, problems } from '../http/problem.ts'
import type { Server } from '../http/server.ts'
import { clientIdOf, etagOf, type Integration } from '../integrations/integration.ts'
import { NameParams } from '../integrations/schemas.ts'
import { CredentialList, CredentialParams, type CredentialView } from './schemas.ts'

export interface CredentialRouteDependencies {
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
}

const PEM_MEDIA_TYPE = 'application/x-pem-file'

export function registerCredentialRoutes(
  server: Server,
  { integrations }: CredentialRouteDependencies,
): void {
  const readable = async (request: FastifyRequest, name: string) => {
    const integration = await integrations.read(name)
    const target = integration ? { name, labels: integration.labels } : { name }
    if (!allows(request.principal, 'integrations:read', target)) {
      throw new BrokerError('caller_forbidden', 'You lack integrations:read for this integration')
    }
    if (!integration) {
      throw new BrokerError('integration_not_found', 'There is no integration of this name')
    }
    return integration
  }

  server.get(
    '/integrations/:name/credentials',
    {
      schema: {
        tags: ['credentials'],
        operationId: 'listCredentials',
        summary: 'The credentials of an integration and their states',
        description: 'Needs `integrations:read`. Never a secret.',
        params: NameParams,
        response: { 200: CredentialList, ...problems(...GUARDED, 'integration_not_found') },
      },
    },
    async (request, reply) => {
      const integration = await readable(request, request.params.name)
      reply.header('etag', etagOf(integration))
      return { items: integration.credentials.map((credential) => viewOf(integration, credential)) }
    },
  )

  server.get(
    '/integrations/:name/credentials/:id/certificate',
    {
      schema: {
        tags: ['credentials'],
        operationId: 'getCertificate',
        summary: 'The certificate to upload to Salesforce, as PEM',
        description: 'Needs `integrations:read`.',
        params: CredentialParams,
        response: {
          200: Type.Unsafe<string>({
            description: 'PEM',
            content: { [PEM_MEDIA_TYPE]: { schema: { type: 'string' } } },
          }),
          ...problems(...GUARDED, 'integration_not_found', 'credential_not_found'),
        },
      },
    },
    async (request, reply) => {
      const { name, id } = request.params
      const integration = await readable(request, name)
      const pem = integration.credentials.find((credential) => credential.id === id)?.certificate
        ?.pem
      if (pem === undefined) {
        throw new BrokerError('credential_not_found', 'There is no certificate with this id')
      }
      return reply
        .type(PEM_MEDIA_TYPE)
        .header('content-disposition', `attachment; filename="${name}.crt"`)
        .send(pem)
    },
  )
}

const time = (at: number) => new Date(at).toISOString()
const timeOrNull = (at: number | null) => (at === null ? null : time(at))

function viewOf(integration: Integration, credential: Credential): CredentialView {
  const { certificate } = credential
  return {
    id: credential.id,
    type: credential.type,
    state: credential.state,
    client_id: clientIdOf(integration, credential) ?? null,
    created_at: time(credential.createdAt),
    activated_at: timeOrNull(credential.activatedAt),
    retires_at: timeOrNull(credential.retiresAt),
    certificate: certificate && {
      subject: certificate.subject,
      serial: certificate.serial,
      fingerprint_sha256: certificate.fingerprintSha256,
      not_before: time(certificate.notBefore),
      not_after: time(certificate.notAfter),
      key_bits: certificate.keyBits,
      pem: certificate.pem,
    },
  }
}
