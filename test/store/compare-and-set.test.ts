import t from 'tap'
import { BrokerError } from '../../src/errors/errors.ts'
import { isLostRace, untilWritten } from '../../src/store/compare-and-set.ts'

/** Notes the pauses, and waits for none. */
function paused(random: () => number) {
  const pauses: number[] = []
  const runtime = {
    random,
    async sleep(ms: number) {
      pauses.push(ms)
    },
  }
  return { pauses, runtime }
}

/** Loses so often, and then gives its result. */
function losing(times: number) {
  let tries = 0
  return async () => {
    tries += 1
    return tries > times ? `written with try ${tries}` : ('lost' as const)
  }
}

t.test('tries ten times, with a random pause in between that grows to 40 ms', async (t) => {
  const whole = paused(() => 1)
  t.equal(await untilWritten('it', losing(9), { runtime: whole.runtime }), 'written with try 10')
  t.same(whole.pauses, [5, 10, 20, 40, 40, 40, 40, 40, 40])
  const half = paused(() => 0.5)
  const error: unknown = await untilWritten('it', losing(10), { runtime: half.runtime }).catch(
    (error) => error,
  )
  t.match(error, { code: 'conflict' })
  t.ok(isLostRace(error))
  t.same(half.pauses.slice(0, 3), [2.5, 5, 10])
  t.equal(half.pauses.length, 9, 'none after the last')
})

t.test('tries less often where it is told so', async (t) => {
  const { pauses, runtime } = paused(() => 1)
  const most = 3
  t.equal(await untilWritten('it', losing(2), { most, runtime }), 'written with try 3')
  await t.rejects(untilWritten('it', losing(3), { most, runtime }), { code: 'conflict' })
  t.same(pauses, [5, 10, 5, 10])
})

t.test('what fails is not tried again', async (t) => {
  let tries = 0
  const failing = async () => {
    tries += 1
    throw new BrokerError('store_unavailable', 'It is away')
  }
  const error: unknown = await untilWritten('it', failing).catch((error) => error)
  t.match(error, { code: 'store_unavailable' })
  t.notOk(isLostRace(error))
  t.equal(tries, 1)
})
