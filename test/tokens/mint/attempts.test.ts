import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import { refusedAtSource } from '../../../src/grants/refusals/refusals.ts'
import { createAttempts } from '../../../src/tokens/mint/attempts.ts'
import { createBreaker } from '../../../src/tokens/mint/breaker.ts'

const HOST = 'acme.my.salesforce.com'

function world() {
  const now = () => 1_000
  const breaker = createBreaker({
    monotonic: now,
    log: { info: () => undefined, warn: () => undefined },
  })
  const attempts = createAttempts({
    breaker,
    monotonic: now,
    random: () => 0,
    sleep: async () => undefined,
  })
  let tries = 0
  const fail = (error: BrokerError) =>
    attempts
      .run(HOST, 10_000, async () => {
        tries += 1
        throw error
      })
      .catch(({ code }: BrokerError) => code)
  return { breaker, fail, tries: () => tries }
}

const away = () => new BrokerError('salesforce_unavailable', 'It is away')

t.test('a login host that fails is left alone', async (t) => {
  const { breaker, fail, tries } = world()
  t.equal(await fail(away()), 'salesforce_unavailable')
  t.equal(tries(), 4)
  t.equal(breaker.openCount(), 1)
})

t.test('what fails at the source of a token is not put down to who exchanges it', async (t) => {
  const { breaker, fail, tries } = world()
  t.equal(await fail(refusedAtSource(away(), 'crm')), 'salesforce_unavailable')
  t.equal(tries(), 4, 'it is tried again all the same')
  t.equal(breaker.openCount(), 0)

  breaker.failed(HOST, away())
  breaker.failed('other', away())
  const refused = new BrokerError('integration_disabled', 'It is disabled')
  t.throws(() => breaker.check(HOST))
  const rested = createAttempts({
    breaker: { ...breaker, check: () => undefined },
    ...{ monotonic: () => 1_000, random: () => 0, sleep: async () => undefined },
  })
  await t.rejects(rested.run(HOST, 10_000, () => Promise.reject(refusedAtSource(refused, 'crm'))))
  t.equal(breaker.openCount(), 2, 'nor does it speak for the host')
})

t.test('what never reached the host says nothing of it', async (t) => {
  const { breaker, fail, tries } = world()
  breaker.failed('other', away())
  const rested = createAttempts({
    breaker: { ...breaker, check: () => undefined },
    ...{ monotonic: () => 1_000, random: () => 0, sleep: async () => undefined },
  })
  for (const code of ['store_unavailable', 'store_reset', 'login_budget_exhausted'] as const) {
    const error = new BrokerError(code, 'Nobody was asked')
    await t.rejects(
      rested.run('other', 10_000, () => Promise.reject(error)),
      { code },
    )
    t.equal(breaker.openCount(), 1, `${code} does not say that it answers again`)
    t.equal(await fail(error), code)
  }
  t.equal(tries(), 3, 'none is tried again')
})
