import { isAt } from '../../../src/store/stream/cursor.ts'
import { content, type StoreSuite } from '../../support/store-engines.ts'

export const changesSuite: StoreSuite = async (t, open) => {
  await t.test('hears every change once, in order, with what changed', async (t) => {
    const { store, peer } = await open(t)
    await store.integrations.create('before', 'u', content())
    const tail = await peer.changes.tail()
    t.same(await peer.changes.read(tail), { entries: [], cursor: tail, gap: false })

    const a = await store.integrations.create('a', 'u', content())
    const a2 = await store.integrations.change('a', { uid: 'u', version: 1 }, content())
    const saved = await store.outcomes.save('a', { uid: 'u', orev: 0 }, {})
    await store.outcomes.revoke('T', (await store.now()) + 60_000)
    await store.documents.write('key', 'x {y}', '', { expected: 'any' })
    await store.documents.remove('key', 'x {y}', 'any')
    await store.integrations.remove('a', { uid: 'u', version: 2 })
    const host = { type: 'login', target: 'a.example uid' } as const
    await store.changes.announce({ ...host, isResting: true })
    await store.changes.announce({ ...host, isResting: false, by: 'one' })
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
    const nonce = {
      type: 'nonce',
      ...{ thumbprint: 'k'.repeat(43), host: 'a.example:8443', nonce: 'n {1}', by: 'one' },
    } as const
    await store.changes.announce(nonce)
    // None of these is a change.
    await store.integrations.create('before', 'u', content())
    await store.documents.remove('key', 'x {y}', 'any')
    await store.due.mark('a', 0)
    await store.locks.acquire('a', 'me', 10)
    await store.budgets.take([{ key: 'a', limit: 1, windowMs: 1_000 }])
    await store.events.append(['x'], 10)

    const { entries, cursor, gap } = await peer.changes.read(tail)
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
      { ...host, isResting: false, by: 'one' },
      ...looks,
      given,
      nonce,
    ])
    t.notOk(gap)
    t.equal(cursor, await store.changes.tail())
    t.same(await peer.changes.read(cursor), { entries: [], cursor, gap: false })
    t.same((await peer.changes.read(tail)).entries, entries, 'a cursor may be used again')
  })

  await t.test('a pulse tells what has changed, also while something waits for it', async (t) => {
    const { store, peer } = await open(t)
    const tail = await peer.changes.tail()
    const waiting = peer.changes.wait(tail, 4_000)
    const first = await peer.changes.pulse(false)
    t.match(first, await store.identity())
    t.ok(isAt(tail, first))
    t.same(await peer.changes.pulse(false), first, 'nothing has')
    t.same(await peer.changes.pulse(true), first, 'and a proof changes nothing')

    const at = await store.now()
    await store.due.mark('a', at + 60_000)
    const marked = await peer.changes.pulse(false)
    t.not(marked.due, first.due)
    t.equal(marked.seq, first.seq)
    await store.due.mark('a', at)
    await store.due.unmark('b')
    t.equal((await peer.changes.pulse(false)).id, first.id)

    await store.integrations.create('a', 'u', content())
    const created = await peer.changes.pulse(false)
    t.equal(created.seq, first.seq + 1)
    t.notOk(isAt(tail, created))
    t.ok(await waiting)
    t.ok(isAt((await peer.changes.read(tail)).cursor, created))
    await store.outcomes.save('a', { uid: 'u', orev: 0 }, { dueAt: at })
    t.not((await peer.changes.pulse(false)).due, created.due)

    await store.custody.age()
    const { age } = await peer.changes.pulse(false)
    await store.custody.distrust({ id: 'rewound:d', kind: 'doubted', noted: 0, lookInMs: 0 })
    t.not((await peer.changes.pulse(false)).age, age)
  })

  await t.test('reads what there is while something waits for more', async (t) => {
    const { store, peer } = await open(t)
    const cursor = await peer.changes.tail()
    let isWaiting = true
    const waiting = peer.changes.wait(cursor, 4_000).finally(() => {
      isWaiting = false
    })
    t.same(await peer.changes.read(cursor), { entries: [], cursor, gap: false })
    t.ok(isWaiting)
    await store.documents.write('key', 'a', '', { expected: 'any' })
    t.ok(await waiting)
    t.equal((await peer.changes.read(cursor)).entries.length, 1)
    t.ok(await peer.changes.wait(cursor, 4_000), 'there is one already')
  })

  await t.test('wakes a waiting reader when another connection writes', async (t) => {
    const { store, peer } = await open(t)
    let cursor = await peer.changes.tail()
    let fastest = Number.POSITIVE_INFINITY
    for (let i = 0; i < 5; i++) {
      const start = performance.now()
      const waiting = peer.changes.wait(cursor, 2_000)
      const written = store.documents.write('key', `${i}`, '', { expected: 'any' })
      t.ok(await waiting)
      await written
      const read = await peer.changes.read(cursor)
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
    t.equal(await peer.changes.wait(cursor, 100), false)
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
      await peer.changes.wait(cursor, 2_000)
      const read = await peer.changes.read(cursor)
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
      t.same(await store.changes.read(cursor), { entries: [], cursor: tail, gap: true }, cursor)
    }
    await store.documents.write('key', 'next', '', { expected: 'any' })
    t.same(await store.changes.read(tail), {
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
    const read = await peer.changes.read(start)
    t.equal(read.gap, true)
    t.same(read.entries, [])
    t.equal(read.cursor, await store.changes.tail())
    await store.outcomes.revoke('last', 1)
    t.same((await peer.changes.read(read.cursor)).entries, [
      { type: 'dead', tokenId: 'last', names: [] },
    ])
  })
}
