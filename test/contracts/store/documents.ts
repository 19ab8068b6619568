import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { Type } from 'typebox'
import { documentKind } from '../../../src/store/documents.ts'
import type { StoreSuite } from '../../support/store-engines.ts'

const COUNTERS = documentKind({
  kind: 'key',
  schema: Type.Object({ writers: Type.Array(Type.Number()) }),
})

export const documentsSuite: StoreSuite = async (t, open) => {
  await t.test('writes a document by compare-and-set on its version', async (t) => {
    const { store, peer } = await open(t)
    const { read, write } = store.documents
    t.equal(await read('key', 'a'), undefined)
    t.equal(await write('key', 'a', 'x', { expected: 1 }), undefined, 'nothing there to change')
    t.same(await write('key', 'a', 'one', { expected: 'absent' }), {
      id: 'a',
      version: 1,
      body: 'one',
    })
    t.equal(await write('key', 'a', 'x', { expected: 'absent' }), undefined)
    t.equal(await write('key', 'a', 'x', { expected: 2 }), undefined)
    t.same(await write('key', 'a', 'two', { expected: 1 }), { id: 'a', version: 2, body: 'two' })
    t.same(await write('key', 'a', 'three', { expected: 'any' }), {
      id: 'a',
      version: 3,
      body: 'three',
    })
    t.same(await write('key', 'b', 'new', { expected: 'any' }), {
      id: 'b',
      version: 1,
      body: 'new',
    })
    t.same(await peer.documents.read('key', 'a'), { id: 'a', version: 3, body: 'three' })
    t.equal(await read('other', 'a'), undefined, 'another kind is another document')
  })

  await t.test('lets exactly one of many concurrent writes win', async (t) => {
    const { store, peer } = await open(t)
    for (const expected of ['absent', 1, 2] as const) {
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          (i % 2 ? store : peer).documents.write('key', 'a', `${i}`, { expected }),
        ),
      )
      const won = results.filter((record) => record !== undefined)
      t.equal(won.length, 1)
      t.same(await store.documents.read('key', 'a'), won[0])
    }
  })

  await t.test('ten who change one document at the same time all succeed', async (t) => {
    const { store, peer } = await open(t)
    const changes = Array.from({ length: 10 }, (_, i) =>
      COUNTERS.update((i % 2 ? store : peer).documents, 'a', (stored) => ({
        writers: [...(stored?.body.writers ?? []), i],
      })),
    )
    const written = await Promise.all(changes)
    t.same(
      written.map((one) => one?.version).toSorted((a = 0, b = 0) => a - b),
      [...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
    )
    const { body } = (await COUNTERS.read(store.documents, 'a')) ?? {}
    t.same(body?.writers.toSorted(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  await t.test('removes a document, if it is the expected version', async (t) => {
    const { store } = await open(t)
    const { remove, write, read, list } = store.documents
    t.notOk(await remove('key', 'a', 'any'))
    await write('key', 'a', '', { expected: 'any' })
    t.notOk(await remove('key', 'a', 2))
    t.ok(await remove('key', 'a', 1))
    t.equal(await read('key', 'a'), undefined)
    t.same((await list('key', { limit: 10 })).items, [])
    await write('key', 'a', '', { expected: 'absent' })
    t.ok(await remove('key', 'a', 'any'))
  })

  await t.test('forgets an expired document everywhere', async (t) => {
    const { store, pass } = await open(t)
    const { write, read, list, remove } = store.documents
    const now = await store.now()
    const soon = { expected: 'any', expiresAt: now + 1_500 } as const
    for (const id of ['a', 'c', 'kept', 'z']) await write('key', id, id, soon)
    await write('key', 'b', 'b', { expected: 'any' })
    await write('key', 'd', 'd', { expected: 'any', expiresAt: now + 3_600_000 })
    await write('key', 'kept', 'kept', { expected: 1 })
    t.equal((await list('key', { limit: 10 })).items.length, 6)
    await pass(1_501)
    t.equal(await read('key', 'a'), undefined)
    const page = await list('key', { limit: 2 })
    t.same(page, {
      items: [
        { id: 'b', version: 1, body: 'b' },
        { id: 'd', version: 1, body: 'd' },
      ],
      next: 'd',
    })
    t.same(await list('key', { limit: 2, after: 'd' }), {
      items: [{ id: 'kept', version: 2, body: 'kept' }],
      next: null,
    })
    t.notOk(await remove('key', 'a', 'any'))
    t.equal(await write('key', 'c', 'x', { expected: 1 }), undefined)
    t.match(await write('key', 'c', 'again', { expected: 'absent' }), { version: 1 })
    t.match((await list('key', { limit: 10 })).items, [
      { id: 'b' },
      { id: 'c' },
      { id: 'd' },
      { id: 'kept' },
    ])
    await write('key', 'past', 'x', { expected: 'any', expiresAt: now - 1 })
    t.equal(await read('key', 'past'), undefined)
  })

  await t.test('lists more than a thousand ids in order, page by page', async (t) => {
    const { store } = await open(t)
    const ids = Array.from({ length: 1_050 }, (_, i) => `Id ${(i * 733) % 1_050}`)
    await Promise.all(ids.map((id) => store.documents.write('key', id, id, { expected: 'absent' })))
    await store.documents.write('keys', 'stranger', '', { expected: 'any' })
    const seen: string[] = []
    let after: string | null | undefined
    do {
      const page = await store.documents.list('key', { limit: 500, ...(after && { after }) })
      t.ok(page.items.every(({ id, body }) => id === body))
      seen.push(...page.items.map(({ id }) => id))
      after = page.next
    } while (after !== null)
    t.same(seen, ids.toSorted())
    t.same(await store.documents.list('none', { limit: 5 }), { items: [], next: null })
  })

  await t.test('takes any text as id and body, and gives it back as it was', async (t) => {
    const { store } = await open(t)
    const { write, read, list, remove } = store.documents
    const id = fc.string({ unit: 'binary', minLength: 1, maxLength: 100 })
    await fc.assert(
      fc.asyncProperty(id, fc.string({ unit: 'binary' }), async (id, body) => {
        const record = { id, version: 1, body }
        deepStrictEqual(await write('key', id, body, { expected: 'absent' }), record)
        deepStrictEqual(await read('key', id), record)
        deepStrictEqual(await list('key', { limit: 5 }), { items: [record], next: null })
        deepStrictEqual(await remove('key', id, 1), true)
      }),
      {
        numRuns: 100,
        examples: [
          ['{x}y', ''],
          ['a:b', '\0'],
          ['\0', '\u{10ffff}'],
        ],
      },
    )
    await t.rejects(read('key', ''), RangeError)
    await t.rejects(read('key', 'x'.repeat(513)), RangeError)
    await t.rejects(read('Key:', 'x'), RangeError)
  })

  await t.test('reads events newest first, and goes on from where it was', async (t) => {
    const { store, peer } = await open(t)
    t.same(await store.events.read({ limit: 10 }), [])
    await store.events.append([], 10)
    await store.events.append(['1', '2', '3'], 1_000)
    await peer.events.append(['4', '', '\0\u{1f511}'], 1_000)
    const all = await store.events.read({ limit: 10 })
    t.same(
      all.map(({ body }) => body),
      ['\0\u{1f511}', '', '4', '3', '2', '1'],
    )
    t.equal(new Set(all.map(({ id }) => id)).size, 6)
    const first = await store.events.read({ limit: 4 })
    t.same(first, all.slice(0, 4))
    const before = first.at(-1)?.id ?? ''
    await store.events.append(['5'], 1_000)
    t.same(await store.events.read({ limit: 4, before }), all.slice(4), 'new ones do not shift it')
    t.same(await store.events.read({ limit: 4, before: all.at(-1)?.id ?? '' }), [])
  })

  await t.test('keeps the newest events, and not many more', async (t) => {
    const { store } = await open(t)
    for (let i = 0; i < 20; i++) {
      const bodies = Array.from({ length: 50 }, (_, k) => `${i * 50 + k}`)
      await store.events.append(bodies, 100)
    }
    const events = await store.events.read({ limit: 1_000 })
    t.ok(events.length >= 100 && events.length <= 300, `${events.length} are left`)
    t.same(
      events.slice(0, 100).map(({ body }) => Number(body)),
      Array.from({ length: 100 }, (_, i) => 999 - i),
    )
  })

  await t.test('keeps the shares of the events apart, and reads them as one', async (t) => {
    const { store, peer, pass } = await open(t)
    const { events } = store
    await events.append(['1', '2'], 1_000)
    // Shares are ordered by time alone.
    await pass(2)
    for (let i = 0; i < 20; i++) {
      await peer.events.append(
        Array.from({ length: 50 }, () => 'flood'),
        10,
        { share: 'strangers' },
      )
    }
    await events.append(['3'], 1_000, { share: 'tokens', isDurable: false })
    const shares = ['changes', 'tokens', 'strangers']
    const all = await events.read({ limit: 1_000, shares })
    t.same(
      all.flatMap(({ body }) => (body === 'flood' ? [] : [body])),
      ['3', '2', '1'],
    )
    t.ok(all.length < 300, `${all.length} are left`)
    t.same(
      (await events.read({ limit: 10 })).map(({ body }) => body),
      ['2', '1'],
      'of one share alone',
    )
    const paged: unknown[] = []
    for (let before: string | undefined; ; before = paged.at(-1) as string) {
      const page = await events.read({ limit: 7, shares, ...(before !== undefined && { before }) })
      paged.push(...page.map(({ id }) => id))
      if (page.length < 7) break
    }
    t.same(
      paged,
      all.map(({ id }) => id),
      'pages repeat and miss nothing, wherever they end',
    )
    await t.rejects(events.append(['x'], 1, { share: 'a:b' }), RangeError)
  })

  await t.test('a line takes the place of the one with its key, as the newest', async (t) => {
    const { store, peer, pass } = await open(t)
    const { events } = store
    const bodies = async () => (await events.read({ limit: 10 })).map(({ body }) => body)
    await events.put([], 10)
    await events.put(
      [
        { key: 'a', body: 'a1' },
        { key: 'b', body: 'b1' },
      ],
      10,
    )
    await pass(2)
    await events.append(['e'], 10)
    await pass(2)
    await peer.events.put([{ key: 'a', body: 'a2' }], 10)
    t.same(await bodies(), ['a2', 'e', 'b1'])
    await peer.events.put([{ key: 'a', body: 'a2' }], 10)
    t.same(await bodies(), ['a2', 'e', 'b1'], 'said twice it is there once')
    await events.put([{ key: 'c', body: 'c1' }], 2)
    t.same(await bodies(), ['c1', 'a2', 'e'], 'the newest lines stay, and no entry goes for them')
    await events.put([{ key: 'b', body: 'b2' }], 2)
    t.same(await bodies(), ['b2', 'c1', 'e'])
    const ids = (await events.read({ limit: 10 })).map(({ id }) => id)
    for (const [index, before] of ids.entries()) {
      const rest = await events.read({ limit: 10, before })
      t.same(
        rest.map(({ id }) => id),
        ids.slice(index + 1),
      )
    }
  })

  await t.test('refuses a cursor that it cannot have given', async (t) => {
    const { store } = await open(t)
    for (const before of ['', 'x', '-1', '+', '(1', '1 2', '9'.repeat(40)]) {
      await t.rejects(store.events.read({ limit: 1, before }), { code: 'request_invalid' })
    }
  })
}
