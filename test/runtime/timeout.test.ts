import { once } from 'node:events'
import t from 'tap'
import { abandonedWork, waitFor, within } from '../../src/runtime/timeout.ts'
import { eventually } from '../support/eventually.ts'

t.test(
  'work is told to end when its time is over, and says itself what comes of that',
  async (t) => {
    const before = abandonedWork()
    const told = await within(10, async (deadline) => {
      await once(deadline, 'abort')
      return 'told'
    })
    t.equal(told, 'told')
    t.same(abandonedWork(), before)
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

t.test(
  'work that does not listen is left behind, counted, and disposed of at its end',
  async (t) => {
    const before = abandonedWork()
    const works = [Promise.withResolvers<string>(), Promise.withResolvers<string>()] as const
    const disposed: string[] = []
    const dispose = (result: string) => void disposed.push(result)
    const [late, thrown] = await Promise.all([
      within(10, () => works[0].promise, { late: () => 'late', dispose }),
      within(10, () => works[1].promise, { dispose }).catch(({ code }) => code),
    ])
    t.same([late, thrown], ['late', 'salesforce_timeout'])
    const now = () => {
      const { total, running } = abandonedWork()
      return [total - before.total, running - before.running]
    }
    t.same(now(), [2, 2])
    works[0].resolve('what came')
    works[1].reject(new Error('it failed'))
    await eventually(() => abandonedWork().running === before.running)
    t.same(now(), [2, 0])
    t.same(disposed, ['what came'])
  },
)

t.test('a signal ends the time early, also one that came before', async (t) => {
  const early = new AbortController()
  const never = new Promise<string>(() => undefined)
  const limit = { signal: early.signal, late: () => 'late' }
  const pending = within(60_000, () => never, limit)
  early.abort()
  t.equal(await pending, 'late')
  t.equal(await within(60_000, () => never, limit), 'late')
  t.equal(await waitFor(never, limit), 'late')
})

t.test('who waits inside says what comes of it, and not who waits around it', async (t) => {
  const never = new Promise<string>(() => undefined)
  const inside = (signal: AbortSignal) =>
    within(60_000, () => never, { signal, late: () => 'inside' })
  t.equal(await within(10, inside, { late: () => 'around' }), 'inside')
})

t.test('what others wait for, too, goes on untold and uncounted', async (t) => {
  const before = abandonedWork()
  const { promise, resolve } = Promise.withResolvers<string>()
  t.equal(await waitFor(promise, { ms: 10, late: () => 'late' }), 'late')
  await t.rejects(waitFor(promise, { ms: 10 }), { code: 'salesforce_timeout' })
  resolve('done')
  t.equal(await waitFor(promise, { ms: 10 }), 'done')
  t.same(abandonedWork(), before)
})
