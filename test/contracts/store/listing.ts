import fc from 'fast-check'
import { type IndexEntry, STALE_MAX } from '../../../src/store/listing/listing-index.ts'
import type { Store } from '../../../src/store/store.ts'
import { content, eventually, lease, type StoreSuite } from '../../support/store-engines.ts'

const HOUR_MS = 3_600_000

const entry = (groups: readonly string[], parts: Partial<IndexEntry> = {}): IndexEntry => ({
  ...{ groups, isSteady: false, turnsAt: null, certificateEndsAt: null },
  ...parts,
})

const ALL = { groups: [], prefix: '', limit: 1_000 }

const staleNames = async ({ listing }: Store) =>
  (await listing.stale(1_000)).items.map(({ name }) => name).sort()

/** Gives each integration the entry of the function, until nothing is stale. */
async function keep({ listing }: Store, entryOf: (name: string) => IndexEntry | null) {
  await eventually(async () => {
    const { isWhole, items } = await listing.stale(100)
    await listing.put(items.map((item) => ({ ...item, entry: entryOf(item.name) })))
    return items.length === 0 && (isWhole || (await listing.build()))
  })
}

export const listingSuite: StoreSuite = async (t, open) => {
  await t.test('each change that may make an entry wrong marks it', async (t) => {
    const { store, peer } = await open(t)
    const { listing } = store
    const until = (await store.now()) + HOUR_MS
    let orev = 0
    const save = async (change: Parameters<Store['outcomes']['save']>[2]) => {
      const saved = await store.outcomes.save('a', { uid: 'u', orev }, change)
      if (saved.saved) orev = saved.orev
      return saved.saved
    }
    const write = (kind: string, id = 'a') =>
      store.documents.write(kind, id, '{}', { expected: 'any' })
    const begin = (expected: string | null, family: string, token: string) =>
      store.custody.begin('a', {
        ...{ uid: 'u', expected, family, token, reason: '', body: '{}', lookInMs: HOUR_MS },
      })
    const refusal = { body: '{}', version: 1, until }
    const aLease = (tokenId: string) => lease({ tokenId, expiresAt: until })
    const archived = {
      ...{ name: 'a', uid: 'u', version: 1, ...content(), custody: null },
    }
    const steps: readonly [string, isSteady: boolean, isMarked: boolean, () => Promise<unknown>][] =
      [
        ['created', true, true, () => store.integrations.create('a', 'u', content())],
        ['the first lease', false, true, () => save({ lease: aLease('T1') })],
        ['a lease where it changes nothing', true, false, () => save({ lease: aLease('T2') })],
        ['a refusal', true, true, () => save({ refusal })],
        ['a refusal that ends', false, true, () => store.outcomes.forgetRefusal('a')],
        [
          'a lease after a refusal',
          false,
          true,
          () => save({ lease: aLease('T3'), refusal: null }),
        ],
        [
          'a lease with a document',
          true,
          true,
          () =>
            save({
              lease: aLease('T4'),
              documents: [{ kind: 'subject', id: 'a', expected: 'absent', body: '{}' }],
            }),
        ],
        ['another kind of document', true, false, () => write('callers')],
        ['an identity', true, true, () => write('identity')],
        ['no identity', true, true, () => store.documents.remove('identity', 'a', 'any')],
        ['a subject that is erased', true, true, () => store.archive.eraseDocument('subject', 'a')],
        ['a revoked token', false, true, () => store.outcomes.revoke('T4', until)],
        ['a connection', true, true, () => begin(null, 'f1', 'token')],
        [
          'a lost connection',
          true,
          true,
          () => store.custody.kill('a', { family: 'f1', g: 0, id: '', reason: 'disconnected' }),
        ],
        ['a connection after another', false, true, () => begin('f1', 'f2', 'token')],
        [
          'changed',
          true,
          true,
          () =>
            store.integrations.change('a', { uid: 'u', version: 1 }, content({ digests: ['d2'] })),
        ],
        [
          'restored',
          true,
          true,
          () => store.archive.putIntegrations([archived], { id: 'i', lookInMs: HOUR_MS }),
        ],
        [
          'a restored document',
          true,
          true,
          () => store.archive.putDocuments('identity', [{ id: 'a', body: '{}', expiresAt: null }]),
        ],
        ['erased', true, true, () => store.archive.eraseIntegration('a')],
      ]
    for (const [what, isSteady, isMarked, step] of steps) {
      // In the order of the steps.
      const before = await store.outcomes.look('a')
      orev = before?.integration.orev ?? 0
      await keep(store, () => entry(['state/ready'], { isSteady }))
      if (before) {
        await listing.mark(['a'])
        await keep(store, () => entry(['state/ready'], { isSteady }))
      }
      t.ok(await step(), what)
      t.equal((await staleNames(peer)).includes('a'), isMarked, `${what}: marked`)
    }
    await keep(store, () => null)
    t.same(await listing.groupsOf(['a']), [undefined])
    t.same(await listing.counts('state', 9), { groups: [], total: 0 })
  })

  await t.test('an entry is not replaced after a change that its writer did not see', async (t) => {
    const { store, peer } = await open(t)
    await store.integrations.create('a', 'u', content())
    const [seen] = (await store.listing.stale(1)).items
    if (!seen) throw new Error('it is not marked')
    await peer.integrations.change('a', { uid: 'u', version: 1 }, content())
    await store.listing.put([{ ...seen, entry: entry(['state/outdated']) }])
    t.same(await staleNames(store), ['a'])
    t.same(await store.listing.groupsOf(['a']), [undefined])
    await keep(peer, () => entry(['state/ready']))
    // Neither is one that another indexer has replaced meanwhile.
    await store.listing.put([{ ...seen, entry: entry(['state/outdated']) }])
    t.same(await store.listing.groupsOf(['a', 'none']), [['state/ready'], undefined])
    t.same(await store.listing.counts('state', 9), {
      groups: [{ group: 'state/ready', count: 1 }],
      total: 1,
    })
  })

  await t.test('an entry turns stale at its time', async (t) => {
    const { store, pass } = await open(t)
    await store.integrations.create('a', 'u', content())
    const turnsAt = (await store.now()) + 500
    await keep(store, () => entry(['state/refused'], { turnsAt }))
    t.ok((await store.listing.stale(1)).nextInMs <= 500)
    t.match(await store.listing.select({ ...ALL, groups: ['state/refused'] }), { stale: [] })
    await pass(600)
    t.match(await store.listing.select({ ...ALL, groups: ['state/ready'] }), {
      names: [],
      stale: ['a'],
    })
    await keep(store, () => entry(['state/ready']))
    t.match(await store.listing.select({ ...ALL, groups: ['state/ready'] }), {
      names: ['a'],
      stale: [],
    })
    t.equal((await store.listing.stale(1)).nextInMs, Number.POSITIVE_INFINITY)
  })

  await t.test('it does not answer while too many entries are stale', async (t) => {
    const { store } = await open(t)
    for (let at = 0; at <= STALE_MAX; at += 1) {
      await store.integrations.create(`n${at}`, 'u', content())
    }
    t.equal(await store.listing.select(ALL), undefined)
    const [first] = (await store.listing.stale(1)).items
    t.equal((await store.listing.stale(1)).nextInMs, 0)
    if (first) await store.listing.put([{ ...first, entry: entry(['state/ready']) }])
    t.equal((await store.listing.select(ALL))?.stale.length, STALE_MAX)
  })

  await t.test('a rebuild empties the index, and marks all that has a record', async (t) => {
    const { store, peer } = await open(t)
    for (const name of ['a', 'b', 'c']) await store.integrations.create(name, 'u', content())
    await keep(store, (name) => entry([`state/${name}`]))
    t.same(await staleNames(store), [])
    await store.listing.rebuild()
    t.same(await peer.listing.groupsOf(['a']), [undefined])
    t.same(await peer.listing.counts('state', 9), { groups: [], total: 0 })
    await eventually(() => peer.listing.build())
    t.same(await staleNames(store), ['a', 'b', 'c'])
    t.match(await peer.listing.stale(9), { isWhole: true })
    await keep(store, (name) => entry([name === 'a' ? 'state/a' : 'state/other']))
    t.same((await peer.listing.select({ ...ALL, groups: ['state/b'] }))?.names, [])
    t.same((await peer.listing.counts('state', 9)).groups, [
      { group: 'state/other', count: 2 },
      { group: 'state/a', count: 1 },
    ])
  })

  await t.test('it finds what a look at each entry finds', async (t) => {
    const { store } = await open(t)
    const states = ['state/ready', 'state/refused', 'state/draft']
    const labels = ['label/team:a', 'label/team:b', 'label/tier:1']
    const names = Array.from({ length: 60 }, (_, at) => `${'abc'[at % 3]}-${at % 7}-n${at}`)
    const now = await store.now()
    const entries = new Map(
      names.map((name, at) => [
        name,
        entry([states[at % 5] ?? 'state/ready', ...labels.filter((_, n) => (at >> n) % 2 === 1)], {
          certificateEndsAt: at % 4 === 0 ? null : now + at * HOUR_MS,
        }),
      ]),
    )
    for (const name of names) await store.integrations.create(name, 'u', content())
    await keep(store, (name) => entries.get(name) ?? null)
    for (const name of names.slice(0, 4)) await store.listing.mark([name])
    await fc.assert(
      fc.asyncProperty(
        fc.subarray([states[0], states[1], ...labels].map(String), { maxLength: 3 }),
        fc.constantFrom('', 'a', 'b-', 'b-3', 'z'),
        fc.option(fc.constantFrom(...names, 'b', 'zz')),
        fc.option(fc.integer({ min: -1, max: 61 })),
        fc.integer({ min: 1, max: 40 }),
        async (groups, prefix, after, hours, limit) => {
          const before = hours === null ? undefined : now + hours * HOUR_MS
          const query = {
            ...{ groups, prefix, limit },
            ...(after !== null && { after }),
            ...(before !== undefined && { certificateEndsBefore: before }),
          }
          const found = await store.listing.select(query)
          if (!found) throw new Error('it does not answer')
          const end = found.next
          const isWithin = (name: string) =>
            name.startsWith(prefix) &&
            (after === null || name > after) &&
            (end === null || name <= end)
          const wanted = names
            .filter((name) => {
              const { groups: has = [], certificateEndsAt: ends = null } = entries.get(name) ?? {}
              const isBefore = before === undefined || (ends !== null && ends < before)
              return isWithin(name) && isBefore && groups.every((group) => has.includes(group))
            })
            .sort()
          t.same(found.names, wanted)
          t.same(found.stale, names.slice(0, 4).filter(isWithin).sort())
          t.ok(found.names.length <= limit)
          t.ok(end === null || found.names.length === limit)
        },
      ),
      { numRuns: 150 },
    )
    const { groups, total } = await store.listing.counts('label', 2)
    t.equal(total, 3)
    t.equal(groups.length, 2)
    t.ok((groups[0]?.count ?? 0) >= (groups[1]?.count ?? 0))
  })
}
