import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import type { AnnouncedChange } from '../../../src/store/records.ts'
import { createBreaker } from '../../../src/tokens/mint/breaker.ts'
import { isWhileResting } from '../../../src/tokens/mint/refusal-memory.ts'
import { integrationOf } from '../../support/integrations.ts'
import { testLog } from '../../support/runtime.ts'

const away = (retryAfterMs?: number) =>
  new BrokerError('salesforce_unavailable', 'It is away', {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
const unconnected = new BrokerError('salesforce_unavailable', 'No connection', {
  members: { hop: { at: 'host', step: 'tls', code: 'ECONNRESET' } },
  remedy: 'Look at the certificate.',
})
const late = new BrokerError('salesforce_timeout', 'No answer', {
  members: { hop: { at: 'host', step: 'http', code: 'ETIMEDOUT' } },
})

const billing = integrationOf({ name: 'billing', uid: 'one' })
const shop = integrationOf({ name: 'shop', uid: 'two' })

/** Two replicas with one store, whose locks end by the same clock. */
function fleet() {
  let time = 1_000
  let isAway = false
  const ends = new Map<string, number>()
  const told: AnnouncedChange[] = []
  const said: string[] = []
  const requireStore = () => {
    if (isAway) throw new BrokerError('store_unavailable', 'It is away')
  }
  const replica = (name: string) =>
    createBreaker({
      locks: {
        async acquire(lock, _owner, ttlMs) {
          requireStore()
          if ((ends.get(lock) ?? 0) > time) return false
          ends.set(lock, time + ttlMs)
          return true
        },
      },
      changes: {
        async announce(change) {
          requireStore()
          told.push(change)
          for (const one of [a, b]) one.heard(change)
        },
      },
      ...{ uniqueId: () => name, monotonic: () => time },
      log: testLog({
        info: (_bindings, text) => said.push(`${name}: ${text}`),
        warn: (_bindings, text) => said.push(`${name}: ${text}`),
      }),
    })
  const a: ReturnType<typeof createBreaker> = replica('a')
  const b: ReturnType<typeof createBreaker> = replica('b')
  return {
    ...{ a, b, said, told },
    now: () => time,
    pass(ms: number) {
      time += ms
    },
    loseStore() {
      isAway = true
    },
  }
}

/** Whether this caller may try one login. */
const mayTry = async (
  breaker: ReturnType<typeof createBreaker>,
  integration = billing,
): Promise<boolean> => {
  const probe = breaker.probe(integration)
  if (!probe) throw new Error('Nothing rests')
  return probe.then(
    () => true,
    (error: unknown) => {
      if (!isWhileResting(error)) throw error
      return false
    },
  )
}

t.test('what a server answers rests one client, and no connection rests the host', async (t) => {
  for (const error of [away(), late]) {
    const { a } = fleet()
    a.ended(billing, 0, error)
    t.same(a.counts(), { hosts: 0, clients: 1 })
    t.equal(a.probe(shop), undefined, 'others at the same host log in as usual')
    t.throws(() => a.check(billing), { code: 'salesforce_unavailable' })
    t.doesNotThrow(() => a.check(shop))
  }
  const { a } = fleet()
  a.ended(billing, 0, unconnected)
  t.same(a.counts(), { hosts: 1, clients: 0 })
  t.throws(() => a.check(shop), {
    ...{ code: 'salesforce_unavailable', remedy: 'Look at the certificate.' },
    members: { hop: { step: 'tls' } },
  })
  a.ended(shop, 0, away())
  t.same(a.counts(), { hosts: 0, clients: 1 }, 'an answer shows that the host can be reached')
})

t.test('a replica that hears late what it told itself knows better', async (t) => {
  const { a, b, told } = fleet()
  a.ended(billing, 0, away())
  a.ended(billing, 1_000)
  t.same(
    told.map((change) => change.type === 'login' && change.isResting),
    [true, false],
  )
  const [failed, answered] = told
  if (!failed || !answered) throw new Error('It told nothing')
  a.heard(failed)
  t.equal(a.counts().clients, 0, 'it answers')
  b.heard(failed)
  t.equal(b.counts().clients, 1, 'which another replica does not know yet')
  a.ended(billing, 1_001, away())
  a.heard(answered)
  t.equal(a.counts().clients, 1, 'it rests again')
})

t.test('a failure at an instance says nothing of the login host', async (t) => {
  const { a } = fleet()
  const grant = { type: 'data_cloud', source: 'crm' } as const
  a.ended(integrationOf({ grant: grant as never }), 0, unconnected)
  t.same(a.counts(), { hosts: 0, clients: 1 })
})

t.test('the fleet probes once a second, then every two, while callers ask', async (t) => {
  const { a, b, pass, now } = fleet()
  a.ended(billing, 0, away())
  const probes: number[] = []
  const begun = now()
  for (let passed = 0; passed < 60_000; passed += 50) {
    pass(50)
    for (const replica of [a, b, a, b]) {
      if (!(await mayTry(replica))) continue
      probes.push(now())
      replica.ended(billing, now(), away())
    }
  }
  const pauses = probes.map((at, index) => at - (probes[index - 1] ?? begun))
  t.ok(Math.min(...pauses) >= 1_000, `${pauses}`)
  t.ok(Math.max(...pauses) < 2_000, `${pauses}`)
})

t.test('one of many callers at once may try', async (t) => {
  const { a, b, pass } = fleet()
  a.ended(billing, 0, away())
  t.same(await Promise.all([mayTry(a), mayTry(b)]), [false, false], 'nobody before a second')
  pass(1_000)
  const callers = [a, a, b, b, a].map((replica) => mayTry(replica))
  t.same((await Promise.all(callers)).filter(Boolean), [true])
})

t.test('a probe that hangs keeps no other from its turn', async (t) => {
  const { a, pass, now } = fleet()
  a.ended(billing, 0, late)
  let probes = 0
  const hanging: number[] = []
  for (let passed = 0; passed < 20_000; passed += 100) {
    pass(100)
    if (await mayTry(a)) {
      probes += 1
      hanging.push(now())
    }
    if (now() - (hanging[0] ?? now()) > 4_000) a.ended(billing, hanging.shift() ?? 0, late)
  }
  t.ok(probes >= 10, `${probes}`)
})

t.test(
  'who is refused asks again within two seconds, or when Salesforce asked for it',
  async (t) => {
    const { a, b, pass, now } = fleet()
    const retryAfter = () => {
      try {
        a.check(billing)
        return undefined
      } catch (error) {
        return (error as BrokerError).retryAfterMs
      }
    }
    a.ended(billing, 0, away())
    t.equal(retryAfter(), 1_000)
    pass(1_000)
    t.ok(await mayTry(a))
    a.ended(billing, now(), away())
    t.ok((retryAfter() ?? 9_999) <= 2_000)
    pass(1_700)
    t.ok(await mayTry(a))
    a.ended(billing, now(), away(30_000))
    t.equal(retryAfter(), 30_000)
    pass(29_999)
    t.notOk(await mayTry(a))
    pass(1)
    t.ok(await mayTry(a))
    t.notOk(await mayTry(b), 'for the others the lock counts')
  },
)

t.test('the first success ends the rest at once, at every replica', async (t) => {
  const { a, b, pass, now, said } = fleet()
  a.ended(billing, 0, unconnected)
  t.throws(() => b.check(shop), { code: 'salesforce_unavailable' })
  pass(1_000)
  t.ok(await mayTry(b, shop))
  b.ended(shop, now())
  for (const replica of [a, b]) t.equal(replica.probe(billing), undefined)
  t.same(said, ['a: the login host fails'], 'b saw no failure')
  a.ended(billing, now(), unconnected)
  pass(1_000)
  a.ended(billing, now(), new BrokerError('grant_refused', 'It answers'))
  t.equal(b.probe(billing), undefined, 'a refusal is an answer')
  t.same(said.slice(1), ['a: the login host fails', 'a: the login host answers again'])
})

t.test('a login that began before the end of the rest does not begin another one', async (t) => {
  const { a, b, pass, now } = fleet()
  a.ended(billing, 0, late)
  pass(1_000)
  const begunAt = now()
  pass(2_000)
  b.ended(billing, now())
  pass(2_000)
  a.ended(billing, begunAt, late)
  t.same([a.counts(), b.counts()], Array(2).fill({ hosts: 0, clients: 0 }))
  a.ended(billing, now(), late)
  t.same(b.counts(), { hosts: 0, clients: 1 })
})

t.test('without the store, each replica decides alone', async (t) => {
  const { a, b, pass, now, loseStore, said } = fleet()
  a.ended(billing, 0, away())
  loseStore()
  pass(1_000)
  t.same(await Promise.all([mayTry(a), mayTry(a), mayTry(b)]), [true, false, true])
  a.ended(billing, now())
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(a.probe(billing), undefined)
  t.ok(b.isResting(billing), 'b finds out by itself')
  t.notMatch(said, [/told/], 'that the store is away has its own warning')
})

t.test(
  'a rest without callers is forgotten after a minute, and one with callers is not',
  async (t) => {
    const { a, b, pass, now, said } = fleet()
    a.ended(billing, 0, away())
    pass(60_000)
    t.same([a.counts().clients, b.counts().clients], [0, 0])
    t.equal(a.probe(billing), undefined)
    for (let passed = 0; passed < 120_000; passed += 10_000) {
      a.ended(billing, now(), away())
      pass(10_000)
      t.ok(b.isResting(billing), 'b is told again and again')
    }
    a.ended(billing, now())
    t.same(said, [
      'a: the logins of an integration fail',
      'a: the logins of an integration work again',
    ])
  },
)
