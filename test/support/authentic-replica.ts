/** Replicas that share one store, each with what it alone has seen of it. */
import { createMacs } from '../../src/crypto/macs.ts'
import { authenticStore } from '../../src/store/integrity/authentic-store.ts'
import {
  type CorruptRecord,
  type CorruptRecords,
  createCorruptRecords,
} from '../../src/store/integrity/corrupt-records.ts'
import {
  createMacRequirement,
  type UnprovenMode,
} from '../../src/store/integrity/mac-requirement.ts'
import { createSeenVersions } from '../../src/store/integrity/seen-versions.ts'
import type { Store } from '../../src/store/store.ts'
import type { OpenStore } from './store-engines.ts'

const newKey = (id: string) => ({ id, key: crypto.getRandomValues(new Uint8Array(32)) })
/** Sealing keys. */
export const [first, second] = [newKey('first'), newKey('second')]

export interface Replica {
  readonly store: Store
  readonly met: CorruptRecord[]
  readonly corrupt: CorruptRecords
  readonly requirement: ReturnType<typeof createMacRequirement>
  /** Called before a record is called rolled back. */
  lookAtWhole: () => void
  clear(): void
}

export function replicaOf(
  { peer }: OpenStore,
  { keys = [first], mode = 'migrate' as UnprovenMode, kinds = ['api-key', 'store'] } = {},
): Replica {
  const macs = createMacs(keys)
  const met: CorruptRecord[] = []
  const corrupt = createCorruptRecords({
    onMet: (record) => met.push(record),
    log: { error: () => undefined },
  })
  const seen = createSeenVersions()
  const requirement = createMacRequirement({
    ...{ store: peer, macs, mode, kinds, monotonic: () => performance.now() },
    sealRequires: async () => false,
    log: { error: () => undefined },
  })
  const replica: Replica = {
    store: authenticStore({
      ...{ store: peer, macs, requirement, corrupt, seen },
      lookAtWhole: async () => replica.lookAtWhole(),
    }),
    ...{ met, corrupt, requirement, lookAtWhole: () => undefined, clear: seen.clear },
  }
  return replica
}

/** One that requires codes. */
export async function strict(open: OpenStore): Promise<Replica> {
  const replica = replicaOf(open)
  await replica.requirement.require({ isComplete: true })
  return replica
}
