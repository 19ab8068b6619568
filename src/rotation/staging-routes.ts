/** Changes of `/integrations/{name}/credentials`: stage, certify, activate, delete. */
import { Type } from 'typebox'
import type { AuditLog } from '../audit/log.ts'
import type { Asking, Confirm } from '../callers/index.ts'
import type { Credential } from '../credentials/credential.ts'
import { remarksView } from '../credentials/remarks-view.ts'
import { BrokerError } from '../errors/errors.ts'
import { operation } from '../http/openapi/operation.ts'
import { problems } from '../http/problems/problem.ts'
import type { Server } from '../http/server/server.ts'
import { etagOf, type Integration } from '../integrations/integration.ts'
import { IfMatchHeader } from '../integrations/precondition-headers.ts'
import { preconditionsOf } from '../integrations/preconditions.ts'
import { authoriseBy } from '../integrations/references/visible.ts'
import { NameParams } from '../integrations/schemas/schemas.ts'
import { MINT_PROBLEMS } from '../tokens/mint/mint-problems.ts'
import type { Access } from './access.ts'
import type { Activation } from './activation.ts'
import type { Deployer } from './deployer.ts'
import { isDeploymentOver } from './deployment.ts'
import { nextStep } from './next-step.ts'
import { ActivateBody, CredentialParams, CredentialView, StageBody, StagedView } from './schemas.ts'
import { checkOwn, type Staged, type Staging, type StagingRequest } from './stage.ts'
import { credentialViewOf, stagingInputOf } from './view.ts'

export interface StagingRouteDependencies {
  readonly access: Access
  readonly staging: Staging
  readonly activation: Activation
  readonly deployer: Pick<Deployer, 'request' | 'read'>
  readonly audit: Pick<AuditLog, 'change'>
  readonly confirm: Confirm
}

const CERTIFICATE_TYPES = ['text/plain', 'application/x-pem-file']
/** Limit of a body with a certificate, in bytes. `openssl` may print much text around it. */
const CERTIFICATE_BODY_MAX = 64 * 1024

const CHANGE_PROBLEMS = [
  'integration_not_found',
  'credential_state',
  'conflict',
  'integration_changed',
  'record_corrupt',
] as const

