/** The phases of a certificate only: its upload to the app at Salesforce, and the wait for the deployment. Each step may run twice. */
import { BrokerError } from '../errors/errors.ts'
import type { MetadataApi } from '../grants/org-api/metadata-api.ts'
import { settingsNameOf } from '../integrations/certificate-deployment.ts'
import { zipOf } from '../setup/archive.ts'
import { certificateFilesOf } from '../setup/certificate-files.ts'
import { type Deployment, deploymentFailed, moved } from './deployment.ts'
import type { Step } from './secret-steps.ts'
import type { Through } from './through.ts'

export type CertificateSteps = ReturnType<typeof createCertificateSteps>

const UPLOAD_MS = 30_000
const STATUS_MS = 10_000
const POLL_MS = 2_000

export function createCertificateSteps(dependencies: {
  readonly through: Through
  readonly api: MetadataApi
  /** Origin of this service for browsers. */
  readonly publicUrl: string | undefined
  readonly now: () => number
}) {
  const { through, api, publicUrl, now } = dependencies

  const upload: Step = async (deployment, { integration, credential, target }, signal) => {
    const options = { app: target.app, settings: settingsNameOf(target), publicUrl }
    const archive = zipOf(certificateFilesOf(integration, credential, options))
    const answer = await through(target.through, { timeoutMs: UPLOAD_MS, signal }, (caller) =>
      api.deploy(caller, archive),
    )
    if (!answer.ok)
      return deploymentFailed(deployment, `${answer.refused}_refused`, answer.reason, now())
    return { ...moved(deployment, 'uploaded', now()), deployId: answer.value }
  }

  const follow: Step = async (deployment, { target }, signal) => {
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
    checkQueueTime(deployment, now())
    const begun =
      deployment.phase === 'uploaded' && status !== 'Pending'
        ? moved(deployment, 'deploying', now())
        : deployment
    return { ...begun, updatedAt: now(), nextAt: now() + POLL_MS }
  }

  return { upload, follow }
}

/** Salesforce may queue a deployment for hours. After this time, an operator must act. */
const QUEUE_MS = 4 * 3_600_000

function checkQueueTime({ phaseAt }: Deployment, now: number): void {
  if (now - phaseAt <= QUEUE_MS) return
  throw new BrokerError('salesforce_timeout', 'Salesforce has not started the deployment')
}
