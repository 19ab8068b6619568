/** What is done in each phase of a deployment. Each step may be done twice: a crash repeats it. */
import type { Actor, AuditEntry } from '../audit/event.ts'
import { BrokerError } from '../errors/errors.ts'
import type { CredentialsApi } from '../grants/org-api/credentials-api.ts'
import type { MetadataApi } from '../grants/org-api/metadata-api.ts'
import { refusalOf } from '../grants/refusals/refusals.ts'
import { settingsNameOf } from '../integrations/certificate-deployment.ts'
import { etagOf } from '../integrations/integration.ts'
import { byItself } from '../integrations/references/visible.ts'
import { zipOf } from '../setup/archive.ts'
import { certificateFilesOf } from '../setup/certificate-files.ts'
import type { InsideLease } from '../tokens/serve/inside-lease.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import { type Deployment, type DeploymentSubject, deploymentFailed, moved } from './deployment.ts'
import type { Promotion } from './promotion.ts'
import { createSecretSteps } from './secret-steps.ts'
import type { Staging } from './stage.ts'
import { createThrough } from './through.ts'

export interface DeploymentSteps {
  /** Throws what may pass, and what does not. */
  next(deployment: Deployment, subject: DeploymentSubject, signal: AbortSignal): Promise<Deployment>
}

export interface DeploymentStepsDependencies {
  readonly leaseOf: InsideLease
  readonly api: MetadataApi
  readonly credentials: CredentialsApi
  readonly staging: Pick<Staging, 'complete'>
  readonly promotion: Pick<Promotion, 'activate'>
  /** One real mint with just this credential, in one request. */
  readonly prove: (name: string, credentialId: string) => Promise<Lease | undefined>
  /** The token of the proof, for the lease. Must not throw. */
  readonly onProven: (lease: Lease, by: Actor) => Promise<void>
  readonly audit: { background(by: Actor, happening: AuditEntry): void }
  /** How browsers reach this service. */
  readonly publicUrl: string | undefined
  readonly now: () => number
}

const UPLOAD_MS = 30_000
const STATUS_MS = 10_000
const POLL_MS = 2_000

export function createDeploymentSteps(dependencies: DeploymentStepsDependencies): DeploymentSteps {
  const { api, promotion, publicUrl, now } = dependencies
  const { prove, onProven, audit } = dependencies
  const through = createThrough(dependencies.leaseOf)
  const secrets = createSecretSteps({
    ...{ through, now, api: dependencies.credentials, staging: dependencies.staging },
  })

  const upload = async (
    deployment: Deployment,
    { integration, credential, target }: DeploymentSubject,
    signal: AbortSignal,
  ): Promise<Deployment> => {
    const options = { app: target.app, settings: settingsNameOf(target), publicUrl }
    const archive = zipOf(certificateFilesOf(integration, credential, options))
    const answer = await through(target.through, { timeoutMs: UPLOAD_MS, signal }, (caller) =>
      api.deploy(caller, archive),
    )
    if (!answer.ok)
      return deploymentFailed(deployment, `${answer.refused}_refused`, answer.reason, now())
    return { ...moved(deployment, 'uploaded', now()), deployId: answer.value }
  }

  const follow = async (
    deployment: Deployment,
    { target }: DeploymentSubject,
    signal: AbortSignal,
  ): Promise<Deployment> => {
    const answer = await through(target.through, { timeoutMs: STATUS_MS, signal }, (caller) =>
      api.status(caller, deployment.deployId ?? ''),
    )
    if (!answer.ok)
      return deploymentFailed(deployment, `${answer.refused}_refused`, answer.reason, now())
    const { isDone, isSuccess, status, problem } = answer.value
    if (isDone && isSuccess) return moved(deployment, 'deployed', now())
    if (isDone) {
      return deploymentFailed(deployment, 'deployment_failed', [status, problem].join(': '), now())
    }
    checkPatience(deployment, now())
    const begun =
      deployment.phase === 'uploaded' && status !== 'Pending'
        ? moved(deployment, 'deploying', now())
        : deployment
    return { ...begun, updatedAt: now(), nextAt: now() + POLL_MS }
  }

  /** It may be the active one by now: a mint flips by itself. */
  const proven = async (
    deployment: Deployment,
    { integration, credential }: DeploymentSubject,
  ): Promise<Deployment> => {
    if (credential.state === 'active') return moved(deployment, 'activated', now())
    const lease = await prove(integration.name, credential.id).catch((error: unknown) => {
      const refusal = refusalOf(error)
      throw refusal
        ? new BrokerError('credential_rejected', refusal.cause, { cause: error })
        : error
    })
    if (lease) await onProven(lease, deployment.by)
    return { ...moved(deployment, 'proven', now()), provenAs: etagOf(integration) }
  }

  const activate = async (
    deployment: Deployment,
    { integration: { name }, credential: { id, state } }: DeploymentSubject,
  ): Promise<Deployment> => {
    const { by, provenAs } = deployment
    if (state !== 'active') {
      const preconditions = { ifMatch: provenAs ?? '' }
      await promotion.activate(name, id, { prove: false, authorise: byItself, preconditions, by })
      const detail = { credential: id }
      audit.background(by, { action: 'credential.activated', integration: name, detail })
    }
    return moved(deployment, 'activated', now())
  }

  return {
    async next(deployment, subject, signal) {
      switch (deployment.phase) {
        case 'requested':
          return deployment.pair
            ? secrets.look(deployment, subject, signal)
            : upload(deployment, subject, signal)
        case 'staging':
          return secrets.stage(deployment, subject, signal)
        case 'uploaded':
        case 'deploying':
          return follow(deployment, subject, signal)
        case 'deployed':
          return proven(deployment, subject)
        case 'proven':
          return activate(deployment, subject)
        case 'activated':
          return secrets.retire(deployment, subject, signal)
        default:
          return deployment
      }
    },
  }
}

/** Salesforce queues deployments, for hours where it must; by then somebody looks. */
const QUEUE_MS = 4 * 3_600_000

function checkPatience({ phaseAt }: Deployment, now: number): void {
  if (now - phaseAt <= QUEUE_MS) return
  throw new BrokerError('salesforce_timeout', 'Salesforce does not come to the deployment')
}
