import { content, lease, type StoreSuite } from '../../support/store-engines.ts'

const HOUR_MS = 3_600_000

export const sealsSuite: StoreSuite = async (t, open) => {
  await t.test('lists what stands before the first dot of what is sealed', async (t) => {
    const { store, pass } = await open(t)
    const now = await store.now()
    t.same(await store.seals.list({ limit: 5 }), { items: [], next: null })
    await store.integrations.create('a', 'u', content({ secrets: 'head.a.b' }))
    await store.integrations.create('b', 'u', content({ secrets: '' }))
    await store.integrations.create('c', 'u', content({ secrets: 'dotless' }))
    const save = (name: string, body: string, lastsMs: number) =>
      store.outcomes.save(
        name,
        { uid: 'u', orev: 0 },
        { lease: { ...lease({ tokenId: name, expiresAt: now + lastsMs }), body } },
      )
    await save('a', 'kid.x.y', HOUR_MS)
    await save('b', 'over.x', 1_000)
    const beginning = {
      uid: 'u',
      expected: null,
      family: 'f',
      reason: '',
      body: '',
      lookInMs: 1_000,
    }
    await store.custody.begin('b', { ...beginning, token: 'ring.x' })
    await store.custody.begin('c', { ...beginning, token: '' })
    await pass(1_001)
    t.same(await store.seals.list({ limit: 2 }), {
      items: [
        { name: 'a', secrets: 'head', lease: 'kid', refreshToken: null },
        { name: 'b', secrets: '', lease: null, refreshToken: 'ring' },
      ],
      next: 'b',
    })
    t.same(await store.seals.list({ limit: 2, after: 'b' }), {
      items: [{ name: 'c', secrets: 'dotless', lease: null, refreshToken: null }],
      next: null,
    })
  })

  await t.test('lists past what is no record at all', async (t) => {
    const { store, spoil } = await open(t)
    if (!spoil) return
    for (const name of ['a', 'c']) {
      await store.integrations.create(name, 'u', content({ secrets: `${name}.x` }))
    }
    await store.integrations.create('b', 'u', content({ secrets: 'b.x' }))
    await spoil('integrations', 'b', 'type')
    t.match(await store.seals.list({ limit: 5 }), {
      items: [
        { name: 'a', secrets: 'a' },
        { name: 'b', secrets: '', lease: null, refreshToken: null },
        { name: 'c', secrets: 'c' },
      ],
      next: null,
    })
  })

  await t.test(
    'swaps what is sealed, if it is still what was read, and nothing else',
    async (t) => {
      const { store, peer } = await open(t)
      const now = await store.now()
      t.notOk(await store.seals.swapSecrets('a', 'x', 'y'), 'there is none')
      await store.integrations.create('a', 'u', content({ secrets: 'old' }))
      t.notOk(await store.seals.swapLease('a', 'x', 'y'), 'there is none')
      const held = lease({ tokenId: 'T', expiresAt: now + HOUR_MS })
      await store.outcomes.save('a', { uid: 'u', orev: 0 }, { lease: held })
      const before = await store.integrations.read('a')
      const { seq } = await store.identity()

      t.notOk(await store.seals.swapSecrets('a', 'other', 'x'))
      t.ok(await store.seals.swapSecrets('a', 'old', 'new'))
      t.notOk(await store.seals.swapSecrets('a', 'old', 'x'), 'once')
      t.ok(await store.seals.swapLease('a', held.body, 'fresh'))
      t.notOk(await store.seals.swapLease('a', held.body, 'x'))
      const beginning = {
        uid: 'u',
        expected: null,
        family: 'f',
        reason: '',
        body: '',
        lookInMs: 1_000,
      }
      await store.custody.begin('a', { ...beginning, token: 'old' })
      const { seq: begun } = await store.identity()
      t.notOk(await store.seals.swapRefreshToken('a', 'other', 'x'))
      t.ok(await store.seals.swapRefreshToken('a', 'old', 'new'))
      t.match((await peer.custody.read('a')).record, { token: 'new', state: 'idle', family: 'f' })
      t.equal((await peer.integrations.readSealed('a'))?.secrets, 'new')
      t.same((await peer.outcomes.look('a'))?.outcome, { lease: { ...held, body: 'fresh' } })
      t.same(await store.integrations.read('a'), before)
      t.equal(begun, seq + 1, 'the beginning')
      t.equal((await store.identity()).seq, begun, 'nothing is announced')
      t.ok(await store.integrations.change('a', { uid: 'u', version: 1 }, content()))
    },
  )
}
