import t from 'tap'
import { createTask, pauseUntil } from '../../src/runtime/tasks.ts'
import { eventually } from '../support/eventually.ts'

t.test('goes round after round, also after one that failed, until it is stopped', async (t) => {
  const pauses: number[] = []
  const troubles: unknown[] = []
  let over = 0
  let rounds = 0
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>()
  const patrol = createTask({
    async work() {
      rounds += 1
      if (rounds === 2) throw new Error('the store is away')
      if (rounds === 3) await held
      return 10
    },
    outage: {
      report: (error) => troubles.push(error),
      over() {
        over += 1
      },
    },
    retryMs: 3,
    runtime: {
      async sleep(ms) {
        pauses.push(ms)
      },
    },
  })
  patrol.start()
  patrol.start()
  await eventually(() => rounds === 3)
  t.same(pauses, [10, 3], 'once, however often it was started')
  t.match(troubles, [{ message: 'the store is away' }])
  t.equal(over, 1)
  let isOver = false
  const stopped = patrol.stop().then(() => {
    isOver = true
  })
  await new Promise(setImmediate)
  t.notOk(isOver, 'the round under way comes to its end')
  letGo()
  await stopped
  t.equal(rounds, 3)
})

t.test('a round that did nothing, or was cut short by the end, ends no outage', async (t) => {
  const pauses: number[] = []
  const said: string[] = []
  let rounds = 0
  const task = createTask({
    async work() {
      rounds += 1
      if (rounds === 1) throw new Error('the store is away')
      if (rounds < 4) return { idleMs: 7 }
      if (rounds === 4) return 8
      void task.stop()
      return 9
    },
    outage: { report: () => said.push('report'), over: () => said.push(`over in ${rounds}`) },
    retryMs: 3,
    runtime: {
      async sleep(ms) {
        pauses.push(ms)
      },
    },
  })
  task.start()
  await eventually(() => pauses.length === 5)
  t.same(pauses, [3, 7, 7, 8, 9], 'its pause is as long as it says')
  t.same(said, ['report', 'over in 4'])
  await task.stop()
})

t.test('begins after its first pause, and is woken from an endless one', async (t) => {
  const pauses: number[] = []
  let rounds = 0
  const task = createTask({
    async work() {
      rounds += 1
      if (rounds === 2) task.wake()
      return Number.POSITIVE_INFINITY
    },
    firstMs: 7,
    runtime: {
      async sleep(ms) {
        pauses.push(ms)
      },
    },
  })
  task.start()
  await eventually(() => rounds === 1)
  await new Promise(setImmediate)
  t.equal(rounds, 1)
  t.equal(pauses[0], 7)
  task.wake()
  await eventually(() => rounds === 3)
  await new Promise(setImmediate)
  t.equal(rounds, 3, 'a wake during a round begins the next one at once')
  await task.stop()
  t.equal(rounds, 3)
})

t.test('stopped before its first round, it does nothing', async (t) => {
  let rounds = 0
  const task = createTask({
    async work() {
      rounds += 1
      return 10
    },
    firstMs: 7,
    runtime: {
      sleep: (_ms, signal) =>
        new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
    },
  })
  task.start()
  await task.stop()
  t.equal(rounds, 0)
})

t.test('a pause ends by the clock of the store, too', async (t) => {
  let clock = 1_000
  let rounds = 0
  const task = createTask({
    async work() {
      rounds += 1
      return 5_000
    },
    runtime: {
      now: () => clock,
      sleep: (_ms, signal) =>
        new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
    },
  })
  task.tick()
  task.start()
  await eventually(() => rounds === 1)
  await new Promise(setImmediate)
  clock += 4_999
  task.tick()
  await new Promise(setImmediate)
  t.equal(rounds, 1)
  clock += 1
  task.tick()
  await eventually(() => rounds === 2)
  await task.stop()
})

t.test('the pause until a time has bounds', (t) => {
  t.equal(pauseUntil(5_000, 1_000, 1_000), 4_000)
  t.equal(pauseUntil(1_200, 1_000, 1_000), 1_000)
  t.equal(pauseUntil(0, 1_000, 1_000), 1_000)
  t.equal(pauseUntil(Number.POSITIVE_INFINITY, 1_000, 1_000), 30_000)
  t.end()
})