export function registerStagingRoutes(
  server: Server,
  { access, staging, activation, deployer, audit, confirm }: StagingRouteDependencies,
): void {
  const asked = (request: Asking): StagingRequest => ({
    authorise: authoriseBy(() => confirm(request), 'credentials:write'),
    preconditions: preconditionsOf(request),
  })

  server.post(
    '/integrations/:name/credentials',
    operation('stageCredential', 'credentials', {
      summary: 'Stage a credential beside the active one',
      description:
        'Needs `credentials:write`. At most one credential is staged, and at most five are pending. If there is no active credential, the new one becomes active at once.',
      params: NameParams,
      headers: IfMatchHeader,
      body: StageBody,
      response: {
        201: StagedView,
        ...problems(...CHANGE_PROBLEMS, 'credential_invalid', 'signer_unavailable'),
      },
    }),
    async (request, reply) => {
      const { name } = request.params
      checkOwn(await access(request, 'credentials:write', name), request.principal)
      const input = stagingInputOf(request.body)
      const staged = await staging.stage(name, input, asked(request))
      await audit.change(request, ...auditEntriesOf(staged, 'credential.staged'))
      return reply
        .code(201)
        .headers(headersOf(staged.integration))
        .header('location', `/integrations/${name}/credentials/${staged.credential.id}`)
        .send(stagedViewOf(staged))
    },
  )

  server.delete(
    '/integrations/:name/credentials/:id',
    operation('deleteCredential', 'credentials', {
      summary: 'Erase a pending, staged or retired credential',
      description: 'Needs `credentials:write`.',
      params: CredentialParams,
      headers: IfMatchHeader,
      response: {
        204: Type.Null({ description: 'Erased' }),
        ...problems(...CHANGE_PROBLEMS, 'credential_not_found'),
      },
    }),
    async (request, reply) => {
      const { name, id } = request.params
      checkOwn(await access(request, 'credentials:write', name), request.principal)
      const deployment = await deployer.read(name)
      if (deployment?.credential === id && !isDeploymentOver(deployment)) {
        throw new BrokerError('credential_state', 'It is being deployed to Salesforce')
      }
      const { integration } = await staging.remove(name, id, asked(request))
      await audit.change(request, {
        action: 'credential.erased',
        integration: name,
        detail: { credential: id },
      })
      return reply.code(204).headers(headersOf(integration)).send(null)
    },
  )

  server.post(
    '/integrations/:name/credentials/:id/activate',
    operation('activateCredential', 'credentials', {
      summary: 'Prove a staged or retired credential with a real mint, and make it active',
      description:
        'Needs `credentials:write`. The former active credential becomes the retired fallback. Activate that one to go back. Issued tokens stay valid.',
      params: CredentialParams,
      headers: IfMatchHeader,
      body: ActivateBody,
      response: {
        200: CredentialView,
        ...problems(
          ...CHANGE_PROBLEMS,
          'credential_not_found',
          'credential_rejected',
          ...MINT_PROBLEMS,
        ),
      },
    }),
    async (request, reply) => {
      const { name, id } = request.params
      checkOwn(await access(request, 'credentials:write', name), request.principal)
      const integration = await activation.activate(name, id, {
        prove: request.body?.prove ?? true,
        ...asked(request),
        by: { principal: request.principal.id, requestId: request.id },
      })
      await audit.change(request, {
        action: 'credential.activated',
        integration: name,
        detail: { credential: id },
      })
      return reply
        .headers(headersOf(integration))
        .send(credentialViewOf(integration, held(integration, id)))
    },
  )

  server.register(async (scope) => {
    const plain = scope as Server
    plain.removeAllContentTypeParsers()
    plain.addContentTypeParser(
      CERTIFICATE_TYPES,
      { parseAs: 'string' },
      async (_request: unknown, body: string | Buffer) => {
        if (Buffer.byteLength(body) > CERTIFICATE_BODY_MAX) {
          throw new BrokerError(
            'body_too_large',
            'A certificate has 64 KiB at most, with what stands around it',
          )
        }
        return String(body)
      },
    )
    plain.put(
      '/integrations/:name/credentials/:id/certificate',
      operation('certifyCredential', 'credentials', {
        summary: 'Complete a pending credential with the certificate that a CA signed',
        description:
          'Needs `credentials:write`. The body is the certificate in PEM, without its chain. The credential is then staged.',
        consumes: CERTIFICATE_TYPES,
        params: CredentialParams,
        headers: IfMatchHeader,
        body: Type.String({ minLength: 1, description: 'PEM' }),
        response: {
          200: StagedView,
          ...problems(...CHANGE_PROBLEMS, 'credential_not_found', 'credential_invalid'),
        },
      }),
      async (request, reply) => {
        const { name, id } = request.params
        checkOwn(await access(request, 'credentials:write', name), request.principal)
        const staged = await staging.certify(name, id, request.body, asked(request))
        await audit.change(request, ...auditEntriesOf(staged, 'credential.certified'))
        return reply.headers(headersOf(staged.integration)).send(stagedViewOf(staged))
      },
    )
  })
}

const headersOf = (integration: Integration) => ({
  etag: etagOf(integration),
  'cache-control': 'no-store',
})

const stagedViewOf = ({ integration, credential, remarks }: Staged) => ({
  ...credentialViewOf(integration, credential),
  ...remarksView(remarks),
  next: nextStep(integration, credential),
})

function auditEntriesOf(
  { integration: { name: integration }, credential: { id, state } }: Staged,
  action: 'credential.staged' | 'credential.certified',
) {
  const detail = { credential: id }
  const isActive = state === 'active'
  return [
    { action, integration, detail },
    ...(isActive ? [{ action: 'credential.activated' as const, integration, detail }] : []),
  ]
}

function held({ credentials }: Integration, id: string): Credential {
  const credential = credentials.find((one) => one.id === id)
  if (!credential) {
    throw new BrokerError('credential_not_found', 'There is no credential with this id')
  }
  return credential
}
