import { content, eventually, type StoreSuite } from '../../support/store-engines.ts'

export const coordinationSuite: StoreSuite = async (t, open) => {
  await t.test('gives a lock to one owner, who alone may renew and release it', async (t) => {
    const { store, peer } = await open(t)
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 ? store : peer).locks.acquire('a', `owner ${i}`, 60_000),
      ),
    )
    t.equal(all.filter(Boolean).length, 1)
    const owner = `owner ${all.indexOf(true)}`
    t.notOk(await peer.locks.acquire('a', owner, 60_000), 'not twice to the same owner either')
    t.ok(await peer.locks.acquire('b', owner, 60_000), 'another lock is another lock')
    t.notOk(await peer.locks.renew('a', 'stranger', 60_000))
    t.notOk(await peer.locks.release('a', 'stranger'))
    t.ok(await peer.locks.renew('a', owner, 60_000))
    t.ok(await peer.locks.release('a', owner))
    t.notOk(await store.locks.release('a', owner))
    t.notOk(await store.locks.renew('a', owner, 60_000), 'a free lock is not renewed')
    t.ok(await store.locks.acquire('a', 'next', 60_000))
  })

  await t.test('frees a lock at its end, and leaves its successor alone', async (t) => {
    const { store, pass } = await open(t)
    t.ok(await store.locks.acquire('short', 'first', 2_000))
    t.ok(await store.locks.acquire('long', 'first', 2_000))
    t.ok(await store.locks.renew('long', 'first', 60_000))
    await pass(2_001)
    await eventually(() => store.locks.acquire('short', 'second', 60_000))
    t.notOk(await store.locks.acquire('long', 'second', 60_000), 'renewing has put its end off')
    t.notOk(await store.locks.renew('short', 'first', 60_000))
    t.notOk(await store.locks.release('short', 'first'))
    t.ok(await store.locks.release('short', 'second'), 'the successor still had it')
  })

  await t.test('claims what is due, earliest first, and puts it off', async (t) => {
    const { store, peer } = await open(t)
    const now = await store.now()
    t.same(await store.due.claim(16, 15_000), { names: [], nextInMs: Number.POSITIVE_INFINITY })
    for (const [name, dueAt] of [
      ['b', now - 10],
      ['a', now - 30],
      ['c', now - 20],
      ['later', now + 3_600_000],
    ] as const) {
      await store.due.mark(name, dueAt)
      await peer.due.mark(name, 1)
    }
    t.same(
      await store.due.size(),
      { count: 4, earliest: now - 30 },
      'a second mark changes nothing',
    )
    const first = await store.due.claim(2, 3_600_000)
    t.same(first, { names: ['a', 'c'], nextInMs: 0 }, 'and says that another one is due')
    const second = await peer.due.claim(2, 3_600_000)
    t.same(second.names, ['b'])
    const passed = (await store.now()) - now
    t.ok(
      second.nextInMs <= 3_600_000 && second.nextInMs >= 3_600_000 - passed,
      'or when it will be',
    )
    t.same((await store.due.claim(16, 3_600_000)).names, [])
    t.equal((await store.due.size()).count, 4, 'claimed is not lost')
    for (const name of ['a', 'b', 'c', 'c', 'never']) await store.due.unmark(name)
    t.same(await store.due.size(), { count: 1, earliest: now + 3_600_000 })
  })

  await t.test(
    'gives a claimed name again when the time that it was put off to has come',
    async (t) => {
      const { store, pass } = await open(t)
      await store.due.mark('a', 0)
      t.same(await store.due.claim(1, 500), { names: ['a'], nextInMs: 500 })
      await pass(500)
      t.same((await store.due.claim(1, 500)).names, ['a'])
    },
  )

  await t.test('shares due names out, each to one', async (t) => {
    const { store, peer } = await open(t)
    const names = Array.from({ length: 100 }, (_, i) => `n${i}`)
    await Promise.all(names.map((name) => store.due.mark(name, 0)))
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? store : peer).due.claim(16, 3_600_000)),
    )
    t.ok(claims.every(({ names }) => names.length <= 16))
    t.same(claims.flatMap(({ names }) => names).toSorted(), names.toSorted())
  })

  await t.test('charges a budget up to its limit, and says when there is room again', async (t) => {
    const { store, pass } = await open(t)
    const windowMs = 3_000
    const charge = { key: 'a', limit: 5, windowMs }
    t.equal(await store.budgets.used('a', windowMs), 0)
    const start = await store.now()
    t.same(await store.budgets.take([{ ...charge, amount: 3 }]), { granted: true })
    t.same(await store.budgets.take([charge]), { granted: true })
    t.equal(await store.budgets.used('a', windowMs), 4)
    t.match(await store.budgets.take([{ ...charge, amount: 2 }]), { granted: false, key: 'a' })
    t.equal(await store.budgets.used('a', windowMs), 4, 'a refused charge costs nothing')
    t.same(await store.budgets.take([charge]), { granted: true })
    const end = await store.now()
    const refused = await store.budgets.take([charge])
    if (refused.granted) throw new Error('Granted beyond its limit')
    t.ok(refused.retryAt >= start + windowMs, 'not before the first charge has left the window')
    t.ok(refused.retryAt <= end + windowMs + windowMs / 60 + 1)
    await pass(refused.retryAt - (await store.now()))
    t.same(await store.budgets.take([charge]), { granted: true }, 'it has told the truth')
    await pass(windowMs + windowMs / 60)
    t.equal(await store.budgets.used('a', windowMs), 0)
  })

  await t.test('charges under a lock only its owner, and only for the state he saw', async (t) => {
    const { store, peer } = await open(t)
    await store.integrations.create('a', 'u', content())
    const windowMs = 60_000
    const charges = [{ key: 'b', limit: 2, windowMs }]
    const state = { name: 'a', uid: 'u', version: 1, orev: 0, ttlMs: 60_000 }
    const take = (owner: string, changes: Partial<typeof state> = {}) =>
      store.budgets.takeUnderLock(charges, { ...state, ...changes, owner })
    const used = () => peer.budgets.used('b', windowMs)
    t.same(await take('one'), { granted: true })
    t.equal(await used(), 1)
    t.equal(await take('two'), 'locked')
    t.equal(await used(), 1)
    t.ok(await peer.locks.release('a', 'one'))
    const others: Partial<typeof state>[] = [
      ...[{ uid: 'v' }, { version: 2 }, { orev: 1 }],
      { name: 'absent' },
    ]
    for (const changes of others) {
      const of = JSON.stringify(changes)
      t.equal(await take('other', changes), 'changed', of)
      t.notOk(await peer.locks.acquire(changes.name ?? 'a', 'two', 60_000), 'it has the lock')
      t.ok(await peer.locks.release(changes.name ?? 'a', 'other'))
    }
    t.equal(await used(), 1, 'nothing was charged for another state')
    t.same(await take('three'), { granted: true })
    await store.locks.release('a', 'three')
    t.match(await take('four'), { granted: false, key: 'b' })
    t.equal(await used(), 2)
    t.notOk(await peer.locks.acquire('a', 'five', 60_000), 'a refused charge leaves the lock')
  })

  await t.test('never lets a window hold more than the limit', async (t) => {
    const { store, pass } = await open(t)
    const windowMs = 600
    const charge = { key: 'a', limit: 4, windowMs }
    const granted: { before: number; after: number }[] = []
    while (granted.length < 3 * charge.limit) {
      const before = await store.now()
      const { granted: ok } = await store.budgets.take([charge])
      if (ok) granted.push({ before, after: await store.now() })
      await pass(7)
    }
    for (let i = charge.limit; i < granted.length; i++) {
      const [first, last] = [granted[i - charge.limit], granted[i]]
      t.ok((last?.after ?? 0) - (first?.before ?? 0) >= windowMs)
    }
  })

  await t.test('charges all of several budgets or none', async (t) => {
    const { store } = await open(t)
    const hour = 3_600_000
    const wide = { key: 'wide', limit: 10, windowMs: hour }
    const narrow = { key: 'narrow', limit: 1, windowMs: hour }
    t.same(await store.budgets.take([wide, narrow]), { granted: true })
    t.match(await store.budgets.take([wide, narrow]), { granted: false, key: 'narrow' })
    t.match(await store.budgets.take([narrow, wide]), { granted: false, key: 'narrow' })
    t.equal(await store.budgets.used('wide', hour), 1)
    t.equal(await store.budgets.used('narrow', hour), 1)
    t.equal(await store.budgets.used('wide', 60_000), 0, 'another window is another budget')
    t.same(await store.budgets.take([]), { granted: true })
    const twice = { key: 'twice', limit: 3, windowMs: hour, amount: 2 }
    t.match(await store.budgets.take([twice, twice]), { granted: false, key: 'twice' })
    t.equal(await store.budgets.used('twice', hour), 0, 'named twice is charged twice')
    const odd = { key: 'org {1}: \u{1f511}\0', limit: 1, windowMs: hour }
    t.same(await store.budgets.take([odd]), { granted: true }, 'a key is any text')
    t.equal(await store.budgets.used(odd.key, hour), 1)
  })

  await t.test('answers a question of 0 without a charge', async (t) => {
    const { store } = await open(t)
    const charge = { key: 'a', limit: 1, windowMs: 3_600_000 }
    t.same(await store.budgets.take([{ ...charge, amount: 0 }]), { granted: true })
    t.equal(await store.budgets.used('a', charge.windowMs), 0)
    await store.budgets.take([charge])
    t.match(await store.budgets.take([{ ...charge, amount: 0 }]), { granted: false, key: 'a' })
    t.match(await store.budgets.take([{ ...charge, key: 'b', limit: 0 }]), { granted: false })
  })

  await t.test('grants no more than the limit to many at once', async (t) => {
    const { store, peer } = await open(t)
    const charge = { key: 'a', limit: 7, windowMs: 3_600_000 }
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, i) => (i % 2 ? store : peer).budgets.take([charge])),
    )
    t.equal(results.filter(({ granted }) => granted).length, 7)
  })

  await t.test('says who it is and how many changes there were', async (t) => {
    const { store, peer } = await open(t)
    const { id, seq } = await store.identity()
    t.match(id, /^[0-9a-f-]{36}$/)
    t.equal(seq, 0)
    await store.integrations.create('a', 'u', content())
    await store.outcomes.save('a', { uid: 'u', orev: 0 }, {})
    await store.documents.write('k', 'd', '', { expected: 'any' })
    t.same(await peer.identity(), { id, seq: 3 })
    const { store: other } = await open(t)
    t.not((await other.identity()).id, id)
  })

  await t.test('tells the time', async (t) => {
    const { store } = await open(t)
    const now = await store.now()
    t.ok(Number.isInteger(now))
    t.ok(Math.abs(now - Date.now()) < 60_000)
  })
}
