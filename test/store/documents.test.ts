/** What every kind of document does with bodies, pages and races. */
import t from 'tap'
import { Type } from 'typebox'
import { documentKind } from '../../src/store/documents.ts'
import type { DocumentRecord, Documents } from '../../src/store/store.ts'

const COLOURS = documentKind({
  kind: 'colour',
  schema: Type.Object({ hue: Type.Enum(['red', 'blue']), seen: Type.Number() }),
})

const recordOf = (id: string, body: unknown): DocumentRecord => ({
  ...{ id, version: 1, body: typeof body === 'string' ? body : JSON.stringify(body) },
})

/** A shelf where the first writes are lost. */
function shelf(records: readonly DocumentRecord[], lost = 0) {
  const byId = new Map(records.map((record) => [record.id, record]))
  const written: Parameters<Documents['write']>[3][] = []
  const documents: Documents = {
    read: async (_kind, id) => byId.get(id),
    async list(_kind, { limit, after = '' }) {
      const rest = [...byId.values()].filter(({ id }) => id > after)
      const items = rest.slice(0, Math.min(limit, 2))
      return { items, next: rest.length > items.length ? (items.at(-1)?.id ?? null) : null }
    },
    async write(_kind, id, body, options) {
      written.push(options)
      if (written.length <= lost) return undefined
      const record = { id, version: (byId.get(id)?.version ?? 0) + 1, body }
      byId.set(id, record)
      return record
    },
    remove: async (_kind, id) => byId.delete(id),
  }
  return { documents, written }
}

t.test('a body that does not fit is corrupt for that record alone', async (t) => {
  const { documents } = shelf([
    recordOf('a', { hue: 'red', seen: 1, unknown: true }),
    recordOf('b', { hue: 'red' }),
    recordOf('c', 'no JSON'),
    recordOf('d', { hue: 'ultraviolet' }),
    recordOf('e', { hue: 'blue', seen: 2 }),
  ])
  t.same((await COLOURS.read(documents, 'a'))?.body, { hue: 'red', seen: 1, unknown: true })
  t.equal(await COLOURS.read(documents, 'z'), undefined)
  for (const id of ['b', 'c']) {
    await t.rejects(COLOURS.read(documents, id), { code: 'record_corrupt' }, id)
  }
  await t.rejects(COLOURS.read(documents, 'd'), { code: 'another_version' })
  const found: string[] = []
  for await (const { id } of COLOURS.all(documents)) found.push(id)
  t.same(found, ['a', 'e'], 'over all pages')
  t.same((await COLOURS.list(documents, { limit: 2 })).corrupt, ['b'])
})

t.test('a change that lost a race is made again, from its read on, ten times', async (t) => {
  const again = shelf([recordOf('a', { hue: 'red', seen: 1 })], 9)
  const changed = await COLOURS.update(
    again.documents,
    'a',
    (stored) => stored && { ...stored.body, seen: stored.body.seen + 1 },
    ({ seen }) => seen * 1_000,
  )
  t.match(changed, { version: 2, body: { hue: 'red', seen: 2 } })
  t.same(again.written, Array(10).fill({ expected: 1, expiresAt: 2_000 }))
  const { documents } = shelf([], 10)
  const body = { hue: 'blue', seen: 0 } as const
  await t.rejects(
    COLOURS.update(documents, 'a', () => body),
    { code: 'conflict' },
  )
  t.equal(await COLOURS.update(documents, 'a', () => undefined), undefined)
})

t.test('a write that lost a race is a conflict, and a claim is nothing', async (t) => {
  const { documents } = shelf([], 2)
  const body = { hue: 'blue', seen: 0 } as const
  await t.rejects(COLOURS.write(documents, 'a', body, { expected: 'absent' }), {
    code: 'conflict',
  })
  t.equal(await COLOURS.claim(documents, 'a', body, { expected: 'absent' }), undefined)
  t.match(await COLOURS.write(documents, 'a', body, { expected: 'any' }), { id: 'a', body })
  t.equal(await COLOURS.erase(documents, 'a'), true)
})
