import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import { createMintCoordinator } from '../../../src/tokens/mint/mint-coordinator.ts'
import type { MintRecords } from '../../../src/tokens/mint/opened-integration.ts'
import type { Entry } from '../../../src/tokens/serve/lease-cache.ts'
import { entryOf, integrationOf, leaseOf } from '../../support/integrations.ts'
import { testLogins } from '../../support/logins.ts'
import { partOf } from '../../support/part.ts'
import { testRuntime } from '../../support/runtime.ts'

const entryWith = (uid: string) => entryOf({ integration: integrationOf({ uid }) })
const lease = leaseOf()
const BY = { principal: 'test', requestId: 'r' }

/** One whose mints fail as often as told, and what each was given to begin with. */
function coordinatorOver(stored: Entry, failures: number) {
  const began: (MintRecords | undefined)[] = []
  const subjects: string[] = []
  const records = partOf<MintRecords>({ owner: undefined })
  const logins = testLogins(
    {
      read: async () => records,
      async mint(_name, _options, given) {
        began.push(await given)
        if (began.length <= failures) throw new BrokerError('salesforce_unavailable', 'away')
        return lease
      },
    },
    { now: () => 0, sleep: async () => undefined },
  )
  const saved = { saved: true, orev: 2, rev: 2 } as const
  const none = { look: async () => undefined, changed: async () => undefined }
  const nothing = async () => undefined
  const coordinator = createMintCoordinator({
    records: {
      ...none,
      require: async () => stored,
      save: async () => saved,
      remember: nothing,
      forgetRefusal: nothing,
      saveRefusal: nothing,
      saveLife: () => Promise.reject(new Error('It is not expected')),
      saveStillLive: () => Promise.reject(new Error('It is not expected')),
      adopt: nothing,
    },
    logins: {
      ...logins,
      async subjectOf({ uid }) {
        subjects.push(uid)
        return undefined
      },
    },
    flights: {
      join: (_key, work) => ({ result: work(), joined: false }),
      readUnderLock: async (_name, read, work) => ({ result: await work(await read()) }),
    },
    degraded: { lease: () => undefined, keep: () => undefined, forget: () => undefined },
    revoker: { endDead: nothing, bury: nothing },
    audit: { minted: () => undefined, refused: () => undefined, unconfirmed: () => undefined },
    runtime: testRuntime({ now: () => 0 }),
  })
  const run = (asked: Entry) => coordinator.run(asked, { kind: 'need', minTtlMs: 0 }, BY).result
  return { run, began, subjects, records }
}

t.test(
  'a mint begins with what was read under the lock, and reads anew when it is tried again',
  async (t) => {
    const { run, began, subjects, records } = coordinatorOver(entryWith('u'), 1)
    t.match(await run(entryWith('u')), { lease: { tokenId: 't' }, isFresh: true, isSaved: true })
    t.same(began, [records, undefined])
    t.same(subjects, ['u'], 'whom it acts as is read once')
  },
)

t.test('nothing that was read for the integration of that name before is used', async (t) => {
  const { run, began, subjects } = coordinatorOver(entryWith('made anew'), 0)
  await run(entryWith('removed'))
  t.same(began, [undefined])
  t.same(subjects, ['removed', 'made anew'])
})
