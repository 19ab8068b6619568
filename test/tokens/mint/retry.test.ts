import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import { refusedAtSource } from '../../../src/grants/refusals/refusals.ts'
import { createStoreReads, proofTriesOf, triesOf } from '../../../src/tokens/mint/retry.ts'
import { integrationOf } from '../../support/integrations.ts'
import { testBreaker, testLogins } from '../../support/logins.ts'
import { testLog, testRuntime } from '../../support/runtime.ts'

const integration = integrationOf()
const options = {
  charge: async () => undefined,
  hasWorked: async () => true,
  deadlineAt: 1_000_000,
}

function world({ sleepMs = 0 } = {}) {
  let time = 1_000
  let answers = 0
  let tries = 0
  let error: BrokerError
  const monotonic = () => time
  const log = testLog({ info: () => (answers += 1) })
  const breaker = testBreaker({ monotonic, log })
  const mint = async () => {
    tries += 1
    throw error
  }
  const sleep = async () => {
    time += sleepMs
  }
  const runtime = { monotonic, random: () => (sleepMs > 0 ? 0.5 : 0), sleep }
  const logins = testLogins({ mint }, runtime, breaker)
  return {
    breaker,
    async fail(next: BrokerError) {
      error = next
      return logins.mint(integration, options).catch(({ code }: BrokerError) => code)
    },
    tries: () => tries,
    /** How often the log said that a host answers again. */
    answers: () => answers,
    pass(ms: number) {
      time += ms
    },
  }
}

const away = () => new BrokerError('salesforce_unavailable', 'It is away')

t.test('Salesforce is left alone where it fails', async (t) => {
  const { breaker, fail, tries } = world()
  t.equal(await fail(away()), 'salesforce_unavailable')
  t.equal(tries(), 4)
  t.same(breaker.counts(), { hosts: 0, clients: 1 })
  t.equal(await fail(away()), 'salesforce_unavailable')
  t.equal(tries(), 4, 'nobody is asked')
})

t.test('a try whose time is over after the pause is none', async (t) => {
  const { breaker, fail, tries } = world({ sleepMs: options.deadlineAt })
  t.equal(await fail(away()), 'salesforce_unavailable', 'what the last try said')
  t.equal(tries(), 1)
  t.equal(breaker.counts().hosts, 0)
})

t.test('a login whose time is over before it begins says nothing of the host', async (t) => {
  const { breaker, fail, tries, pass } = world()
  pass(options.deadlineAt)
  t.equal(await fail(away()), 'salesforce_timeout')
  t.equal(tries(), 0)
  t.same(breaker.counts(), { hosts: 0, clients: 0 })
})

t.test('what fails at the source of a token is not put down to who exchanges it', async (t) => {
  const { breaker, fail, tries, answers, pass } = world()
  t.equal(await fail(refusedAtSource(away(), 'crm')), 'salesforce_unavailable')
  t.equal(tries(), 4, 'it is tried again all the same')
  t.same(breaker.counts(), { hosts: 0, clients: 0 })

  await fail(away())
  pass(100_000)
  const refused = new BrokerError('integration_disabled', 'It is disabled')
  t.equal(await fail(refusedAtSource(refused, 'crm')), 'integration_disabled')
  t.equal(answers(), 0, 'nor does it speak for the host')
})

t.test('what never reached the host says nothing of it', async (t) => {
  const { fail, tries, answers, pass } = world()
  await fail(away())
  pass(100_000)
  for (const code of ['store_unavailable', 'store_reset', 'login_budget_exhausted'] as const) {
    t.equal(await fail(new BrokerError(code, 'Nobody was asked')), code)
    t.equal(answers(), 0, `${code} does not say that it answers again`)
  }
  t.equal(tries(), 4 + 3, 'none is tried again')
  await fail(new BrokerError('grant_refused', 'It answers'))
  t.equal(answers(), 1)
})

t.test('several are tried in rounds where the mints before worked, else each once', async (t) => {
  const [one, three] = [['a'], ['a', 's', 'r']]
  t.same([triesOf(one, true), triesOf(one, false)], [1, 1])
  t.same([triesOf(three, true), triesOf(three, false)], [12, 3])
  t.same([proofTriesOf(true), proofTriesOf(false)], [12, 2])
})

t.test(
  'a read of the store is tried again while the stream is read, and ends at the stop',
  async (t) => {
    const stopping = new AbortController()
    let isCurrent = true
    let reads = 0
    let onRead = (): void => undefined
    const untilRead = createStoreReads({
      stream: { isCurrent: () => isCurrent },
      runtime: testRuntime({ sleep: async () => undefined }),
      stopping: stopping.signal,
    })
    const read = async () => {
      reads += 1
      // A read that nothing ends fails this test, and does not hang it.
      if (reads > 100) return 'endless'
      onRead()
      throw new BrokerError('store_unavailable', 'It is away')
    }
    onRead = () => {
      if (reads === 3) isCurrent = false
    }
    await t.rejects(untilRead(read), { code: 'store_unavailable' })
    t.equal(reads, 3, 'the stream is not read any more')

    isCurrent = true
    reads = 0
    onRead = () => {
      if (reads === 5) stopping.abort()
    }
    await t.rejects(untilRead(read), { code: 'store_unavailable' })
    t.equal(reads, 5, 'the process stops')
  },
)
