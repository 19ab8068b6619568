/** Composes the parts that count, watch and renew the seals of the store. */
import type { AuditLog } from '../audit/log.ts'
import { CONNECTION_KIND } from '../connections/connection-store.ts'
import type { Server } from '../http/server/server.ts'
import type { Core } from '../store/core.ts'
import { PROVEN_KINDS } from '../store/document-kinds.ts'
import type { MacRequirement } from '../store/integrity/mac-requirement.ts'
import type { Store } from '../store/store.ts'
import type { StoreEvents } from '../store/store-events.ts'
import { wakeByDocuments } from '../store/stream/wakes.ts'
import { createSingleFlight } from '../tokens/mint/single-flight.ts'
import { REVOCATION_KIND } from '../tokens/revoke/revocation-queue.ts'
import { createCensusTaker } from './census.ts'
import { createDataKeyMaintainer, type HeldDataKeys } from './data-keys/data-key-maintainer.ts'
import { DATA_KEYS } from './data-keys/data-key-record.ts'
import { createKeyringWatch } from './keyring-watch.ts'
import { createRecordProver } from './record-prover.ts'
import { createReplicas } from './replicas.ts'
import { RESEAL_JOBS } from './reseal-job.ts'
import { createResealer } from './resealer.ts'
import { registerKeyringRoutes } from './routes.ts'
import { createSealedRecords } from './sealed-records.ts'

export type KeyringCare = ReturnType<typeof composeKeyring>

export function composeKeyring(dependencies: {
  readonly core: Core<StoreEvents>
  /** The store of the engine. */
  readonly engine: Store
  readonly requirement: MacRequirement
  readonly dataKeys: HeldDataKeys
  readonly audit: Pick<AuditLog, 'background' | 'change'>
}) {
  const { core, engine, requirement, audit } = dependencies
  const { store, keyring, runtime, log } = core
  const { now, uniqueId } = runtime
  const kinds = PROVEN_KINDS
  const { underLock } = createSingleFlight({ locks: store.locks, uniqueId, log })
  const id = uniqueId().slice(0, 8)
  const replicas = createReplicas({ documents: store.documents, keyring, id, now })
  const fleet = { ...replicas, underLock }
  const prover = createRecordProver({
    ...{ store: engine, keyring, requirement, kinds, runtime, log },
    replicas: fleet,
  })
  const listings = createSealedRecords({
    ...{ store, kinds, prover },
    documents: { revocations: REVOCATION_KIND, connections: CONNECTION_KIND },
  })
  const census = createCensusTaker({ listings, keyring })
  const dataKeys = createDataKeyMaintainer({
    ...{ held: dependencies.dataKeys, documents: engine.documents, keyring, runtime, log },
  })
  wakeByDocuments(core, dataKeys, DATA_KEYS.kind)
  const resealer = createResealer({
    listings,
    documents: store.documents,
    replicas: fleet,
    keyring,
    rewrap: dataKeys.rewrap,
    ...{ audit, runtime, log },
  })
  wakeByDocuments(core, resealer, RESEAL_JOBS.kind)
  const watch = createKeyringWatch({ keyring, census, replicas, runtime, log })
  return {
    /** The replicas that are alive. */
    replicas: replicas.list,
    trouble: (): string | undefined => watch.trouble() ?? dataKeys.trouble(),
    /** Why records without a code are still accepted. Undefined: they are not. */
    unproven: (): string | undefined =>
      prover.waiting() ?? (requirement.stage() === 'a' ? UNPROVEN : undefined),
    /** Registers the routes behind the guard. */
    registerRoutes: (guarded: Server): void =>
      registerKeyringRoutes(guarded, { keyring, census, replicas, resealer, dataKeys, audit }),
    start(): void {
      watch.start()
      resealer.start()
      prover.start()
      dataKeys.start()
    },
    async stop(): Promise<void> {
      await Promise.all([watch.stop(), resealer.stop(), prover.stop(), dataKeys.stop()])
    },
  }
}

const UNPROVEN = 'records are being given the code that proves them'
