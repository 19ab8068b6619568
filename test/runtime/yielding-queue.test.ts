import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { createYieldingQueue } from '../../src/runtime/yielding-queue.ts'
import { eventually } from '../support/eventually.ts'

function queueWith({ atOnce = 16, most = 16, monotonic = (): number => 0 } = {}) {
  const queue = createYieldingQueue({ monotonic, atOnce, most })
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const later = (name: string, yieldMs = 60_000) =>
    queue.later(() => {
      begun.push(name)
      return new Promise<void>((resolve) => {
        ends.set(name, resolve)
      })
    }, yieldMs)
  return { queue, begun, later, end: (name: string) => ends.get(name)?.() }
}

t.test('work begins in a later turn, so that what runs now is answered first', async (t) => {
  const { begun, later } = queueWith()
  later('a')
  await Promise.resolve()
  t.same(begun, [])
  await nextTurn()
  t.same(begun, ['a'])
})

t.test('work waits while urgent work runs, however that ends', async (t) => {
  const { queue, begun, later } = queueWith()
  const first = Promise.withResolvers<string>()
  const second = Promise.withResolvers<string>()
  const result = queue.urgent(first.promise)
  const failing = queue.urgent(second.promise)
  later('a')
  later('b')
  await nextTurn()
  first.resolve('done')
  t.equal(await result, 'done')
  await nextTurn()
  t.same(begun, [], 'another urgent one runs')
  second.reject(new Error('failed'))
  await t.rejects(failing, { message: 'failed' })
  await nextTurn()
  t.same(begun, ['a', 'b'])
})

t.test('work that waited too long begins beside urgent work', async (t) => {
  let time = 0
  const { queue, begun, later } = queueWith({ monotonic: () => time })
  void queue.urgent(new Promise(() => undefined))
  later('a', 20)
  await nextTurn()
  t.same(begun, [])
  time = 20
  await eventually(() => begun.length > 0)
  t.same(begun, ['a'])
})

t.test('work that may wait shorter begins first, and in time', async (t) => {
  let time = 0
  const { queue, begun, later } = queueWith({ monotonic: () => time })
  const urgent = Promise.withResolvers<void>()
  void queue.urgent(urgent.promise)
  later('a', 4_000)
  later('b', 300)
  later('c', 5_000)
  later('d', 300)
  time = 300
  await nextTurn()
  t.same(begun, ['b', 'd'])
  urgent.resolve()
  await nextTurn()
  t.same(begun, ['b', 'd', 'a', 'c'])
})

t.test('only so much waits, and more is refused', async (t) => {
  const { queue, begun, later } = queueWith({ most: 2 })
  const urgent = Promise.withResolvers<void>()
  void queue.urgent(urgent.promise)
  t.same(
    ['a', 'b', 'c', 'd'].map((name) => later(name)),
    [true, true, false, false],
  )
  await nextTurn()
  t.same(begun, [], 'nothing begins too early for it')
  urgent.resolve()
  await nextTurn()
  t.same(begun, ['a', 'b'])
  t.ok(later('e'), 'there is room again')
})

t.test('only so much runs at once, in order', async (t) => {
  const { begun, later, end } = queueWith({ atOnce: 2 })
  for (const name of ['a', 'b', 'c', 'd']) later(name)
  await nextTurn()
  t.same(begun, ['a', 'b'])
  end('b')
  await nextTurn()
  t.same(begun, ['a', 'b', 'c'])
  end('a')
  end('c')
  await nextTurn()
  t.same(begun, ['a', 'b', 'c', 'd'])
})
