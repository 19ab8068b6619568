/** Automatic rotation: when a credential is due, generates a key or lets Salesforce generate a secret, and has it deployed, proven and activated. One replica at a time. */

import type { Actor, AuditEntry } from '../audit/event.ts'
import { activeOf, type Credential } from '../credentials/credential.ts'
import type { FreezeGate } from '../freezes/freeze-gate.ts'
import { everyIntegration } from '../integrations/every.ts'
import type { CertificateDeployment, Integration } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import { byItself } from '../integrations/references/visible.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import type { SingleFlight } from '../tokens/mint/single-flight.ts'
import type { Deployer } from './deployer.ts'
import { isDeploymentOver } from './deployment.ts'
import type { Staging, StagingInput, StagingRequest } from './stage.ts'

interface AutoRotation {
  /** Checks all integrations now and then every hour, in the background. */
  start(): void
  stop(): Promise<void>
}

const INTERVAL_MS = 3_600_000
/** Pause after the store could not be read. */
const AGAIN_MS = 60_000
/** Pause after a failed deployment, so that an operator can act first. */
const RETRY_MS = 86_400_000
const DAY_MS = 86_400_000
const BY: Actor = { principal: null, requestId: 'rotation' }
const ITSELF: StagingRequest = { authorise: byItself, preconditions: {} }
/** How long a certificate stays valid after the rotation that replaces it. */
const MARGIN_DAYS = 90
const VALID_DAYS = { least: 365, most: 825 }

/** Whether the rotation is due. A credential that is already staged is deployed. */
export function isDue(
  { enabled, certificateDeployment, credentials }: Integration,
  now: number,
): boolean {
  const everyDays = certificateDeployment?.rotateEveryDays
  const since = activeOf(credentials)?.activatedAt
  if (!enabled || everyDays === undefined || since === undefined || since === null) return false
  return now - since >= everyDays * DAY_MS
}

export const validDaysOf = ({ rotateEveryDays = 0 }: CertificateDeployment): number =>
  Math.min(VALID_DAYS.most, Math.max(VALID_DAYS.least, rotateEveryDays + MARGIN_DAYS))

/** A generated key keeps the size of the former generated key. */
const bitsOf = (active: Credential | undefined) =>
  ([2048, 3072, 4096] as const).find((bits) => bits === active?.certificate?.keyBits) ?? 2048

/** A key at a signer gets a new version there. */
const nextKeyOf = (
  active: Credential | undefined,
  deployment: CertificateDeployment,
): StagingInput => {
  const days = validDaysOf(deployment)
  if (!active?.signer) return { generate: { keyBits: bitsOf(active), days } }
  const { name, key } = active.signer
  return { signer: { name, key }, generate: { days, newVersion: true } }
}

export function createAutoRotation(dependencies: {
  readonly store: Pick<IntegrationStore, 'list' | 'read'>
  readonly staging: Pick<Staging, 'stage'>
  readonly deployer: Pick<Deployer, 'request' | 'read'>
  readonly freezes: Pick<FreezeGate, 'of'>
  readonly underLock: SingleFlight['underLock']
  readonly audit: { background(by: Actor, entry: AuditEntry): void }
  readonly runtime: Runtime
  readonly log: Log
}): AutoRotation {
  const { store, staging, deployer, freezes, underLock, audit, runtime, log } = dependencies
  const { now } = runtime

  const staged = async (integration: Integration): Promise<string> => {
    const { name, credentials, certificateDeployment } = integration
    const active = activeOf(credentials)
    const isSecret = active?.type === 'client_secret'
    const ready =
      credentials.find(({ state }) => state === 'staged') ??
      credentials.find(({ state, type }) => isSecret && state === 'pending' && type === active.type)
    if (ready || !certificateDeployment) return ready?.id ?? ''
    const input = isSecret ? { generate: {} } : nextKeyOf(active, certificateDeployment)
    const { credential } = await staging.stage(name, input, ITSELF)
    const detail = { credential: credential.id }
    audit.background(BY, { action: 'credential.staged', integration: name, detail })
    return credential.id
  }

  const rotate = async (name: string): Promise<void> => {
    const integration = await store.read(name)
    if (!integration || !isDue(integration, now())) return
    // It is due still when the freeze is lifted.
    if ((await freezes.of(integration)).length > 0) return
    const last = await deployer.read(name)
    const isCurrent = last?.uid === integration.uid
    if (isCurrent && !isDeploymentOver(last)) return
    if (isCurrent && last.phase === 'failed' && now() - last.updatedAt < RETRY_MS) return
    const credential = await staged(integration)
    await deployer.request(name, credential, ITSELF, BY)
    log.info({ integration: name, credentialId: credential }, 'an automatic rotation has started')
  }

  /** The lock only avoids work: two replicas would stage one key, and deploy it once. */
  const consider = async (name: string): Promise<void> => {
    try {
      await underLock(`rotation:${name}`, () => rotate(name))
    } catch (error) {
      log.warn({ err: error, integration: name }, 'an automatic rotation could not start')
    }
  }

  const look = async () => {
    for await (const integration of everyIntegration(store)) {
      if (task.stopped.aborted) return
      if (isDue(integration, now())) await consider(integration.name)
    }
  }

  const task = createTask({
    ...{ runtime, retryMs: AGAIN_MS },
    outage: createOutageLogger(log, 'due rotations cannot be found', runtime),
    async work() {
      await look()
      return INTERVAL_MS
    },
  })
  return task
}
