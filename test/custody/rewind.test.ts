/** A store that goes back in time brings refresh tokens back that are used up. */
import t from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { isUnsettled, SETTLE_MS } from '../../src/custody/connection.ts'
import { createCustody } from '../../src/custody/custody.ts'
import { createCustodyStore } from '../../src/custody/custody-store.ts'
import { createExchange, type Wire } from '../../src/custody/exchange.ts'
import { createIntents } from '../../src/custody/intent.ts'
import { createSuccessors } from '../../src/custody/successors.ts'
import { createVerdicts } from '../../src/custody/verdict.ts'
import type { BrokerError } from '../../src/errors.ts'
import type { TokenAnswer } from '../../src/grants/grant.ts'
import { createModelCustodies } from '../support/custody-model.ts'

const TARGET = { name: 'crm', uid: 'u1', loginUrl: 'https://acme.my.salesforce.com' }
const CLIENT = '3MVG9'
const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** One store with one Salesforce, and brokers that each know only what they were given. */
async function world(options: { readonly trouble?: string } = {}) {
  let now = 1_000
  let ids = 0
  let given = 0
  const model = createModelCustodies(() => now)
  const presented: string[] = []
  const lost: string[] = []
  const wire: Wire = {
    async present(token, { onRenewed }) {
      presented.push(token.reveal())
      given += 1
      const refreshToken = new Secret(`t${given}`)
      onRenewed(refreshToken)
      return { refreshToken } as TokenAnswer
    },
    introspect: async (token) => ({ active: token.reveal() === `t${given}` }),
  }
  const broker = () => {
    const keyring = {
      seal: async (_record: string, text: string) => text,
      open: async (_record: string, text: string) => text,
    }
    const uniqueId = () => `id-${++ids}`
    const store = createCustodyStore({ custody: model, keyring: keyring as never })
    const custody = createCustody({
      ...{ store, custody: model, uniqueId, dropLease: async () => undefined },
      ...{ forgetRefusal: async () => undefined, endToken: async () => undefined },
      sleep: async () => undefined,
      ...{ audit: { background: () => undefined }, log: QUIET },
    })
    const sleep = async () => undefined
    const successors = createSuccessors({ store, sleep, log: QUIET })
    const onRewound = async () => {
      await successors.putBack()
      await custody.distrust()
    }
    const intents = createIntents({
      ...{ custody: model, trouble: options.trouble, onRewound, uniqueId },
      ...{ monotonic: () => now, sleep, log: QUIET },
    })
    const verdicts = createVerdicts({
      ...{ store, custody: model, leaseEndsAt: async () => undefined },
      ...{ onLost: (reason: string) => void lost.push(reason) },
      ...{ audit: { background: () => undefined }, log: QUIET },
    })
    const exchange = createExchange({
      ...{ store, intents, successors, verdicts, onRewound, endToken: async () => undefined },
    })
    return {
      custody,
      onRewound,
      use: () => exchange.exchange(TARGET, CLIENT, wire),
      stop: intents.stop,
    }
  }
  const first = broker()
  const second = broker()
  const begun = { refreshToken: new Secret('t0'), clientId: CLIENT }
  await first.custody.begin(TARGET, begun)
  return {
    ...{ model, presented, lost, first, second },
    snapshot: () => ({ records: model.records, seq: model.seq }),
    rewind(past: { readonly records: typeof model.records; readonly seq: number }) {
      model.records = past.records
      model.seq = past.seq
    },
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
    const past = at.snapshot()
    await at.first.use()
    await at.second.use()
    at.rewind(past)
    t.equal(await codeOf(at.first.use()), 'unsettled', 'the first had t1, and t2 was given since')
    await at.second.onRewound()
    t.same(at.presented, ['t0', 't1'])
    at.pass(SETTLE_MS)
    await at.first.use()
    t.same(at.presented, ['t0', 't1', 't2'])
  },
)

t.test('the count of changes tells who was given nothing', async (t) => {
  const at = await world()
  await at.second.use()
  const past = at.snapshot()
  await at.first.use()
  await at.second.use()
  await at.first.use()
  at.rewind(past)
  t.equal(await codeOf(at.second.use()), 'unsettled')
  t.match(at.model.records.get('crm'), { state: 'spend' })
  t.equal(new Set(at.presented).size, at.presented.length)
})

t.test('where nobody has what is missing, it is said to be lost', async (t) => {
  const at = await world()
  const past = at.snapshot()
  await at.first.use()
  at.rewind(past)
  await at.second.custody.distrust()
  t.equal(await codeOf(at.second.use()), 'unsettled')
  at.pass(SETTLE_MS)
  t.equal(await codeOf(at.second.use()), 'integration_not_connected')
  t.same(at.lost, ['store_rewound'])
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
