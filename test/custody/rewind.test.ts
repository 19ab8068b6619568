/** A store that goes back in time brings refresh tokens back that are used up. */
import t from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { isUnsettled, SETTLE_MS } from '../../src/custody/connection.ts'
import type { Wire } from '../../src/custody/exchange.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import type { TokenAnswer } from '../../src/grants/token-endpoint/token-answer.ts'
import {
  type CustodyBrokerOptions,
  createCustodyBroker,
  memoryWitness,
} from '../support/custody-broker.ts'
import { createModelCustodies } from '../support/custody-model.ts'

const TARGET = { name: 'crm', uid: 'u1', loginUrl: 'https://acme.my.salesforce.com' }
const CLIENT = '3MVG9'

/** One store with one Salesforce, and brokers that each know only what they were given. */
async function world(
  options: {
    readonly trouble?: string
    readonly canAsk?: boolean
    readonly tellsRuns?: boolean
  } = {},
) {
  let now = 1_000
  let ids = 0
  let given = 0
  const model = createModelCustodies(() => now)
  model.tellsRuns = options.tellsRuns ?? true
  const presented: string[] = []
  const lost: string[] = []
  const canAsk = options.canAsk ?? true
  const wire: Wire = {
    async present(token, { onRenewed }) {
      presented.push(token.reveal())
      given += 1
      const refreshToken = new Secret(`t${given}`)
      onRenewed(refreshToken)
      return { refreshToken } as TokenAnswer
    },
    async introspect(token) {
      if (!canAsk) throw new BrokerError('grant_refused', 'It may not ask')
      return { active: token.reveal() === `t${given}` }
    },
  }
  const uniqueId = () => `id-${++ids}`
  const broker = (how: Pick<CustodyBrokerOptions, 'witness' | 'mode'> = {}) => {
    const { custody, vouching, exchange, intents } = createCustodyBroker({
      ...{ custody: model, now: () => now, uniqueId, ...how },
      ...(options.trouble !== undefined && { trouble: options.trouble }),
      onLost: (reason) => void lost.push(reason),
    })
    return {
      ...{ custody, vouching },
      use: () => exchange.exchange(TARGET, CLIENT, wire),
      stop: intents.stop,
    }
  }
  const first = broker()
  const second = broker()
  for (const { vouching } of [first, second]) await vouching.look()
  const begun = { refreshToken: new Secret('t0'), clientId: CLIENT }
  await first.custody.begin(TARGET, begun)
  return {
    ...{ model, presented, lost, first, second, broker },
    pass(ms: number) {
      now += ms
    },
  }
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'none',
    (error: BrokerError) => (isUnsettled(error) ? 'unsettled' : error.code),
  )

t.test(
  'whoever was given more puts it back, and nothing is used before it was asked',
  async (t) => {
    const at = await world()
    const past = at.model.file()
    await at.first.use()
    await at.second.use()
    at.model.restart(past)
    t.equal(await codeOf(at.first.use()), 'unsettled', 'the first had t1, and t2 was given since')
    await at.second.vouching.look()
    t.same(at.presented, ['t0', 't1'])
    at.pass(SETTLE_MS)
    await at.first.use()
    t.same(at.presented, ['t0', 't1', 't2'])
  },
)

t.test('the count of changes tells who was given nothing', async (t) => {
  const at = await world()
  await at.second.use()
  const past = at.model.file()
  await at.first.use()
  await at.second.use()
  await at.first.use()
  at.model.restart(past)
  t.equal(await codeOf(at.second.use()), 'unsettled')
  t.match(at.model.records.get('crm'), { state: 'spend' })
  t.equal(new Set(at.presented).size, at.presented.length)
})

t.test('where nobody has what is missing, it is said to be lost', async (t) => {
  const at = await world()
  const past = at.model.file()
  await at.first.use()
  await at.second.vouching.look()
  at.model.restart(past)
  t.equal(await codeOf(at.second.use()), 'unsettled')
  at.pass(SETTLE_MS)
  t.equal(await codeOf(at.second.use()), 'integration_not_connected')
  t.same(at.lost, ['store_rewound'])
  t.same(at.presented, ['t0'])
})

t.test('after one rewind each is asked about once, whoever notices it when', async (t) => {
  const at = await world()
  const past = at.model.file()
  await at.first.use()
  await at.second.use()
  at.model.restart(past)
  t.equal(await codeOf(at.first.use()), 'unsettled')
  await at.second.vouching.look()
  at.pass(SETTLE_MS)
  await at.first.use()
  t.match(at.model.records.get('crm'), { state: 'idle' })
  await at.second.vouching.rewound()
  t.match(at.model.records.get('crm'), { state: 'idle' }, 'it was asked about in this run')
  await at.second.use()
  t.same(at.presented, ['t0', 't1', 't2', 't3'])
})

