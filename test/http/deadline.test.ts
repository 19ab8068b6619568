import t from 'tap'
import { within } from '../../src/http/deadline.ts'

t.test(
  'work is told to end when its time is over, and says itself what comes of that',
  async (t) => {
    const told = await within(
      10,
      (deadline) =>
        new Promise((resolve) => {
          deadline.addEventListener('abort', () => resolve('told'))
        }),
    )
    t.equal(told, 'told')
  },
)

t.test('and is not told any more once it is done, well or badly', async (t) => {
  let deadline: AbortSignal | undefined
  const keep = (signal: AbortSignal) => {
    deadline = signal
  }
  t.equal(await within(60_000, async (signal) => keep(signal)), undefined)
  await t.rejects(
    within(60_000, async (signal) => {
      keep(signal)
      throw new Error('bad')
    }),
    { message: 'bad' },
  )
  t.equal(deadline?.aborted, false)
  t.same(
    process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout'),
    [],
  )
})
