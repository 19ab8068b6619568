/** Composes the parts that stage, deploy, promote and erase credentials, and that report their expiry. */
import type { AuditLog } from '../audit/log.ts'
import type { PermissionResolver } from '../callers/permission-resolver.ts'
import type { FreezeGate } from '../freezes/freeze-gate.ts'
import type { Salesforce } from '../grants/salesforce.ts'
import type { Integrations } from '../integrations/compose.ts'
import type { IntegrationEvents } from '../integrations/integration-events.ts'
import type { Core } from '../store/core.ts'
import type { StoreEvents } from '../store/store-events.ts'
import { wakeByDocuments } from '../store/stream/wakes.ts'
import type { LeaseEngine } from '../tokens/compose.ts'
import { createSingleFlight } from '../tokens/mint/single-flight.ts'
import type { TokenEvents } from '../tokens/token-events.ts'
import { createActivation } from './activation.ts'
import { createAutoRotation } from './auto-rotation.ts'
import { createCertificateSteps } from './certificate-steps.ts'
import { createDeployer } from './deployer.ts'
import { DEPLOYMENTS } from './deployment.ts'
import { createDeploymentSteps } from './deployment-steps.ts'
import { createErasure, RETIRED_KIND } from './erasure.ts'
import { createExpiryNotifier } from './expiry-notifier.ts'
import { createSecretSteps } from './secret-steps.ts'
import { createSecretWatch } from './secret-watch.ts'
import { createStaging } from './stage.ts'
import { createThrough } from './through.ts'

export type Rotation = ReturnType<typeof composeRotation>

export function composeRotation(dependencies: {
  readonly core: Core<StoreEvents & IntegrationEvents & TokenEvents>
  readonly integrations: Integrations
  readonly engine: Pick<LeaseEngine, 'prove' | 'adopt' | 'insideLease'>
  readonly salesforce: Pick<Salesforce, 'metadata' | 'credentials'>
  readonly permissions: Pick<PermissionResolver, 'permitsOf'>
  readonly freezes: Pick<FreezeGate, 'require' | 'of'>
  /** Origin of this service for browsers. */
  readonly publicUrl: string | undefined
  readonly audit: Pick<AuditLog, 'background'>
  /** Whether integrations may have secrets in a vault. */
  readonly readsSecrets: boolean
}) {
  const { core, integrations, engine, salesforce, permissions, freezes, publicUrl, audit } =
    dependencies
  const { readsSecrets } = dependencies
  const { events, runtime, log } = core
  const { documents, locks, outcomes } = core.store
  const { now, uniqueId } = runtime
  const { credentials } = integrations
  const erasure = createErasure({
    ...{ store: integrations, credentials, documents, prover: engine, runtime, log },
  })
  events.on('integration.written', ({ written }) => {
    if (written) erasure.watch(written.integration)
  })
  events.on('credential.refused', erasure.unquiet)
  const activation = createActivation({
    ...{ store: integrations, credentials, outcomes, prover: engine, audit, now },
  })
  const { intake } = integrations.rules
  const staging = createStaging({ store: integrations, credentials, intake, now })
  const { underLock } = createSingleFlight({ locks, uniqueId, log })
  const through = createThrough(engine.insideLease)
  const deployer = createDeployer({
    store: integrations,
    deployments: { ...documents, underLock },
    steps: createDeploymentSteps({
      certificates: createCertificateSteps({ through, now, api: salesforce.metadata, publicUrl }),
      secrets: createSecretSteps({ through, now, api: salesforce.credentials, staging }),
      ...{ activation, prover: engine, audit, now },
    }),
    ...{ permissions, freezes, audit, runtime, log },
  })
  const autoRotation = createAutoRotation({
    ...{ store: integrations, staging, deployer, freezes, underLock, audit, runtime, log },
  })
  const notifier = createExpiryNotifier({ store: integrations, documents, audit, runtime, log })
  wakeByDocuments(core, erasure, RETIRED_KIND)
  wakeByDocuments(core, deployer, DEPLOYMENTS.kind)
  const secrets = createSecretWatch({
    ...{ store: integrations, credentials, activation, audit, runtime, log },
    secrets: { reread: intake.reread, forgetOthers: integrations.outside.forgetOthers },
  })
  events.on('credential.refused', secrets.refused)
  events.on('store.pulse', secrets.tick)
  const parts = [erasure, notifier, deployer, autoRotation, ...(readsSecrets ? [secrets] : [])]
  return {
    ...{ activation, erasure, staging, deployer },
    secretTrouble: secrets.troubleOf,
    unreadSecrets: secrets.unread,
    start(): void {
      for (const part of parts) part.start()
    },
    async stop(): Promise<void> {
      await Promise.all(parts.map((part) => part.stop()))
    },
  }
}