t.test('a fleet that was down has nobody who knows: Salesforce is asked first', async (t) => {
  const at = await world()
  await at.first.use()
  const past = at.model.file()
  await at.first.use()
  at.model.restart(past)
  const late = at.broker()
  t.equal(await codeOf(late.use()), 'unsettled')
  t.match(at.model.records.get('crm'), { state: 'spend' })
  t.equal((await at.model.age()).doubt?.kind, 'doubted')
  at.pass(SETTLE_MS)
  t.equal(await codeOf(late.use()), 'integration_not_connected')
  t.same(at.lost, ['store_rewound'])
  t.same(at.presented, ['t0', 't1'])
})

t.test('where Salesforce does not tell, nothing is used before an operator says', async (t) => {
  for (const restored of [true, false]) {
    const at = await world({ canAsk: false })
    await at.first.use()
    at.model.restart()
    const late = at.broker()
    t.equal(await codeOf(late.use()), 'unsettled')
    at.pass(SETTLE_MS)
    const error = await late.use().catch((thrown: unknown) => thrown)
    t.match(error, { code: 'refresh_token_doubted', status: 503 })
    at.pass(24 * 3_600_000)
    t.equal(await codeOf(late.use()), 'unsettled', 'however long it takes')
    t.equal(await late.vouching.accept(restored), 'doubted')
    t.equal((await at.model.age()).doubt, null)
    await late.use()
    t.same(at.presented, ['t0', 't1'])
    t.equal(await late.vouching.accept(undefined), 'sound')
  }
})

t.test('what is known to be old is not taken for the newest', async (t) => {
  const at = await world({ canAsk: false })
  const past = at.model.file()
  await at.first.use()
  at.model.restart(past)
  await t.rejects(at.first.vouching.accept(false), { code: 'conflict' })
  t.equal(await at.second.vouching.accept(undefined), 'rewound')
  t.match(at.model.records.get('crm'), { state: 'spend', id: /^restored:/ })
})

t.test('a witness knows after a restart of everything that nothing lacks', async (t) => {
  const at = await world({ canAsk: false })
  const witness = memoryWitness()
  const before = at.broker({ witness })
  await before.use()
  at.model.restart()
  await at.broker({ witness }).use()
  t.same(at.presented, ['t0', 't1'])
})

t.test('a witness tells an old store, also to who trusts', async (t) => {
  const at = await world({ canAsk: false })
  const witness = memoryWitness()
  const past = at.model.file()
  await at.broker({ witness }).use()
  at.model.restart(past)
  const late = at.broker({ witness, mode: 'trust' })
  t.equal(await codeOf(late.use()), 'unsettled')
  t.equal((await at.model.age()).doubt?.kind, 'rewound')
  t.same(at.presented, ['t0'])
})

t.test('who comes later and was sure ends the doubt of who knew nothing', async (t) => {
  const at = await world({ canAsk: false })
  const witness = memoryWitness()
  await at.broker({ witness }).use()
  at.model.restart()
  const knowsNothing = at.broker()
  t.equal(await codeOf(knowsNothing.use()), 'unsettled')
  await at.broker({ witness }).vouching.look()
  await knowsNothing.use()
  t.same(at.presented, ['t0', 't1'])
})

t.test('who never restores may say so', async (t) => {
  const at = await world({ canAsk: false })
  at.model.restart()
  await at.broker({ mode: 'trust' }).use()
  t.same(at.presented, ['t0'])
})

t.test('where runs cannot be told, a count that lacks still tells', async (t) => {
  const at = await world({ tellsRuns: false })
  const past = at.model.file()
  await at.first.use()
  at.model.restart(past)
  t.equal(await codeOf(at.first.use()), 'unsettled')
  t.same(at.presented, ['t0'])
})

t.test(
  'nothing is used once the replica stops, or where a failover would be its end',
  async (t) => {
    const stopped = await world()
    stopped.first.stop()
    t.equal(await codeOf(stopped.first.use()), 'store_unavailable')
    const unsafe = await world({ trouble: 'VALETKEY_REDIS_WAIT is 0' })
    t.equal(await codeOf(unsafe.first.use()), 'store_unavailable')
    t.same([...stopped.presented, ...unsafe.presented], [])
  },
)

t.test('a connection replaces just the one that it was begun over', async (t) => {
  const at = await world()
  const family = at.model.records.get('crm')?.family ?? null
  const given = (token: string) => ({ refreshToken: new Secret(token), clientId: CLIENT })
  const { custody } = at.first
  t.equal(await custody.begin(TARGET, { ...given('a'), replaces: null }), 'changed')
  t.equal(await custody.begin(TARGET, { ...given('b'), replaces: 'another' }), 'changed')
  t.equal(await custody.begin({ ...TARGET, uid: 'u2' }, given('c')), 'gone')
  t.equal(await custody.begin(TARGET, { ...given('d'), replaces: family }), 'begun')
  t.equal(await custody.begin(TARGET, { ...given('e'), replaces: family }), 'changed')
  await at.second.use()
  t.same(at.presented, ['d'])
})
