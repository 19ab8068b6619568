import type { DocumentWrite } from '../../../src/store/records.ts'
import type { Store } from '../../../src/store/store.ts'
import { content, lease, type StoreSuite } from '../../support/store-engines.ts'

const HOUR_MS = 3_600_000

export const outcomesSuite: StoreSuite = async (t, open) => {
  await t.test('looks at integration, outcome and clock in one', async (t) => {
    const { store, peer } = await open(t)
    t.equal(await store.outcomes.look('a'), undefined)
    const integration = await store.integrations.create('a', 'u', content())
    const before = await store.now()
    const empty = await store.outcomes.look('a')
    t.same(empty?.integration, integration)
    t.same(empty?.outcome, {})
    t.ok(before <= (empty?.now ?? 0) && (empty?.now ?? 0) <= (await store.now()))

    const outcome = {
      lease: lease({ tokenId: 'T', expiresAt: before + HOUR_MS }),
      refusal: { body: '{"reason":"x"}', version: 1, until: before + 2 * HOUR_MS },
      stillLive: { tokenId: 'T', until: before + 3 * HOUR_MS, count: 2 },
    }
    const saved = await store.outcomes.save('a', { uid: 'u', orev: 0 }, outcome)
    const rev = (integration?.rev ?? 0) + 1
    t.same(saved, { saved: true, orev: 1, rev })
    const look = await peer.outcomes.look('a')
    t.same(look?.outcome, outcome)
    t.same(look?.integration, { ...integration, orev: 1, rev })
  })

  await t.test('writes documents with an outcome, or neither of them', async (t) => {
    const { store, peer } = await open(t)
    await store.integrations.create('a', 'u', content())
    const until = (await store.now()) + HOUR_MS
    const cursor = await store.changes.tail()
    const save = (orev: number, documents: readonly DocumentWrite[]) =>
      store.outcomes.save(
        'a',
        { uid: 'u', orev },
        { lease: lease({ tokenId: `T${orev}`, expiresAt: until }), documents },
      )
    const one = { kind: 'one', id: 'a' }
    const other = { kind: 'other', id: 'a' }
    t.match(
      await save(0, [
        { ...one, expected: 'absent', body: 'one' },
        { ...other, expected: 'absent', body: 'other' },
      ]),
      { saved: true, orev: 1 },
    )
    t.same(await peer.documents.read('one', 'a'), { id: 'a', version: 1, body: 'one' })
    t.same(await peer.documents.read('other', 'a'), { id: 'a', version: 1, body: 'other' })
    t.match(await store.documents.list('one', { limit: 9 }), { items: [{ id: 'a' }] })
    for (const expected of ['absent', 2] as const) {
      const documents = [
        { ...one, expected: 1, body: 'new' },
        { ...other, expected, body: 'new' },
      ]
      t.same(await save(1, documents), { saved: false, reason: 'document' })
    }
    t.match(await peer.outcomes.look('a'), { outcome: { lease: { tokenId: 'T0' } } })
    t.match(await peer.documents.read('one', 'a'), { version: 1, body: 'one' })
    t.match(await save(1, [{ ...one, expected: 1, body: 'new' }]), { saved: true, orev: 2 })
    t.same(await peer.documents.read('one', 'a'), { id: 'a', version: 2, body: 'new' })
    const { entries, gap } = await store.changes.read(cursor)
    t.notOk(gap)
    t.match(entries, [
      { type: 'document', kind: 'one', id: 'a', version: 1 },
      { type: 'document', kind: 'other', id: 'a', version: 1 },
      { type: 'integration', name: 'a', isNewer: true },
      { type: 'document', kind: 'one', id: 'a', version: 2 },
      { type: 'integration', name: 'a', isNewer: true },
    ])
  })

  await t.test('saves nothing that a guard does not allow', async (t) => {
    const { store } = await open(t)
    await store.integrations.create('a', 'u', content())
    const until = (await store.now()) + HOUR_MS
    const save = (orev: number, version: number | 'absent') =>
      store.outcomes.save(
        'a',
        { uid: 'u', orev },
        {
          lease: lease({ tokenId: 'T', expiresAt: until }),
          documents: [{ kind: 'one', id: 'a', expected: 'absent', body: 'one' }],
          guard: { kind: 'guard', id: 'all', version },
        },
      )
    const refused = { saved: false, reason: 'guard' }
    t.same(await save(0, 1), refused, 'there is no such document')
    await store.documents.write('guard', 'all', 'first', { expected: 'absent' })
    t.same(await save(0, 'absent'), refused)
    t.same(await save(0, 2), refused)
    t.match(await store.outcomes.look('a'), { integration: { orev: 0 }, outcome: {} })
    t.equal(await store.documents.read('one', 'a'), undefined)
    t.match(await save(0, 1), { saved: true, orev: 1 })
    t.match(await store.documents.read('guard', 'all'), { version: 1, body: 'first' }, 'as it was')
  })

  await t.test('keeps, replaces and clears each member by itself', async (t) => {
    const { store } = await open(t)
    await store.integrations.create('a', 'u', content())
    const until = (await store.now()) + HOUR_MS
    const first = {
      lease: lease({ tokenId: 'T1', expiresAt: until }),
      refusal: { body: '{"r":1}', version: 1, until },
      stillLive: { tokenId: 'T1', until, count: 1 },
    }
    let orev = 0
    const save = (change: Parameters<Store['outcomes']['save']>[2]) =>
      store.outcomes.save('a', { uid: 'u', orev: orev++ }, change)
    const outcome = async () => (await store.outcomes.look('a'))?.outcome
    await save(first)
    await save({})
    t.same(await outcome(), first)
    const second = lease({ tokenId: 'T2', expiresAt: until })
    await save({ lease: second })
    t.same(await outcome(), { ...first, lease: second })
    t.same(await store.outcomes.holders('T1'), [])
    t.same(await store.outcomes.holders('T2'), ['a'])
    await save({ refusal: null })
    t.same(await outcome(), { lease: second, stillLive: first.stillLive })
    await save({ lease: null })
    t.same(await outcome(), { stillLive: first.stillLive })
    t.same(await store.outcomes.holders('T2'), [])
    t.equal((await save({ stillLive: null })).saved, true)
    t.same(await outcome(), {})
    await save({ refusal: first.refusal })
    t.same(await outcome(), { refusal: first.refusal })
  })

  await t.test('refuses to save what was overtaken, and then changes nothing', async (t) => {
    const { store } = await open(t)
    await store.integrations.create('a', 'u', content({ digests: ['new', 'old'] }))
    await store.integrations.change(
      'a',
      { uid: 'u', version: 1 },
      content({ digests: ['new', 'old'] }),
    )
    const until = (await store.now()) + HOUR_MS
    const kept = { lease: lease({ tokenId: 'K', digest: 'old', expiresAt: until }), dueAt: until }
    t.match(await store.outcomes.save('a', { uid: 'u', orev: 0 }, kept), { saved: true, orev: 1 })
    await store.outcomes.revoke('D', until)
    const before = await store.outcomes.look('a')
    const cursor = await store.changes.tail()

    const { save } = store.outcomes
    const at = { uid: 'u', orev: 1 }
    const good = lease({ tokenId: 'G', digest: 'new', expiresAt: until })
    const changed = { saved: false, reason: 'changed' }
    t.same(await save('b', at, { lease: good }), { saved: false, reason: 'gone' })
    t.same(await save('a', { ...at, uid: 'v' }, { lease: good }), changed, 'another uid')
    t.same(
      await save('a', { ...at, orev: 0 }, { lease: good, dueAt: null }),
      changed,
      'orev before',
    )
    t.same(await save('a', { ...at, orev: 2 }, { lease: good }), changed, 'a later orev')
    t.same(await save('a', at, { lease: { ...good, digest: 'other' } }), changed, 'another digest')
    t.same(await save('a', at, { lease: { ...good, digest: '' } }), changed, 'no digest')
    const refusal = { body: '{"r":1}', until }
    t.same(await save('a', at, { refusal: { ...refusal, version: 1 } }), changed, 'former version')
    t.same(await save('a', at, { refusal: { ...refusal, version: 3 } }), changed, 'later version')
    t.same(
      await save('a', at, { lease: good, refusal: { ...refusal, version: 1 } }),
      changed,
      'one bad member spoils all',
    )
    t.same(
      await save('a', at, { lease: { ...good, tokenId: 'D' } }),
      { saved: false, reason: 'dead' },
      'a revoked token',
    )

    const after = await store.outcomes.look('a')
    t.same({ ...after, now: 0 }, { ...before, now: 0 })
    t.same(await store.due.size(), { count: 1, earliest: until })
    t.same((await store.changes.read(cursor)).entries, [], 'and announces nothing')
    t.same(await store.outcomes.holders('D'), [])
    t.match(await save('a', at, { lease: good }), { saved: true, orev: 2 })
  })

  await t.test('takes no digest from an integration that has none', async (t) => {
    const { store } = await open(t)
    await store.integrations.create('a', 'u', content({ digests: [] }))
    const saved = await store.outcomes.save(
      'a',
      { uid: 'u', orev: 0 },
      { lease: lease({ tokenId: 'T', expiresAt: (await store.now()) + HOUR_MS }) },
    )
    t.same(saved, { saved: false, reason: 'changed' })
  })

  await t.test('lets exactly one of many concurrent saves win', async (t) => {
    const { store, peer } = await open(t)
    await store.integrations.create('a', 'u', content())
    const expiresAt = (await store.now()) + HOUR_MS
    for (let orev = 0; orev < 10; orev++) {
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          (i % 2 ? store : peer).outcomes.save(
            'a',
            { uid: 'u', orev },
            { lease: lease({ tokenId: `T${orev}-${i}`, expiresAt }) },
          ),
        ),
      )
      const winners = results.flatMap(({ saved }, i) => (saved ? [i] : []))
      t.equal(winners.length, 1)
      t.equal((await store.outcomes.look('a'))?.outcome.lease?.tokenId, `T${orev}-${winners[0]}`)
    }
  })

  await t.test('shows no member beyond its end, and keeps orev beyond all of them', async (t) => {
    const { store, pass } = await open(t)
    await store.integrations.create('a', 'u', content())
    const now = await store.now()
    const at = { uid: 'u', orev: 0 }
    await store.outcomes.save('a', at, {
      lease: lease({ tokenId: 'T', expiresAt: now + 1_500 }),
      refusal: { body: '{"r":1}', version: 1, until: now + 3_000 },
      stillLive: { tokenId: 'T', until: now + 1_500, count: 1 },
    })
    t.strictSame(Object.keys((await store.outcomes.look('a'))?.outcome ?? {}).length, 3)
    await pass(1_500)
    t.strictSame(Object.keys((await store.outcomes.look('a'))?.outcome ?? {}), ['refusal'])
    t.same(await store.outcomes.holders('T'), [])
    await pass(1_500)
    const look = await store.outcomes.look('a')
    t.same(look?.outcome, {})
    t.equal(look?.integration.orev, 1)
    t.same(await store.outcomes.save('a', at, {}), { saved: false, reason: 'changed' })
    t.match(await store.outcomes.save('a', { ...at, orev: 1 }, {}), { saved: true, orev: 2 })
  })

  await t.test('revokes a token from every integration that holds it', async (t) => {
    const { store, peer } = await open(t)
    const expiresAt = (await store.now()) + HOUR_MS
    for (const name of ['c', 'a', 'b', 'other', 'former']) {
      await store.integrations.create(name, `u-${name}`, content())
      const tokenId = name === 'other' ? 'O' : 'T'
      const refusal = { body: '{"r":1}', version: 1, until: expiresAt }
      const at = { uid: `u-${name}`, orev: 0 }
      await store.outcomes.save(name, at, { lease: lease({ tokenId, expiresAt }), refusal })
    }
    const next = { lease: lease({ tokenId: 'N', expiresAt }) }
    await store.outcomes.save('former', { uid: 'u-former', orev: 1 }, next)
    t.same(await peer.outcomes.holders('T'), ['a', 'b', 'c'])
    const before = await store.outcomes.look('a')
    const cursor = await store.changes.tail()

    t.same(await peer.outcomes.revoke('T', expiresAt), ['a', 'b', 'c'])
    t.same(await store.outcomes.holders('T'), [])
    const look = await store.outcomes.look('a')
    t.same(Object.keys(look?.outcome ?? {}), ['refusal'])
    t.equal(look?.integration.orev, 2)
    t.equal(look?.integration.rev, (before?.integration.rev ?? 0) + 1)
    t.same((await store.changes.read(cursor)).entries, [
      { type: 'dead', tokenId: 'T', names: ['a', 'b', 'c'] },
    ])
    t.equal((await store.outcomes.look('other'))?.outcome.lease?.tokenId, 'O')
    t.equal((await store.outcomes.look('former'))?.outcome.lease?.tokenId, 'N')
    t.same(await store.outcomes.revoke('T', expiresAt), [], 'a second time takes nothing')

    const late = { lease: lease({ tokenId: 'T', expiresAt }) }
    const at = { uid: 'u-a', orev: 2 }
    t.same(await store.outcomes.save('a', at, late), { saved: false, reason: 'dead' })
    t.match(await store.outcomes.save('a', at, next), { saved: true })
  })

  await t.test('ends a tombstone at the latest of its times, and not before', async (t) => {
    const { store, pass } = await open(t)
    await store.integrations.create('a', 'u', content())
    const now = await store.now()
    await store.outcomes.revoke('T', now + 2_000)
    await store.outcomes.revoke('T', now + 1)
    await store.outcomes.revoke('U', now + HOUR_MS)
    await pass(10)
    const change = { lease: lease({ tokenId: 'T', expiresAt: now + HOUR_MS }) }
    const at = { uid: 'u', orev: 0 }
    t.same(await store.outcomes.save('a', at, change), { saved: false, reason: 'dead' })
    await pass(2_000)
    t.match(await store.outcomes.save('a', at, change), { saved: true })
    t.equal((await store.outcomes.look('a'))?.outcome.lease?.tokenId, 'T')
  })

  await t.test('forgets a refusal, once', async (t) => {
    const { store } = await open(t)
    await store.integrations.create('a', 'u', content())
    const until = (await store.now()) + HOUR_MS
    const cursor = await store.changes.tail()
    t.equal(await store.outcomes.forgetRefusal('a'), undefined)
    t.equal(await store.outcomes.forgetRefusal('b'), undefined)
    t.same((await store.changes.read(cursor)).entries, [])
    const kept = lease({ tokenId: 'T', expiresAt: until })
    const change = { lease: kept, refusal: { body: '{"r":1}', version: 1, until } }
    await store.outcomes.save('a', { uid: 'u', orev: 0 }, change)
    const rev = await store.outcomes.forgetRefusal('a')
    t.equal(await store.outcomes.forgetRefusal('a'), undefined)
    const look = await store.outcomes.look('a')
    t.equal(rev, look?.integration.rev)
    t.same(look?.outcome, { lease: kept })
    t.equal(look?.integration.orev, 2)
    const { entries } = await store.changes.read(cursor)
    t.equal(entries.length, 2)
    t.same(entries[1], {
      ...{ type: 'integration', name: 'a' },
      ...{ rev: look?.integration.rev, isNewer: true },
    })
  })

  await t.test(
    'says of what is only newer that it is, and of what takes something back not',
    async (t) => {
      const { store, peer } = await open(t)
      await store.integrations.create('a', 'u', content())
      const until = (await store.now()) + HOUR_MS
      const cursor = await peer.changes.tail()
      const changes = [
        { lease: lease({ tokenId: 'T', expiresAt: until }) },
        { refusal: { body: 'r', version: 1, until } },
        { stillLive: { tokenId: 'T', until, count: 1 } },
        { lease: null, refusal: null },
        {},
      ]
      for (const [orev, change] of changes.entries()) {
        t.match(await store.outcomes.save('a', { uid: 'u', orev }, change), { saved: true })
      }
      await store.integrations.change('a', { uid: 'u', version: 1 }, content())
      const { entries } = await peer.changes.read(cursor)
      t.same(
        entries.map((entry) => entry.type === 'integration' && entry.isNewer === true),
        [true, true, true, false, true, false],
      )
    },
  )

  await t.test('scores the integration in the due index with the save', async (t) => {
    const { store } = await open(t)
    await store.integrations.create('a', 'u', content())
    const now = await store.now()
    const { save } = store.outcomes
    await save('a', { uid: 'u', orev: 0 }, { dueAt: now + 5_000 })
    t.same(await store.due.size(), { count: 1, earliest: now + 5_000 })
    await save('a', { uid: 'u', orev: 1 }, {})
    await save('a', { uid: 'u', orev: 2 }, { dueAt: now + 9_000 })
    t.same(await store.due.size(), { count: 1, earliest: now + 9_000 })
    await save('a', { uid: 'u', orev: 3 }, { dueAt: null })
    t.same(await store.due.size(), { count: 0, earliest: null })
  })
}
