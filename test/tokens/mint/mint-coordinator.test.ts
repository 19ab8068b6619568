import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import { createMintCoordinator } from '../../../src/tokens/mint/mint-coordinator.ts'
import type { MintRecords } from '../../../src/tokens/mint/opened-integration.ts'
import type { Entry } from '../../../src/tokens/serve/lease-cache.ts'
import { entryOf, integrationOf, leaseOf } from '../../support/integrations.ts'
import { testBreaker, testLogins } from '../../support/logins.ts'
import { partOf } from '../../support/part.ts'
import { testRuntime } from '../../support/runtime.ts'

const entryWith = (uid: string) => entryOf({ integration: integrationOf({ uid }) })
const lease = leaseOf()
const BY = { principal: 'test', requestId: 'r' }

/** One whose mints fail as often as told, and what each was given to begin with. */
function coordinatorOver(
  stored: Entry,
  failures: number,
  { breaker = testBreaker(), isLocked = (): boolean => false, charged = [] as unknown[] } = {},
) {
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
    breaker,
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
      async charge(_integration, _subject, share, amounts) {
        charged.push([share, amounts])
      },
      async subjectOf({ uid }) {
        subjects.push(uid)
        return undefined
      },
    },
    flights: {
      join: (_key, work) => ({ result: work(), joined: false }),
      readUnderLock: async (_name, read, work) =>
        isLocked() ? undefined : { result: await work(await read()) },
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

t.test(
  'a probe does not wait for the lock of a login that hangs, and is the only one',
  async (t) => {
    let time = 0
    const breaker = testBreaker({ monotonic: () => time })
    const entry = entryWith('u')
    const { run, began } = coordinatorOver(entry, 0, { breaker, isLocked: () => true })
    breaker.ended(entry.integration, 0, new BrokerError('salesforce_timeout', 'It hangs'))
    await t.rejects(run(entry), { code: 'salesforce_unavailable', retryAfterMs: 1_000 })
    t.equal(began.length, 0, 'nobody was asked')
    time = 1_000
    const [probe, other] = [run(entry), run(entry)]
    await t.rejects(other, { code: 'salesforce_unavailable' })
    t.match(await probe, { lease: { tokenId: 't' }, isFresh: true })
    t.equal(began.length, 1)
    t.notOk(breaker.isResting(entry.integration))
  },
)

t.test('a probe is charged by its result', async (t) => {
  let time = 0
  const charged: unknown[] = []
  const breaker = testBreaker({ monotonic: () => time })
  const entry = entryWith('u')
  const { run } = coordinatorOver(entry, 1, { breaker, charged })
  breaker.ended(entry.integration, 0, new BrokerError('salesforce_unavailable', 'away'))
  time = 1_000
  await t.rejects(run(entry), { code: 'salesforce_unavailable' })
  time = 3_000
  await run(entry)
  t.same(charged, [[undefined, { own: 1, user: 1 }]], 'the one that got a token')
})
