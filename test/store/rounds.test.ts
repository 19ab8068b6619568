import t from 'tap'
import { createRounds } from '../../src/store/rounds.ts'
import { eventually } from '../support/eventually.ts'

t.test('goes round after round, also after one that failed, until it is stopped', async (t) => {
  const pauses: number[] = []
  const troubles: unknown[] = []
  let rounds = 0
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>()
  const patrol = createRounds({
    async round() {
      rounds += 1
      if (rounds === 2) throw new Error('the store is away')
      if (rounds === 3) await held
    },
    onTrouble: (error) => troubles.push(error),
    intervalMs: 10,
    againMs: 3,
    sleep: async (ms) => {
      pauses.push(ms)
    },
  })
  patrol.start()
  patrol.start()
  await eventually(() => rounds === 3)
  t.same(pauses, [10, 3], 'once, however often it was started')
  t.match(troubles, [{ message: 'the store is away' }])
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
