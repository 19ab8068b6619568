/** Wires the store with the codes of its records, and with the watch over it: what does not verify is not used, and what is not found in a store that lost its content is not said to be absent. */

import type { Keyring } from '../crypto/keyring.ts'
import type { Server } from '../http/server/server.ts'
import { sealRequiresCodes } from '../integrations/integration-store.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { PROVEN_KINDS } from '../store/document-kinds.ts'
import { guardStore } from '../store/guarded.ts'
import { heardAtOnce } from '../store/heard-at-once.ts'
import { authenticStore } from '../store/integrity/authentic-store.ts'
import { type CorruptRecord, createCorruptRecords } from '../store/integrity/corrupt-records.ts'
import {
  createMacRequirement,
  type MacRequirement,
  type UnprovenMode,
} from '../store/integrity/mac-requirement.ts'
import { INTEGRATION } from '../store/integrity/record-mac.ts'
import { isCorrupt } from '../store/integrity/record-schema.ts'
import { createSeenVersions } from '../store/integrity/seen-versions.ts'
import { createStoreWatch, type StoreWatchDependencies } from '../store/integrity/store-watch.ts'
import { isIntegrationName } from '../store/keys.ts'
import type { Change, Store } from '../store/store.ts'
import type { StoreState } from './readiness.ts'
import { registerStoreRoutes, type StoreRouteDependencies } from './routes.ts'

export interface WatchedStore {
  readonly store: Store
  /** Whether records need a code. */
  readonly requirement: MacRequirement
  state(): Omit<StoreState, 'age'>
  /** Records that this replica met and may not use. */
  corrupt(): readonly CorruptRecord[]
  /** `POST /store/accept`; behind the guard. */
  registerRoutes(guarded: Server, of: Pick<StoreRouteDependencies, 'audit' | 'acceptAge'>): void
  start(): void
  stop(): Promise<void>
}

export interface WatchedStoreDependencies extends Omit<StoreWatchDependencies, 'store'> {
  /** As the engine gives it. */
  readonly store: Store
  readonly keyring: Pick<Keyring, 'macs' | 'open'>
  readonly unproven: UnprovenMode
  /** A record was met that may not be used. Must not throw. */
  readonly onCorrupt: (record: CorruptRecord) => void
  readonly runtime: Runtime
  /** This replica changed an outcome. Must not throw. */
  readonly onOutcome: (change: Change) => void
}

export function watchStore(dependencies: WatchedStoreDependencies): WatchedStore {
  const { store: engine, keyring, unproven, onCorrupt, runtime, onOutcome } = dependencies
  const { macs } = keyring
  const { log, onRewound } = dependencies
  const requirement = createMacRequirement({
    ...{
      store: engine,
      macs,
      mode: unproven,
      kinds: PROVEN_KINDS,
      monotonic: runtime.monotonic,
      log,
    },
    sealRequires: (record) => sealRequiresCodes(keyring, record),
  })
  const corrupt = createCorruptRecords({ onMet: onCorrupt, log })
  const seen = createSeenVersions()
  const proven = authenticStore({
    ...{ store: engine, macs, requirement, corrupt, seen },
    lookAtWhole: () => watch.look(),
  })
  const watch = createStoreWatch({
    ...{ store: proven, runtime, log },
    ...(onRewound && { onRewound }),
    onOtherContent({ isAccepted }) {
      seen.clear()
      corrupt.forget('rolled_back')
      if (isAccepted) requirement.reset()
    },
  })
  const guarded = guardStore(proven, watch.check)
  const rolledBack = () => corrupt.current().some(({ why }) => why === 'rolled_back')
  const erase = async (kind: string, name: string) => {
    const isIntegration = kind === INTEGRATION
    const { integrations, documents, archive } = proven
    if (isIntegration && !isIntegrationName(name)) return 'absent'
    try {
      const found = await (isIntegration ? integrations.read(name) : documents.read(kind, name))
      return found ? 'verifies' : 'absent'
    } catch (error) {
      if (!isCorrupt(error)) throw error
    }
    const erased = await (isIntegration
      ? archive.eraseIntegration(name)
      : archive.eraseDocument(kind, name))
    corrupt.over(kind, name)
    return erased ? 'erased' : 'absent'
  }
  return {
    store: { ...guarded, outcomes: heardAtOnce(guarded.outcomes, onOutcome) },
    requirement,
    state: () => ({
      standing: watch.standing(),
      evictionPolicy: engine.evictionPolicy(),
      trouble: engine.trouble(),
      corrupt: corrupt.current().length,
    }),
    corrupt: corrupt.current,
    registerRoutes: (server, of) =>
      registerStoreRoutes(server, { accept: watch.accept, rolledBack, erase, ...of }),
    start: watch.start,
    stop: watch.stop,
  }
}
