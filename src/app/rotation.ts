/** Wires what stages, promotes and erases credentials, and what counts down to their end. */
import type { AuditLog } from '../audit/log.ts'
import type { Intake } from '../credentials/intake.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import type { Logger } from '../logger.ts'
import { createCountdown } from '../rotation/countdown.ts'
import { createErasure, type Erasure } from '../rotation/erasure.ts'
import { createFollowers } from '../rotation/followers.ts'
import { createPromotion, type Promotion } from '../rotation/promotion.ts'
import { createStaging, type Staging } from '../rotation/stage.ts'
import type { Store } from '../store/store.ts'
import type { LeaseEngine } from './lease-engine.ts'

export interface Rotation {
  readonly promotion: Promotion
  readonly erasure: Erasure
  readonly staging: Staging
  start(): void
  stop(): Promise<void>
}

export interface RotationDependencies {
  readonly integrations: IntegrationStore
  readonly intake: Intake
  readonly store: Store
  readonly engine: Pick<LeaseEngine, 'prove' | 'adopt'>
  readonly audit: Pick<AuditLog, 'background'>
  readonly log: Logger
  readonly now: () => number
  /** Ends early, without a failure, when the signal does. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

export function composeRotation(dependencies: RotationDependencies): Rotation {
  const { integrations, intake, store, engine, audit, log, now, sleep } = dependencies
  const followers = createFollowers({ store: integrations, log })
  const erasure = createErasure({
    store: integrations,
    documents: store.documents,
    prove: (name, credentialId) => engine.prove(name, credentialId, 'once'),
    audit,
    now,
    sleep,
    log,
  })
  const promotion = createPromotion({
    store: integrations,
    outcomes: store.outcomes,
    followers,
    prove: (name, credentialId) => engine.prove(name, credentialId, 'patiently'),
    onProven: engine.adopt,
    onActiveRefused: erasure.unquiet,
    audit,
    now,
    log,
  })
  const staging = createStaging({
    store: integrations,
    intake,
    follow: followers.follow,
    now,
  })
  const { documents } = store
  const countdown = createCountdown({ store: integrations, documents, audit, now, sleep, log })
  return {
    promotion,
    erasure,
    staging,
    start() {
      erasure.start()
      countdown.start()
    },
    async stop() {
      await Promise.all([erasure.stop(), countdown.stop()])
    },
  }
}
