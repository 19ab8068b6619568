/** Wires what counts, watches and renews the seals of the store. */

import type { AuditLog } from '../audit/log.ts'
import { CONNECTION_KIND } from '../connections/connection-store.ts'
import type { Keyring } from '../crypto/keyring.ts'
import type { Server } from '../http/server/server.ts'
import { createCensusTaker } from '../keyring/census.ts'
import { createKeyringWatch, type KeyringWatch } from '../keyring/keyring-watch.ts'
import { createRecordProver } from '../keyring/record-prover.ts'
import { createReplicas } from '../keyring/replicas.ts'
import { createResealJobs } from '../keyring/reseal-job.ts'
import { createResealer } from '../keyring/resealer.ts'
import { registerKeyringRoutes } from '../keyring/routes.ts'
import { createSealedRecords } from '../keyring/sealed-records.ts'
import type { Logger } from '../logger/logger.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { PROVEN_KINDS } from '../store/document-kinds.ts'
import type { MacRequirement } from '../store/integrity/mac-requirement.ts'
import type { Store } from '../store/store.ts'
import { createSingleFlight } from '../tokens/mint/single-flight.ts'
import { REVOCATION_KIND } from '../tokens/revoke/revocation-queue.ts'

export interface KeyringCare {
  readonly trouble: KeyringWatch['trouble']
  /** Why records that nothing proves are still accepted; undefined where they are not. */
  readonly unproven: () => string | undefined
  /** Behind the guard. */
  registerRoutes(guarded: Server): void
  start(): void
  stop(): Promise<void>
}

export interface KeyringCareDependencies {
  readonly keyring: Keyring
  readonly store: Store
  /** As the engine gives it. */
  readonly engine: Store
  readonly requirement: MacRequirement
  readonly audit: Pick<AuditLog, 'background' | 'change'>
  readonly runtime: Runtime
  readonly log: Logger
}

export function composeKeyring(dependencies: KeyringCareDependencies): KeyringCare {
  const { keyring, store, engine, requirement } = dependencies
  const { audit, runtime, log } = dependencies
  const { now, uniqueId } = runtime
  const { keyIds } = keyring
  const kinds = PROVEN_KINDS
  const { underLock } = createSingleFlight({ locks: store.locks, uniqueId, log })
  const id = uniqueId().slice(0, 8)
  const replicas = createReplicas({ documents: store.documents, keyIds, id, now })
  const prover = createRecordProver({
    ...{ store: engine, keyring, requirement, kinds, replicas, underLock, runtime, log },
  })
  const listings = createSealedRecords({
    ...{ store, kinds, prover },
    documents: { revocations: REVOCATION_KIND, connections: CONNECTION_KIND },
  })
  const census = createCensusTaker({ listings, keyIds })
  const resealer = createResealer({
    listings,
    jobs: createResealJobs(store.documents),
    replicas,
    keyring,
    ...{ underLock, audit, runtime, log },
  })
  const watch = createKeyringWatch({ keyring, census, replicas, runtime, log })
  return {
    trouble: watch.trouble,
    unproven: () => prover.waiting() ?? (requirement.stage() === 'a' ? UNPROVEN : undefined),
    registerRoutes: (guarded) =>
      registerKeyringRoutes(guarded, { keyring, census, replicas, resealer, audit }),
    start() {
      watch.start()
      resealer.start()
      prover.start()
    },
    async stop() {
      await Promise.all([watch.stop(), resealer.stop(), prover.stop()])
    },
  }
}

const UNPROVEN = 'records are being given the code that proves them'
