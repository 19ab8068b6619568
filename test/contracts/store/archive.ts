import type { ArchivedIntegration } from '../../../src/store/archive.ts'
import { content, lease, type StoreSuite } from '../../support/store-engines.ts'

const HOUR_MS = 3_600_000

const archived = (parts: Partial<ArchivedIntegration> = {}): ArchivedIntegration => ({
  ...{ name: 'a', uid: 'then', version: 5, digests: ['d1', 'd2'] },
  ...{ definition: '{"is":"then"}', secrets: 'head.then', custody: null },
  ...parts,
})

/** What becomes of refresh tokens. */
const PRESENTED = { id: 'restored', lookInMs: 60_000 }

export const archiveSuite: StoreSuite = async (t, open) => {
  await t.test('reads integrations with their secrets, page by page', async (t) => {
    const { store, peer } = await open(t)
    t.same(await store.archive.integrations({ limit: 5 }), { items: [], next: null })
    for (const name of ['b', 'c', 'a']) {
      const written = content({ digests: ['d1', name], secrets: `secret.${name}` })
      await store.integrations.create(name, `uid-${name}`, written)
    }
    await store.integrations.change('b', { uid: 'uid-b', version: 1 }, content())
    const first = await peer.archive.integrations({ limit: 2 })
    t.same(first, {
      items: [
        {
          ...{ name: 'a', uid: 'uid-a', version: 1, digests: ['d1', 'a'] },
          ...{ definition: '{"a":1}', secrets: 'secret.a', custody: null },
        },
        {
          ...{ name: 'b', uid: 'uid-b', version: 2, digests: ['d1'] },
          ...{ definition: '{"a":1}', secrets: 'sealed', custody: null },
        },
      ],
      next: 'b',
    })
    const second = await store.archive.integrations({ limit: 2, after: 'b' })
    t.match(second, { items: [{ name: 'c' }], next: null })
  })

  await t.test('puts integrations where there are none', async (t) => {
    const { store, peer } = await open(t)
    const before = (await store.identity()).seq
    await store.archive.putIntegrations([archived(), archived({ name: 'b', uid: 'ub' })], PRESENTED)
    const record = await peer.integrations.readSealed('a')
    t.match(record, {
      ...{ uid: 'then', version: 6, digests: ['d1', 'd2'], definition: '{"is":"then"}' },
      ...{ secrets: 'head.then', rev: before + 1 },
    })
    t.match(await store.integrations.list({ limit: 5 }), { items: [{ name: 'a' }, { name: 'b' }] })
    t.equal((await store.identity()).seq, before + 2)
    t.ok(await store.integrations.change('a', { uid: 'then', version: 6 }, content()))
  })

  await t.test('puts integrations in the place of others, for all who hold those', async (t) => {
    const { store, peer } = await open(t)
    const now = await store.now()
    const made = await store.integrations.create('a', 'now', content())
    for (let version = 1; version < 9; version += 1) {
      await store.integrations.change('a', { uid: 'now', version }, content())
    }
    const held = { lease: lease({ tokenId: 'T', expiresAt: now + HOUR_MS }), dueAt: now }
    await store.outcomes.save('a', { uid: 'now', orev: 0 }, held)
    const look = await store.outcomes.look('a')
    const cursor = await peer.changes.tail()

    await store.archive.putIntegrations([archived({ uid: 'now', version: 5 })], PRESENTED)
    const record = await store.integrations.read('a')
    t.equal(record?.version, 10, 'above both, so that no ETag from before fits')
    t.ok((record?.rev ?? 0) > (look?.integration.rev ?? 0))
    t.same((await store.outcomes.look('a'))?.outcome, {}, 'without the lease')
    t.same(await store.outcomes.holders('T'), [])
    t.equal((await store.due.size()).count, 0)
    const { entries } = await peer.changes.read(cursor)
    t.same(entries, [{ type: 'integration', name: 'a', rev: record?.rev }])
    const late = await store.outcomes.save('a', { uid: 'now', orev: 1 }, held)
    t.same(late, { saved: false, reason: 'changed' }, 'a mint that began before is refused')
    t.equal(made?.uid, 'now')
  })

  await t.test(
    'takes a refresh token of the past for one that may have been used up',
    async (t) => {
      const { store, peer } = await open(t)
      const { archive, custody, integrations } = store
      const beginning = { expected: null, reason: '', body: '{"by":"x"}', lookInMs: 60_000 }
      for (const name of ['lives', 'dead', 'none']) await integrations.create(name, 'u', content())
      await custody.begin('lives', { ...beginning, uid: 'u', family: 'f', token: 'one' })
      await custody.keep('lives', { family: 'f', g: 1, token: 'two', lookInMs: 60_000 })
      await custody.begin('dead', { ...beginning, uid: 'u', family: 'f', token: '', reason: 'why' })
      const { items } = await peer.archive.integrations({ limit: 5 })
      t.match(items, [
        { name: 'dead', custody: { family: 'f', token: '', isDead: true, reason: 'why' } },
        { name: 'lives', custody: { family: 'f', g: 1, token: 'two', isDead: false } },
        { name: 'none', custody: null },
      ])

      await custody.keep('lives', { family: 'f', g: 2, token: 'three', lookInMs: 60_000 })
      await archive.putIntegrations(items, PRESENTED)
      const kept = (await custody.read('lives')).record
      t.match(kept, { g: 2, token: 'three', state: 'idle' }, 'the newer one may be the only copy')

      for (const { name } of items) {
        const record = await integrations.read(name)
        if (record) await integrations.remove(name, record)
      }
      await archive.putIntegrations(items, PRESENTED)
      t.match((await custody.read('lives')).record, {
        ...{ uid: 'u', family: 'f', g: 1, token: 'two', state: 'spend', id: 'restored' },
        ...{ isFinal: false, body: '{"by":"x"}' },
      })
      t.match((await custody.read('dead')).record, { state: 'dead', reason: 'why' })
      t.equal((await custody.read('none')).record, undefined)
      t.same((await custody.claim(5, 60_000)).names, [], 'not yet')
      await custody.lookAt('lives', 0)
      t.same((await custody.claim(5, 60_000)).names, ['lives'], 'and it is looked after')

      const without = items.map((item) => ({ ...item, uid: 'v', custody: null }))
      await archive.putIntegrations(without, PRESENTED)
      t.equal((await custody.read('lives')).record, undefined, 'that of another integration goes')
      t.same((await custody.claim(5, 60_000)).names, [])
    },
  )

  await t.test('reads and puts documents with their ends', async (t) => {
    const { store, peer, pass } = await open(t)
    const { documents, archive } = store
    const now = await store.now()
    await documents.write('key', 'b', 'lasts', { expected: 'any' })
    await documents.write('key', 'a', 'ends', { expected: 'any', expiresAt: now + HOUR_MS })
    await documents.write('key', 'gone', 'x', { expected: 'any', expiresAt: now + 1_000 })
    await documents.write('other', 'c', 'x', { expected: 'any' })
    await pass(1_001)
    t.same(await archive.documents('key', { limit: 1 }), {
      items: [{ id: 'a', body: 'ends', expiresAt: now + HOUR_MS, version: 1 }],
      next: 'a',
    })
    t.same(await peer.archive.documents('key', { limit: 1, after: 'a' }), {
      items: [{ id: 'b', body: 'lasts', expiresAt: null, version: 1 }],
      next: null,
    })

    const cursor = await peer.changes.tail()
    await archive.putDocuments('key', [
      { id: 'a', body: 'lasts now', expiresAt: null },
      { id: 'b', body: 'ends now', expiresAt: now + HOUR_MS },
      { id: 'over', body: 'x', expiresAt: now - 1 },
      { id: 'new', body: '\0\u{1f511}', expiresAt: null },
    ])
    t.same(await archive.documents('key', { limit: 5 }), {
      items: [
        { id: 'a', body: 'lasts now', expiresAt: null, version: 2 },
        { id: 'b', body: 'ends now', expiresAt: now + HOUR_MS, version: 2 },
        { id: 'new', body: '\0\u{1f511}', expiresAt: null, version: 1 },
      ],
      next: null,
    })
    t.equal(await documents.write('key', 'a', 'x', { expected: 1 }), undefined, 'another version')
    t.match(await documents.read('key', 'new'), { version: 1 })
    const { entries } = await peer.changes.read(cursor)
    t.same(
      entries.map((entry) => entry.type === 'document' && entry.id),
      ['a', 'b', 'new'],
    )
  })

  await t.test('takes as many at a time as a restore sends', async (t) => {
    const { store } = await open(t)
    const names = Array.from({ length: 100 }, (_, i) => `n${i}`)
    await store.archive.putIntegrations(
      names.map((name) => archived({ name, secrets: `h.${'x'.repeat(5_000)}` })),
      PRESENTED,
    )
    await store.archive.putDocuments(
      'key',
      names.map((id) => ({ id, body: 'x'.repeat(1_000), expiresAt: null })),
    )
    t.equal((await store.archive.integrations({ limit: 200 })).items.length, 100)
    t.equal((await store.archive.documents('key', { limit: 200 })).items.length, 100)
  })
}
