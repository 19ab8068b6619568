/** The listing index against a look at each integration, after changes of every kind in any order. */
import fc from 'fast-check'
import type { Static } from 'typebox'
import type { ListQuery } from '../../../src/integrations/schemas/schemas.ts'
import { STATES } from '../../../src/integrations/status.ts'
import type { EntryWrite } from '../../../src/store/listing/listing-index.ts'
import { eachEngine } from '../../support/store-engines.ts'
import { ANYBODY, createListingWorld } from './world.ts'

type World = Awaited<ReturnType<typeof createListingWorld>>
type Step = readonly [what: string, run: (world: World) => Promise<unknown>]

const DAY_MS = 86_400_000
const NAMES = ['a', 'a-b', 'b', 'crm-1', 'crm-2']
const name = fc.constantFrom(...NAMES)
const life = fc.constantFrom(30, 400, 3_600_000)
const labels = fc.constantFrom({}, { team: 'a' }, { team: 'b', tier: '1' })

const shape = fc.record({
  enabled: fc.constantFrom(true, true, true, false),
  labels,
  hasCredential: fc.constantFrom(true, true, true, false),
  usesRefreshToken: fc.constantFrom(false, false, true),
  certificateEndsIn: fc.constantFrom(-DAY_MS, DAY_MS, 40 * DAY_MS),
})

const step = (what: string, run: (world: World) => Promise<unknown>): Step => [what, run]

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(name, shape).map(([of, as]) => step(`put ${of}`, (w) => w.put(of, as))),
  fc.tuple(name, shape).map(([of, as]) => step(`put ${of}`, (w) => w.put(of, as))),
  name.map((of) => step(`remove ${of}`, (w) => w.remove(of))),
  name.map((of) => step(`erase ${of}`, (w) => w.erase(of))),
  fc
    .tuple(name, life, fc.boolean())
    .map(([of, ms, first]) => step(`mint ${of} ${ms} ${first}`, (w) => w.mint(of, ms, first))),
  fc
    .tuple(name, fc.constantFrom('propagating' as const, 'permanent' as const), life)
    .map(([of, kind, ms]) => step(`refuse ${of} ${kind} ${ms}`, (w) => w.refuse(of, kind, ms))),
  name.map((of) => step(`forget ${of}`, (w) => w.forget(of))),
  name.map((of) => step(`revoke ${of}`, (w) => w.revoke(of))),
  name.map((of) => step(`drop ${of}`, (w) => w.drop(of))),
  fc.tuple(name, fc.boolean()).map(([of, is]) => step(`see ${of} ${is}`, (w) => w.see(of, is))),
  fc
    .tuple(name, fc.boolean())
    .map(([of, is]) => step(`connect ${of} ${is}`, (w) => w.connect(of, is))),
  fc.constantFrom(10, 50, 500).map((ms) => step(`pass ${ms}`, (w) => w.pass(ms))),
  fc.constant(step('keep', (w) => w.indexer.catchUp())),
)

/** An indexer that reads and decides, and writes only when the test says so, or never. */
function lateIndexer(world: World, listing: Parameters<World['indexerOn']>[0]) {
  const held: (readonly EntryWrite[])[] = []
  const indexer = world.indexerOn({
    ...listing,
    async put(writes) {
      held.push(writes)
    },
  })
  return {
    decide: async () => {
      const { items } = await listing.stale(100)
      if (items.length > 0) await indexer.catchUp()
    },
    async writeLate() {
      for (const writes of held.splice(0)) await listing.put(writes)
    },
  }
}

const QUERIES: readonly Static<typeof ListQuery>[] = [
  ...STATES.map((state) => ({ state })),
  { label: 'team:a' },
  { label: 'team:b', state: 'ready' as const },
  { certificate_expires_before: new Date(Date.now() + 7 * DAY_MS).toISOString() },
  { limit: 2, label: 'tier:1' },
]

const ask = async (listing: World['indexed'], query: Static<typeof ListQuery>) => {
  const { items, nextCursor } = await listing.page(query, ANYBODY)
  return { names: items.map((item) => item.name), nextCursor }
}

/** The index answers like the scan. Where the state changes by time between the two, they are asked again. */
async function compare(world: World) {
  await world.learnTime()
  for (const query of QUERIES) {
    for (let tries = 0; ; tries += 1) {
      const before = JSON.stringify(await ask(world.scanned, query))
      const found = JSON.stringify(await ask(world.indexed, query))
      const after = JSON.stringify(await ask(world.scanned, query))
      if (found === before || found === after) break
      if (before === after || tries > 20) {
        throw new Error(`${JSON.stringify(query)}: the index says ${found}, the scan ${after}`)
      }
    }
  }
}

eachEngine(async (t, open) => {
  const { engine } = await open(t)
  await t.test('the index never lies', async (t) => {
    let pages = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(steps, fc.constantFrom('', '', 'decide', 'late')), {
          minLength: 10,
          maxLength: 30,
        }),
        async (run) => {
          const opened = await open(t)
          const world = await createListingWorld(opened)
          const late = lateIndexer(world, opened.store.listing)
          for (const [[, act], also] of run) {
            await world.learnTime()
            if (also === 'decide') await late.decide()
            await act(world)
            if (also === 'late') await late.writeLate()
            if (engine === 'embedded' || also !== '') {
              await compare(world)
              pages += QUERIES.length
            }
          }
          await compare(world)
          await world.learnTime()
          await world.indexer.catchUp()
          const { listing } = opened.store
          const { groups } = await listing.counts('state', 100)
          const total = groups.reduce((sum, { count }) => sum + count, 0)
          t.equal(total, (await opened.store.integrations.list({ limit: 100 })).items.length)
        },
      ),
      { numRuns: engine === 'embedded' ? 40 : 12, endOnFailure: true },
    )
    t.ok(pages > 100, `${pages} pages were compared`)
  })
})
