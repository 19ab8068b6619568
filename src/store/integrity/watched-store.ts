/** The store with authentication codes and a check of the whole. An unverified record is not used, and a store that lost its content does not answer "absent". */
import type { Keyring } from '../../crypto/keyring.ts'
import type { Events } from '../../runtime/events.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import { PROVEN_KINDS } from '../document-kinds.ts'
import { heardAtOnce } from '../heard-at-once.ts'
import { isIntegrationName } from '../keys.ts'
import type { Store } from '../store.ts'
import type { StoreEvents } from '../store-events.ts'
import { authenticStore } from './authentic-store.ts'
import { type CorruptRecord, createCorruptRecords } from './corrupt-records.ts'
import { guardStore } from './guarded.ts'
import {
  createMacRequirement,
  type MacRequirement,
  type MacRequirementDependencies,
  type UnprovenMode,
} from './mac-requirement.ts'
import { INTEGRATION } from './record-mac.ts'
import { isCorrupt } from './record-schema.ts'
import { createSeenVersions } from './seen-versions.ts'
import type { StoreIntegrity } from './store-integrity.ts'
import { createStoreWatch, type StoreWatch } from './store-watch.ts'

export interface WatchedState {
  readonly integrity: StoreIntegrity
  /** In Redis's terms; undefined: unknown. */
  readonly evictionPolicy: string | undefined
  /** One line with the remedy. Undefined: there is no failure. */
  readonly trouble: string | undefined
  /** Number of unusable records that were found. */
  readonly corrupt: number
}

export interface WatchedStore {
  readonly store: Store
  /** Whether records need a code. */
  readonly requirement: MacRequirement
  state(): WatchedState
  /** Unusable records that this replica found. */
  corrupt(): readonly CorruptRecord[]
  readonly accept: StoreWatch['accept']
  /** Whether a single record went back to an older version. */
  rolledBack(): boolean
  /** Erases a record that does not verify. `verifies`: the record is valid and stays. */
  erase(kind: string, name: string): Promise<'erased' | 'verifies' | 'absent'>
  start(): void
  stop(): Promise<void>
}

interface WatchedStoreDependencies extends Pick<MacRequirementDependencies, 'sealRequires'> {
  /** The store of the engine. */
  readonly store: Store
  readonly macs: Keyring['macs']
  readonly unproven: UnprovenMode
  readonly events: Events<StoreEvents>
  readonly runtime: Runtime
  readonly log: Log
}

export function watchStore(dependencies: WatchedStoreDependencies): WatchedStore {
  const { store: engine, macs, unproven, sealRequires, events, runtime, log } = dependencies
  const requirement = createMacRequirement({
    ...{ store: engine, macs, mode: unproven, kinds: PROVEN_KINDS, sealRequires, log },
    monotonic: runtime.monotonic,
  })
  const corrupt = createCorruptRecords({
    onMet: (record) => events.emit('record.corrupt', record),
    log,
  })
  const seen = createSeenVersions()
  const proven = authenticStore({
    ...{ store: engine, macs, requirement, corrupt, seen },
    lookAtWhole: () => watch.look(),
  })
  const watch = createStoreWatch({
    ...{ store: proven, runtime, events, log },
    onOtherContent({ isAccepted }) {
      seen.clear()
      corrupt.forget('rolled_back')
      if (isAccepted) requirement.reset()
    },
  })
  const guarded = guardStore(proven, { check: watch.check, isSeen: seen.isWatched })
  const erase: WatchedStore['erase'] = async (kind, name) => {
    const isIntegration = kind === INTEGRATION
    const { integrations, documents, archive } = proven
    if (isIntegration && !isIntegrationName(name)) return 'absent'
    try {
      const found = await (isIntegration ? integrations.read(name) : documents.read(kind, name))
      if (!found) return 'absent'
      // It may verify, and have a body that is not usable.
      if (!corrupt.has(kind, name)) return 'verifies'
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
    store: { ...guarded, outcomes: heardAtOnce(guarded.outcomes, events) },
    requirement,
    state: () => ({
      integrity: watch.integrity(),
      evictionPolicy: engine.evictionPolicy(),
      trouble: engine.trouble(),
      corrupt: corrupt.current().length,
    }),
    corrupt: corrupt.current,
    accept: watch.accept,
    rolledBack: () => corrupt.current().some(({ why }) => why === 'rolled_back'),
    erase,
    start: watch.start,
    stop: watch.stop,
  }
}
