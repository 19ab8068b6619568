/** Wires what promotes and erases credentials. */
import type { AuditLog } from '../audit/log.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import type { Logger } from '../logger.ts'
import { createErasure, type Erasure } from '../rotation/erasure.ts'
import { createPromotion, type Promotion } from '../rotation/promotion.ts'
import type { Store } from '../store/store.ts'
import type { LeaseEngine } from './lease-engine.ts'

export interface Rotation {
  readonly promotion: Promotion
  readonly erasure: Erasure
}

export interface RotationDependencies {
  readonly integrations: IntegrationStore
  readonly store: Store
  readonly engine: Pick<LeaseEngine, 'prove' | 'adopt'>
  readonly audit: Pick<AuditLog, 'background'>
  readonly log: Logger
  readonly now: () => number
  /** Ends early, without a failure, when the signal does. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

export function composeRotation(dependencies: RotationDependencies): Rotation {
  const { integrations, store, engine, audit, log, now, sleep } = dependencies
  const erasure = createErasure({
    store: integrations,
    documents: store.documents,
    prove: engine.prove,
    audit,
    now,
    sleep,
    log,
  })
  const promotion = createPromotion({
    store: integrations,
    outcomes: store.outcomes,
    prove: engine.prove,
    onProven: engine.adopt,
    onActiveRefused: erasure.unquiet,
    audit,
    now,
    log,
  })
  return { promotion, erasure }
}
