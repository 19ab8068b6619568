import t from 'tap'
import { createIndexer } from '../../../src/integrations/listing/indexer.ts'
import { entryOf, UNUSABLE_ENTRY } from '../../../src/integrations/state.ts'
import { createEvents } from '../../../src/runtime/events.ts'
import type { EntryWrite } from '../../../src/store/listing/listing-index.ts'
import type { StoreEvents } from '../../../src/store/store-events.ts'
import { eventually } from '../../support/eventually.ts'
import { integrationOf } from '../../support/integrations.ts'
import { testLog, testRuntime } from '../../support/runtime.ts'

t.test('those who ask at the same time share one look', async (t) => {
  let looks = 0
  const written: EntryWrite[] = []
  const indexer = createIndexer({
    listing: {
      async stale() {
        looks += 1
        const items = written.length === 0 ? [{ name: 'a', mark: 1 }] : []
        return { isWhole: true, items, nextInMs: Number.POSITIVE_INFINITY }
      },
      async put(writes) {
        written.push(...writes)
      },
      build: async () => true,
    },
    read: async () => undefined,
    entryOf: async () => {
      throw new Error('there is none')
    },
    ...{ events: createEvents<StoreEvents>(), runtime: testRuntime(), log: testLog() },
  })
  await Promise.all([indexer.catchUp(), indexer.catchUp(), indexer.catchUp()])
  t.equal(looks, 1)
  t.same(written, [{ name: 'a', mark: 1, entry: null }])
  await indexer.catchUp()
  t.equal(looks, 2)
})

t.test(
  'it looks again at the instant of a new entry, and once in five minutes without one',
  async (t) => {
    const pauses: number[] = []
    let looks = 0
    const indexer = createIndexer({
      listing: {
        async stale() {
          looks += 1
          const items = looks === 1 ? [{ name: 'a', mark: 1 }] : []
          return { isWhole: true, items, nextInMs: Number.POSITIVE_INFINITY }
        },
        put: async () => undefined,
        build: async () => true,
      },
      read: async () => integrationOf(),
      entryOf: async () => ({ ...UNUSABLE_ENTRY, turnsAt: 41_000 }),
      events: createEvents<StoreEvents>(),
      runtime: testRuntime({
        now: () => 1_000,
        async sleep(ms) {
          pauses.push(ms)
          await new Promise((resolve) => setImmediate(resolve))
        },
      }),
      log: testLog(),
    })
    indexer.start()
    await eventually(() => looks >= 4)
    await indexer.stop()
    t.same(pauses.slice(0, 3), [40_000, 300_000, 300_000])
  },
)

t.test('a refusal without a reason, or with a long one, has a group', async (t) => {
  const facts = {
    ...{ isUnconnected: false, leaseUntil: undefined, hasOtherIdentity: false, hasSubject: true },
  }
  const groupsOf = (reason: string) =>
    entryOf(
      integrationOf(),
      { ...facts, refusal: { until: 2, isPropagating: false, reason } },
      1,
    ).groups.filter((group) => group.startsWith('refusal/'))
  t.same(groupsOf(''), ['refusal/unknown'])
  t.same(groupsOf('x'.repeat(999)), [`refusal/${'x'.repeat(64)}`])
})
