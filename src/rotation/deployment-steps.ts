/** The work of each phase of a deployment. Each step may run twice, because a crash repeats it. */
import type { Actor, AuditEntry } from '../audit/event.ts'
import { BrokerError } from '../errors/errors.ts'
import { refusalOf } from '../grants/refusals/refusals.ts'
import { etagOf } from '../integrations/integration.ts'
import { byItself } from '../integrations/references/visible.ts'
import type { CredentialProver } from '../tokens/mint/prover.ts'
import type { Activation } from './activation.ts'
import type { CertificateSteps } from './certificate-steps.ts'
import { type Deployment, type DeploymentSubject, moved } from './deployment.ts'
import type { SecretSteps } from './secret-steps.ts'

export interface DeploymentSteps {
  /** Throws temporary and permanent errors. */
  next(deployment: Deployment, subject: DeploymentSubject, signal: AbortSignal): Promise<Deployment>
}

export interface DeploymentStepsDependencies {
  readonly certificates: CertificateSteps
  readonly secrets: SecretSteps
  readonly activation: Activation
  readonly prover: CredentialProver
  readonly audit: { background(by: Actor, entry: AuditEntry): void }
  readonly now: () => number
}

export function createDeploymentSteps(dependencies: DeploymentStepsDependencies): DeploymentSteps {
  const { certificates, secrets, activation, prover, audit, now } = dependencies

  /** The credential may already be active, because a mint also promotes it. */
  const proven = async (deployment: Deployment, { integration, credential }: DeploymentSubject) => {
    if (credential.state === 'active') return moved(deployment, 'activated', now())
    const lease = await prover
      .prove(integration.name, credential.id, 'once')
      .catch((error: unknown) => {
        const refusal = refusalOf(error)
        throw refusal
          ? new BrokerError('credential_rejected', refusal.cause, { cause: error })
          : error
      })
    if (lease) await prover.adopt(lease, deployment.by)
    return { ...moved(deployment, 'proven', now()), provenAs: etagOf(integration) }
  }

  const activate = async (
    deployment: Deployment,
    { integration: { name }, credential: { id, state } }: DeploymentSubject,
  ): Promise<Deployment> => {
    const { by, provenAs } = deployment
    if (state !== 'active') {
      const preconditions = { ifMatch: provenAs ?? '' }
      await activation.activate(name, id, { prove: false, authorise: byItself, preconditions, by })
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
            : certificates.upload(deployment, subject, signal)
        case 'staging':
          return secrets.stage(deployment, subject, signal)
        case 'uploaded':
        case 'deploying':
          return certificates.follow(deployment, subject, signal)
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
