/** `POST …/credentials/{id}/deploy` and `GET …/credentials/{id}/deployment`. */
import { type Static, Type } from 'typebox'
import type { AuditLog } from '../audit/log.ts'
import type { Confirm } from '../callers/index.ts'
import { absentOf } from '../callers/permission-resolver.ts'
import { BrokerError } from '../errors/errors.ts'
import { operation } from '../http/openapi/operation.ts'
import { problems } from '../http/problems/problem.ts'
import type { Server } from '../http/server/server.ts'
import { etagOf } from '../integrations/integration.ts'
import { IfMatchHeader } from '../integrations/precondition-headers.ts'
import { preconditionsOf } from '../integrations/preconditions.ts'
import { authoriseBy } from '../integrations/references/visible.ts'
import type { Access } from './access.ts'
import type { Deployer } from './deployer.ts'
import { type Deployment, FAILURES, isDeploymentOver, PHASES, type Phase } from './deployment.ts'
import { CredentialParams } from './schemas.ts'

export interface DeploymentRouteDependencies {
  readonly access: Access
  readonly deployer: Pick<Deployer, 'request' | 'read'>
  readonly audit: Pick<AuditLog, 'change'>
  readonly confirm: Confirm
  readonly now: () => number
}

const listOf = (meanings: Readonly<Record<string, string>>) =>
  Object.entries(meanings)
    .map(([name, meaning]) => `\`${name}\`: ${meaning}`)
    .join('. ')

const NullableText = Type.Unsafe<string | null>({ type: ['string', 'null'] })
const phases = Object.keys(PHASES)

const DeploymentView = Type.Object(
  {
    credential: Type.String({ description: 'Id of the credential' }),
    phase: Type.Unsafe<Phase>({ type: 'string', enum: phases, description: listOf(PHASES) }),
    failed_in: Type.Unsafe<Phase | null>({
      type: ['string', 'null'],
      enum: [...phases, null],
      description: 'The phase in which it failed',
    }),
    reason: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: `Why it failed, or why the last try failed: the code of a problem, or ${Object.keys(FAILURES).join(', ')}`,
    }),
    detail: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Explanation for people',
    }),
    deploy_id: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'For a certificate: the id that Setup → Deployment Status shows',
    }),
    requested_at: Type.String({ format: 'date-time' }),
    updated_at: Type.String({ format: 'date-time' }),
    tries: Type.Integer({ description: 'Failed tries in this phase' }),
    next_try_at: NullableText,
  },
  {
    title: 'Deployment',
    description: 'The progress of a deployment of a credential to Salesforce',
  },
)

export function registerDeploymentRoutes(
  server: Server,
  { access, deployer, audit, confirm, now }: DeploymentRouteDependencies,
): void {
  server.post(
    '/integrations/:name/credentials/:id/deploy',
    operation('deployCredential', 'credentials', {
      summary:
        'Upload its certificate to Salesforce, or let Salesforce generate the secret, prove it, and make it active',
      description:
        'Needs `credentials:write`, and a `deployment` of the integration. The secret is never shown. The work continues in the background, also after a crash. Another request returns the progress.',
      params: CredentialParams,
      headers: IfMatchHeader,
      response: {
        202: DeploymentView,
        ...problems(
          'integration_not_found',
          'credential_not_found',
          'credential_state',
          'integration_draft',
          'integration_frozen',
          'integration_changed',
          'conflict',
        ),
      },
    }),
    async (request, reply) => {
      const { name, id } = request.params
      const { principal } = request
      await access(request, 'credentials:write', name)
      const { integration, deployment } = await deployer.request(
        name,
        id,
        {
          authorise: authoriseBy(() => confirm(request), 'credentials:write'),
          preconditions: preconditionsOf(request),
        },
        { principal: principal.id, requestId: request.id },
        absentOf(principal, now()),
      )
      await audit.change(request, {
        action: 'credential.deploy_requested',
        integration: name,
        detail: { credential: id },
      })
      return reply
        .code(202)
        .headers({ etag: etagOf(integration), 'cache-control': 'no-store' })
        .header('location', `/integrations/${name}/credentials/${id}/deployment`)
        .send(viewOf(deployment))
    },
  )

  server.get(
    '/integrations/:name/credentials/:id/deployment',
    operation('getDeployment', 'credentials', {
      summary: 'The progress of its deployment to Salesforce',
      description: 'Needs `integrations:read`. Shows the newest deployment, for 30 days.',
      params: CredentialParams,
      response: {
        200: DeploymentView,
        ...problems('integration_not_found', 'credential_not_found'),
      },
    }),
    async (request) => {
      const { name, id } = request.params
      const { uid } = await access(request, 'integrations:read', name)
      const deployment = await deployer.read(name)
      if (deployment?.uid !== uid || deployment.credential !== id) {
        throw new BrokerError('credential_not_found', 'There is no deployment of this credential')
      }
      return viewOf(deployment)
    },
  )
}

const time = (at: number) => new Date(at).toISOString()

const viewOf = (deployment: Deployment): Static<typeof DeploymentView> => ({
  credential: deployment.credential,
  phase: deployment.phase,
  failed_in: deployment.failedIn,
  reason: deployment.reason,
  detail: deployment.detail,
  deploy_id: deployment.deployId,
  requested_at: time(deployment.requestedAt),
  updated_at: time(deployment.updatedAt),
  tries: deployment.tries,
  next_try_at: isDeploymentOver(deployment) ? null : time(deployment.nextAt),
})
