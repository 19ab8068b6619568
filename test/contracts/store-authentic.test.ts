/** The store with codes beside its records is the same store to whoever uses it. */
import t, { type Test } from 'tap'
import { createMacs } from '../../src/crypto/macs.ts'
import { authenticStore } from '../../src/store/integrity/authentic-store.ts'
import { createCorruptRecords } from '../../src/store/integrity/corrupt-records.ts'
import { createMacRequirement } from '../../src/store/integrity/mac-requirement.ts'
import { createSeenVersions } from '../../src/store/integrity/seen-versions.ts'
import type { Store } from '../../src/store/store.ts'
import { type OpenStore, openEmbedded } from '../support/store-engines.ts'
import { archiveSuite } from './store/archive.ts'
import { changesSuite } from './store/changes.ts'
import { custodySuite } from './store/custody.ts'
import { documentsSuite } from './store/documents.ts'
import { integrationsSuite } from './store/integrations.ts'
import { outcomesSuite } from './store/outcomes.ts'
import { sealsSuite } from './store/seals.ts'

const macs = createMacs([{ id: 'k', key: crypto.getRandomValues(new Uint8Array(32)) }])

function proven(t: Test, store: Store): Store {
  const seen = createSeenVersions()
  const fail = () => t.fail('every record was written here')
  const log = { error: fail }
  return authenticStore({
    ...{ store, macs, seen },
    corrupt: createCorruptRecords({ onMet: fail, log }),
    requirement: createMacRequirement({
      ...{ store, macs, mode: 'refuse', kinds: [], log },
      sealRequires: async () => false,
      monotonic: () => performance.now(),
    }),
    // What the suite restores is the past of a store as a whole.
    lookAtWhole: async () => seen.clear(),
  })
}

const open = async (test: Test = t): Promise<OpenStore> => {
  const opened = await openEmbedded(test)
  const store = proven(test, opened.store)
  return { ...opened, store, peer: store }
}

await integrationsSuite(t, open)
await outcomesSuite(t, open)
await custodySuite(t, open)
await documentsSuite(t, open)
await changesSuite(t, open)
await sealsSuite(t, open)
await archiveSuite(t, open)
