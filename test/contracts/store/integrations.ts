import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { content, lease, type StoreSuite } from '../../support/store-engines.ts'

export const integrationsSuite: StoreSuite = async (t, open) => {
  await t.test('creates a record once, with version 1 and no outcome', async (t) => {
    const { store, peer } = await open(t)
    t.equal(await store.integrations.read('billing'), undefined)
    t.equal(await store.integrations.readSealed('billing'), undefined)
    const record = await store.integrations.create(
      'billing',
      'u1',
      content({ digests: ['a', 'b'] }),
    )
    t.match(record, { name: 'billing', uid: 'u1', version: 1, orev: 0, digests: ['a', 'b'] })
    t.equal(record?.definition, '{"a":1}')
    t.ok((record?.rev ?? 0) >= 1)
    t.equal(await store.integrations.create('billing', 'u2', content()), undefined)
    t.same(await peer.integrations.read('billing'), record)
    t.same(await peer.integrations.readSealed('billing'), { ...record, secrets: 'sealed' })
  })

  await t.test('never gives the secrets to who did not ask for them', async (t) => {
    const { store } = await open(t)
    const created = await store.integrations.create('a', 'u', content({ secrets: 'canary' }))
    const expected = { uid: 'u', version: 1 }
    const changed = await store.integrations.change('a', expected, content({ secrets: 'canary' }))
    const seen = [
      created,
      changed,
      await store.integrations.read('a'),
      await store.outcomes.look('a'),
    ]
    t.notMatch(JSON.stringify([...seen, await store.integrations.list({ limit: 5 })]), /canary/)
  })

  await t.test(
    'changes a record for who knows its version, and raises version and rev',
    async (t) => {
      const { store } = await open(t)
      const first = await store.integrations.create('a', 'u', content())
      const next = content({ digests: [], definition: '{}', secrets: '' })
      const second = await store.integrations.change('a', { uid: 'u', version: 1 }, next)
      t.same(second, {
        ...first,
        version: 2,
        rev: (first?.rev ?? 0) + 1,
        digests: [],
        definition: '{}',
      })
      t.equal((await store.integrations.readSealed('a'))?.secrets, '')
      const { change } = store.integrations
      t.equal(await change('a', { uid: 'u', version: 1 }, content()), undefined, 'a former version')
      t.equal(await change('a', { uid: 'u', version: 3 }, content()), undefined, 'a later version')
      t.equal(await change('a', { uid: 'v', version: 2 }, content()), undefined, 'another uid')
      t.equal(await change('b', { uid: 'u', version: 2 }, content()), undefined, 'another name')
      t.same(await store.integrations.read('a'), second, 'and nothing of those was written')
    },
  )

  await t.test('lets exactly one of many concurrent changes win', async (t) => {
    const { store, peer } = await open(t)
    const creations = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 ? store : peer).integrations.create('a', `u${i}`, content()),
      ),
    )
    const [winner, ...others] = creations.filter((record) => record !== undefined)
    t.equal(others.length, 0)
    const uid = winner?.uid ?? ''
    for (let version = 1; version <= 10; version++) {
      const changes = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          (i % 2 ? store : peer).integrations.change(
            'a',
            { uid, version },
            content({ definition: `${version}/${i}` }),
          ),
        ),
      )
      const won = changes.filter((record) => record !== undefined)
      t.equal(won.length, 1)
      t.same(await store.integrations.read('a'), won[0])
    }
  })

  await t.test('keeps the outcome over a change', async (t) => {
    const { store } = await open(t)
    await store.integrations.create('a', 'u', content())
    const expiresAt = (await store.now()) + 60_000
    const saved = { lease: lease({ tokenId: 'T', expiresAt }) }
    await store.outcomes.save('a', { uid: 'u', orev: 0 }, saved)
    await store.integrations.change('a', { uid: 'u', version: 1 }, content({ digests: ['d2'] }))
    const look = await store.outcomes.look('a')
    t.same(look?.outcome, saved)
    t.match(look?.integration, { orev: 1, version: 2, digests: ['d2'] })
  })

  await t.test('removes the record with its outcome, lock and due entry', async (t) => {
    const { store } = await open(t)
    await store.integrations.create('a', 'u', content())
    const expiresAt = (await store.now()) + 60_000
    await store.outcomes.save(
      'a',
      { uid: 'u', orev: 0 },
      { lease: lease({ tokenId: 'T', expiresAt }), dueAt: expiresAt },
    )
    t.ok(await store.locks.acquire('a', 'me', 60_000))
    t.notOk(await store.integrations.remove('a', { uid: 'u', version: 2 }))
    t.notOk(await store.integrations.remove('a', { uid: 'v', version: 1 }))
    t.equal((await store.outcomes.look('a'))?.outcome.lease?.tokenId, 'T')
    t.ok(await store.integrations.remove('a', { uid: 'u', version: 1 }))
    t.notOk(await store.integrations.remove('a', { uid: 'u', version: 1 }), 'gone already')
    t.equal(await store.integrations.read('a'), undefined)
    t.equal(await store.outcomes.look('a'), undefined)
    t.same(await store.outcomes.holders('T'), [])
    t.same(await store.due.size(), { count: 0, earliest: null })
    t.same((await store.integrations.list({ limit: 10 })).items, [])
    t.ok(await store.locks.acquire('a', 'you', 60_000))

    const again = await store.integrations.create('a', 'u2', content())
    t.match(again, { version: 1, orev: 0, uid: 'u2' })
    t.same((await store.outcomes.look('a'))?.outcome, {}, 'a namesake inherits nothing')
  })

  await t.test('gives a namesake a rev above all that a reader may have heard', async (t) => {
    const { store } = await open(t)
    await store.integrations.create('a', 'u1', content())
    for (let version = 1; version <= 5; version++) {
      await store.integrations.change('a', { uid: 'u1', version }, content())
    }
    for (let orev = 0; orev < 5; orev++) {
      await store.outcomes.save('a', { uid: 'u1', orev }, { lease: null })
    }
    const cursor = await store.changes.tail()
    await store.integrations.remove('a', { uid: 'u1', version: 6 })
    const again = await store.integrations.create('a', 'u2', content())
    const { entries } = await store.changes.read(cursor)
    const [removed, created] = entries.map((entry) => entry.type === 'integration' && entry.rev)
    t.equal(created, again?.rev)
    t.ok(Number(removed) > 10)
    t.ok(Number(created) > Number(removed) - 1)
  })

  await t.test('lists more than a thousand names in order, page by page', async (t) => {
    const { store } = await open(t)
    const names = Array.from({ length: 1_101 }, (_, i) => `n${(i * 733) % 1_101}-x`)
    for (let i = 0; i < names.length; i += 100) {
      const batch = names.slice(i, i + 100)
      await Promise.all(
        batch.map((name) => store.integrations.create(name, `u-${name}`, content())),
      )
    }
    const sorted = names.toSorted()
    for (const limit of [1_000, 400, 1_101 / 3]) {
      const seen: string[] = []
      let after: string | null | undefined
      do {
        const page = await store.integrations.list({ limit, ...(after && { after }) })
        t.ok(page.items.length <= limit)
        t.ok(page.items.every(({ name, uid }) => uid === `u-${name}`))
        seen.push(...page.items.map(({ name }) => name))
        after = page.next
      } while (after !== null)
      t.same(seen, sorted)
    }
    const rest = await store.integrations.list({ limit: 1_000, after: sorted[1_099] ?? '' })
    t.same(
      rest.items.map(({ name }) => name),
      sorted.slice(1_100),
    )
    t.equal(rest.next, null)
    const full = await store.integrations.list({ limit: 1, after: sorted[1_099] ?? '' })
    t.equal(full.next, null, 'a last page that is full has no next')
    const odd = await store.integrations.list({ limit: 2, after: 'n\u{10ffff}{}"\\' })
    t.same(odd.items, [], 'a cursor may be any text')
  })

  await t.test('takes no name and no page outside the contract', async (t) => {
    const { store } = await open(t)
    for (const name of ['', 'A', '-a', 'a-', 'a{b}', 'a:b', 'a\n', 'a'.repeat(65), '__proto__']) {
      await t.rejects(store.integrations.read(name), RangeError, JSON.stringify(name))
      await t.rejects(store.integrations.create(name, 'u', content()), RangeError)
      await t.rejects(store.outcomes.look(name), RangeError)
      await t.rejects(store.due.mark(name, 0), RangeError)
    }
    for (const limit of [0, -1, 1.5, 1_001, Number.NaN]) {
      await t.rejects(store.integrations.list({ limit }), RangeError)
    }
    t.same(await store.integrations.list({ limit: 1_000 }), { items: [], next: null })
    t.ok(await store.integrations.create('a'.repeat(64), 'u', content()))
  })

  await t.test('gives every text back as it was', async () => {
    const { store } = await open(t)
    await store.integrations.create('a', 'u', content())
    const text = fc.string({ unit: 'binary', maxLength: 200 })
    let version = 1
    await fc.assert(
      fc.asyncProperty(
        text,
        text,
        fc.array(text, { maxLength: 3 }),
        async (definition, secrets, digests) => {
          const written = { definition, secrets, digests }
          await store.integrations.change('a', { uid: 'u', version }, written)
          version += 1
          const { name, uid, rev, orev, ...read } = (await store.integrations.readSealed('a')) ?? {}
          deepStrictEqual(read, { ...written, version })
        },
      ),
      {
        numRuns: 100,
        examples: [
          ['', '', []],
          ['\0', '{"\\u0000":"]]"}', ['\ufeff', '\u{1f511}', '"\\\u2028']],
        ],
      },
    )
  })
}
