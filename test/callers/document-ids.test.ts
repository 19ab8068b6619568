import t from 'tap'
import { createDocumentIds } from '../../src/callers/document-ids.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import type { Change } from '../../src/store/store.ts'

function setUp(ids: string[], limit?: number, corrupt: readonly string[] = []) {
  let epoch = 1
  let isCurrent = true
  let isAway = false
  let reads = 0
  const known = createDocumentIds({
    kind: 'api-key',
    documents: {
      async list(_kind, { limit: size, after }) {
        reads += 1
        if (isAway) throw new BrokerError('store_unavailable', 'away')
        const from = after === undefined ? 0 : ids.indexOf(after) + 1
        const items = ids.slice(from, from + size).map((id) => ({ id, version: 1, body: '{}' }))
        const last = items.at(-1)?.id ?? null
        return { items, corrupt, next: from + size < ids.length ? last : null }
      },
    },
    stream: { isCurrent: () => isCurrent, epoch: () => epoch },
    ...(limit !== undefined && { limit }),
  })
  return {
    known,
    ids,
    reads: () => reads,
    gap: () => (epoch += 1),
    hear: (is: boolean) => {
      isCurrent = is
    },
    loseStore: (is: boolean) => {
      isAway = is
    },
  }
}

const change = (id: string) => ({ type: 'document', kind: 'api-key', id }) as Change

t.test('all of them are read once, page by page, and then nothing more', async (t) => {
  const { known, reads } = setUp(Array.from({ length: 2_500 }, (_, n) => `id-${n}`))
  const answers = await Promise.all([known.mayBeThere('id-2400'), known.mayBeThere('other')])
  t.same(answers, [true, false])
  t.equal(reads(), 3)
  t.equal(known.mayBeThere('id-7'), true)
  t.equal(known.mayBeThere('another'), false)
  t.equal(reads(), 3)
})

t.test('one that cannot be used now may be there later', async (t) => {
  const { known } = setUp(['a'], undefined, ['back'])
  t.equal(await known.mayBeThere('back'), true)
  t.equal(known.mayBeThere('other'), false)
})

t.test(
  'what is made later is known: by the change stream, and by this replica at once',
  async (t) => {
    const { known } = setUp(['a'])
    t.equal(await known.mayBeThere('b'), false)
    known.heard(change('b'))
    known.add('c')
    known.heard({ ...change('d'), kind: 'other' } as Change)
    t.same(
      ['b', 'c', 'd'].map((id) => known.mayBeThere(id)),
      [true, true, false],
    )
  },
)

t.test('what is made while they are read is known, too', async (t) => {
  const { known } = setUp(['a'])
  const asked = known.mayBeThere('b')
  known.heard(change('b'))
  t.equal(await asked, true)
})

t.test('after a gap they are read again, and what is not heard may be there', async (t) => {
  const { known, ids, reads, gap, hear } = setUp(['a'])
  t.equal(await known.mayBeThere('b'), false)
  ids.push('b')
  gap()
  t.equal(await known.mayBeThere('b'), true)
  t.equal(reads(), 2)
  hear(false)
  t.equal(known.mayBeThere('nobody'), true)
  t.equal(reads(), 2)
})

t.test('where they cannot be read, or are too many, all may be there', async (t) => {
  const { known, loseStore } = setUp(['a'])
  loseStore(true)
  t.equal(await known.mayBeThere('b'), true)
  loseStore(false)
  t.equal(await known.mayBeThere('b'), false)
  const many = setUp(
    Array.from({ length: 3_000 }, (_, n) => `id-${n}`),
    1_500,
  )
  t.equal(await many.known.mayBeThere('b'), true)
  const before = many.reads()
  t.equal(await many.known.mayBeThere('c'), true)
  t.equal(many.reads(), before)
})
