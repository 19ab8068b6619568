import t from 'tap'
import { createThrottle } from '../../../src/callers/authentication/throttle.ts'
import { BrokerError } from '../../../src/errors/errors.ts'
import { networkOf } from '../../../src/http/address.ts'
import type { ChargeResult } from '../../../src/store/budgets.ts'
import { testRuntime } from '../../support/runtime.ts'

const wrong = new BrokerError('caller_unauthenticated', 'wrong')

function setUp(take: () => Promise<ChargeResult>) {
  let time = 1_000_000
  let steady = 0
  const warnings: string[] = []
  const throttle = createThrottle({
    budgets: { take },
    runtime: testRuntime({ now: () => time, monotonic: () => steady }),
    log: { warn: (_bindings, message) => warnings.push(message) },
  })
  const codes = async (count: number, address = '10.0.0.1') => {
    const answers: string[] = []
    for (let index = 0; index < count; index += 1) {
      answers.push((await throttle.failed(address, wrong)).code)
    }
    return answers
  }
  const pass = (ms: number) => {
    time += ms
    steady += ms
  }
  return { throttle, codes, warnings, pass, set: (byMs: number) => (time += byMs) }
}

const granted = async (): Promise<ChargeResult> => ({ granted: true })

t.test('the twenty-first failure within a minute is answered with 429', async (t) => {
  const { codes } = setUp(granted)
  const answers = await codes(22)
  t.same(answers.slice(0, 20), Array(20).fill('caller_unauthenticated'))
  t.same(answers.slice(20), ['rate_limited', 'rate_limited'])
})

t.test('another address is not held up, and the minute ends', async (t) => {
  const { codes, pass } = setUp(granted)
  await codes(21)
  t.same(await codes(1, '10.0.0.2'), ['caller_unauthenticated'])
  t.same(await codes(1), ['rate_limited'])
  pass(60_000)
  t.same(await codes(1), ['caller_unauthenticated'])
})

t.test('a clock that is set back holds nobody up for longer, and lets nobody go', async (t) => {
  const { codes, pass, set } = setUp(granted)
  await codes(21)
  set(3_600_000)
  t.same(await codes(1), ['rate_limited'])
  set(-7_200_000)
  pass(60_000)
  t.same(await codes(1), ['caller_unauthenticated'])
})

t.test('what other replicas counted holds here too, and says how long to wait', async (t) => {
  const { throttle } = setUp(async () => ({ granted: false, key: 'k', retryAt: 1_030_000 }))
  const error = await throttle.failed('10.0.0.1', wrong)
  t.match(error, { code: 'rate_limited', retryAfterMs: 30_000 })
})

t.test('an address that is blocked costs the store nothing', async (t) => {
  let asked = 0
  const { codes } = setUp(async () => {
    asked += 1
    return { granted: false, key: 'k', retryAt: 1_030_000 }
  })
  await codes(10)
  t.equal(asked, 1)
})

t.test('without the store each replica counts alone, and says so once', async (t) => {
  const { codes, warnings } = setUp(async () => {
    throw new BrokerError('store_unavailable', 'down')
  })
  const answers = await codes(21)
  t.equal(answers.at(-1), 'rate_limited')
  t.equal(warnings.length, 1)
})

t.test('a /64 of IPv6 is one address, and a mapped one is IPv4', async (t) => {
  t.equal(networkOf('2001:db8:1:2:3:4:5:6'), networkOf('2001:db8:1:2::1'))
  t.not(networkOf('2001:db8:1:2::1'), networkOf('2001:db8:1:3::1'))
  t.equal(networkOf('::ffff:10.0.0.1'), '10.0.0.1')
  t.equal(networkOf('::1'), '0:0:0:0::/64')
  t.equal(networkOf('10.0.0.1'), '10.0.0.1')
})
