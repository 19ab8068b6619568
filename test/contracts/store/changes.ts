import { content, type StoreSuite } from '../../support/store-engines.ts'

export const changesSuite: StoreSuite = async (t, open) => {
  await t.test('hears every change once, in order, with what changed', async (t) => {
    const { store, peer } = await open(t)
    await store.integrations.create('before', 'u', content())
    const tail = await peer.changes.tail()
    t.same(await peer.changes.read(tail, 0), { entries: [], cursor: tail, gap: false })

    const a = await store.integrations.create('a', 'u', content())
    const a2 = await store.integrations.change('a', { uid: 'u', version: 1 }, content())
    const saved = await store.outcomes.save('a', { uid: 'u', orev: 0 }, {})
    await store.outcomes.revoke('T', (await store.now()) + 60_000)
    await store.documents.write('key', 'x {y}', '', { expected: 'any' })
    await store.documents.remove('key', 'x {y}', 'any')
    await store.integrations.remove('a', { uid: 'u', version: 2 })
    const host = { type: 'login', target: 'a.example uid' } as const
    await store.changes.announce({ ...host, isResting: true })
    await store.changes.announce({ ...host, isResting: false })
    const looks = (['live', 'dead', 'unknown'] as const).map(
      (verdict) => ({ type: 'look', tokenId: 'T', verdict }) as const,
    )
    for (const look of looks) await store.changes.announce(look)
    const given = {
      type: 'given',
      ...{ integration: 'a', tokenId: 'T', mintedAt: 1, until: 2 },
      principals: ['api-key:"a"', 'jwt:https://idp.example#pod é'],
    } as const
    await store.changes.announce(given)
    // None of these is a change.
    await store.integrations.create('before', 'u', content())
    await store.documents.remove('key', 'x {y}', 'any')
    await store.due.mark('a', 0)
    await store.locks.acquire('a', 'me', 10)
    await store.budgets.take([{ key: 'a', limit: 1, windowMs: 1_000 }])
    await store.events.append(['x'], 10)

    const { entries, cursor, gap } = await peer.changes.read(tail, 0)
    const rev = saved.saved ? saved.rev : 0
    t.same(entries, [
      { type: 'integration', name: 'a', rev: a?.rev },
      { type: 'integration', name: 'a', rev: a2?.rev },
      { type: 'integration', name: 'a', rev, isNewer: true },
      { type: 'dead', tokenId: 'T', names: [] },
      { type: 'document', kind: 'key', id: 'x {y}', version: 1 },
      { type: 'document', kind: 'key', id: 'x {y}' },
      { type: 'integration', name: 'a', rev: rev + 1 },
      { ...host, isResting: true },
      { ...host, isResting: false },
      ...looks,
      given,
    ])
    t.notOk(gap)
    t.equal(cursor, await store.changes.tail())
    t.same(await peer.changes.read(cursor, 0), { entries: [], cursor, gap: false })
    t.same((await peer.changes.read(tail, 0)).entries, entries, 'a cursor may be used again')
  })

  await t.test('wakes a waiting reader when another connection writes', async (t) => {
    const { store, peer } = await open(t)
    let cursor = await peer.changes.tail()
    let fastest = Number.POSITIVE_INFINITY
    for (let i = 0; i < 5; i++) {
      const start = performance.now()
      const reading = peer.changes.read(cursor, 2_000)
      const written = store.documents.write('key', `${i}`, '', { expected: 'any' })
      const read = await reading
      await written
      t.same(read.entries, [{ type: 'document', kind: 'key', id: `${i}`, version: 1 }])
      fastest = Math.min(fastest, performance.now() - start)
      cursor = read.cursor
    }
    t.ok(fastest < 1_900, 'before the wait is over')
  })

  await t.test('gives up waiting when nothing happens', async (t) => {
    const { peer } = await open(t)
    const cursor = await peer.changes.tail()
    const start = performance.now()
    t.same(await peer.changes.read(cursor, 100), { entries: [], cursor, gap: false })
    t.ok(performance.now() - start >= 95)
  })

  await t.test('loses nothing between reads while others write', async (t) => {
    const { store, peer } = await open(t)
    let cursor = await peer.changes.tail()
    const total = 300
    const writing = Promise.all(
      Array.from({ length: total }, (_, i) =>
        store.documents.write('key', `${i}`, '', { expected: 'absent' }),
      ),
    )
    const heard: string[] = []
    while (heard.length < total) {
      const read = await peer.changes.read(cursor, 2_000)
      if (read.gap) throw new Error('There is a gap')
      heard.push(...read.entries.flatMap((change) => (change.type === 'document' ? change.id : [])))
      cursor = read.cursor
    }
    await writing
    t.same(heard.toSorted(), Array.from({ length: total }, (_, i) => `${i}`).toSorted())
  })

  await t.test('calls a cursor of another store, of the future, or of none a gap', async (t) => {
    const { store } = await open(t)
    const { store: other } = await open(t)
    for (let i = 0; i < 3; i++) {
      await store.documents.write('key', `${i}`, '', { expected: 'any' })
      await other.documents.write('key', `${i}`, '', { expected: 'any' })
    }
    const tail = await store.changes.tail()
    const foreign = await other.changes.tail()
    const future = tail.replace(/^([^/]+)\/3/, '$1/4')
    t.not(future, tail)
    for (const cursor of [foreign, future, '', 'nonsense']) {
      for (const waitMs of [0, 20]) {
        const read = await store.changes.read(cursor, waitMs)
        t.same(read, { entries: [], cursor: tail, gap: true }, `${cursor} ${waitMs}`)
      }
    }
    await store.documents.write('key', 'next', '', { expected: 'any' })
    t.same(await store.changes.read(tail, 0), {
      entries: [{ type: 'document', kind: 'key', id: 'next', version: 1 }],
      cursor: await store.changes.tail(),
      gap: false,
    })
  })

  await t.test('calls entries that were trimmed away a gap', async (t) => {
    const { store, peer } = await open(t)
    const start = await peer.changes.tail()
    const batch = Array.from({ length: 1_000 }, (_, i) => `T${i}`)
    // Past what is kept at least, twice over, for both engines trim late.
    for (let round = 0; round < 21; round++) {
      await Promise.all(batch.map((id) => store.outcomes.revoke(id, 1)))
    }
    const read = await peer.changes.read(start, 0)
    t.equal(read.gap, true)
    t.same(read.entries, [])
    t.equal(read.cursor, await store.changes.tail())
    await store.outcomes.revoke('last', 1)
    t.same((await peer.changes.read(read.cursor, 0)).entries, [
      { type: 'dead', tokenId: 'last', names: [] },
    ])
  })
}
