/** Wires what stages, deploys, promotes and erases credentials, and what counts down to their end. */

import type { AuditLog } from '../audit/log.ts'
import type { PermissionResolver } from '../callers/permission-resolver.ts'
import type { Intake } from '../credentials/intake.ts'
import type { CredentialsApi } from '../grants/org-api/credentials-api.ts'
import type { MetadataApi } from '../grants/org-api/metadata-api.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import type { Logger } from '../logger/logger.ts'
import { createAutoRotation } from '../rotation/auto-rotation.ts'
import { createCertificateSteps } from '../rotation/certificate-steps.ts'
import { createDeployer, type Deployer } from '../rotation/deployer.ts'
import { createDeploymentSteps } from '../rotation/deployment-steps.ts'
import { createDeploymentStore } from '../rotation/deployment-store.ts'
import { createErasure, type Erasure } from '../rotation/erasure.ts'
import { createExpiryNotifier } from '../rotation/expiry-notifier.ts'
import { createFollowers } from '../rotation/followers.ts'
import { createPromotion, type Promotion } from '../rotation/promotion.ts'
import { createSecretSteps } from '../rotation/secret-steps.ts'
import { createStaging, type Staging } from '../rotation/stage.ts'
import { createThrough } from '../rotation/through.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Store } from '../store/store.ts'
import { createSingleFlight } from '../tokens/mint/single-flight.ts'
import type { LeaseEngine } from './lease-engine.ts'

export interface Rotation {
  readonly promotion: Promotion
  readonly erasure: Erasure
  readonly staging: Staging
  readonly deployer: Deployer
  start(): void
  stop(): Promise<void>
}

export interface RotationDependencies {
  readonly integrations: IntegrationStore
  readonly intake: Intake
  readonly store: Store
  readonly engine: Pick<LeaseEngine, 'prove' | 'adopt' | 'insideLease'>
  readonly metadata: MetadataApi
  readonly credentials: CredentialsApi
  readonly standing: Pick<PermissionResolver, 'permitsOf'>
  /** How browsers reach this service. */
  readonly publicUrl: string | undefined
  readonly audit: Pick<AuditLog, 'background'>
  readonly log: Logger
  readonly runtime: Runtime
}

export function composeRotation(dependencies: RotationDependencies): Rotation {
  const { integrations, intake, store, engine, audit, log, runtime } = dependencies
  const { now, uniqueId } = runtime
  const through = createThrough(engine.insideLease)
  const followers = createFollowers({ store: integrations, log })
  const erasure = createErasure({
    store: integrations,
    documents: store.documents,
    prover: engine,
    audit,
    runtime,
    log,
  })
  const promotion = createPromotion({
    store: integrations,
    outcomes: store.outcomes,
    followers,
    prover: engine,
    onActiveRefused: erasure.unquiet,
    audit,
    runtime,
    log,
  })
  const staging = createStaging({
    store: integrations,
    intake,
    follow: followers.follow,
    now,
  })
  const { documents, locks } = store
  const { underLock } = createSingleFlight({ locks, uniqueId, log })
  const deployer = createDeployer({
    store: integrations,
    deployments: { ...createDeploymentStore(documents, now), underLock },
    steps: createDeploymentSteps({
      certificates: createCertificateSteps({
        ...{ through, now, api: dependencies.metadata, publicUrl: dependencies.publicUrl },
      }),
      secrets: createSecretSteps({ through, now, api: dependencies.credentials, staging }),
      promotion,
      prover: engine,
      audit,
      now,
    }),
    standing: dependencies.standing,
    audit,
    runtime,
    log,
  })
  const handsFree = createAutoRotation({
    store: integrations,
    staging,
    deployer,
    underLock,
    audit,
    runtime,
    log,
  })
  const countdown = createExpiryNotifier({ store: integrations, documents, audit, runtime, log })
  return {
    promotion,
    erasure,
    staging,
    deployer,
    start() {
      for (const one of [erasure, countdown, deployer, handsFree]) one.start()
    },
    async stop() {
      await Promise.all([erasure, countdown, deployer, handsFree].map((one) => one.stop()))
    },
  }
}
