import t from 'tap'
import { BrokerError } from '../../src/errors/errors.ts'
import { classify, grantRefused, refusedAtSource } from '../../src/grants/refusals/refusals.ts'
import { createThrough } from '../../src/rotation/through.ts'

const NAME = 'zq7-improbable-xv'
const OPTIONS = { timeoutMs: 1_000, signal: new AbortController().signal }

const failing = (failure: BrokerError): Promise<BrokerError> => {
  const through = createThrough(() => Promise.reject(failure))
  const never = () => Promise.reject(new Error('nothing is called without a token'))
  return through(NAME, OPTIONS, never).catch((error) => error)
}

t.test('a problem of the integration that it goes through does not name it', async (t) => {
  const lost = new BrokerError(
    'integration_not_connected',
    `POST /integrations/${NAME}/connections`,
  )
  for (const failure of [lost, refusedAtSource(lost, NAME)]) {
    const error = await failing(failure)
    t.match(error, { code: lost.code, status: lost.status, cause: failure })
    t.match(error.detail, /^At the integration that it deploys through: /)
    t.notMatch(JSON.stringify([error.detail, error.remedy, error.members]), NAME)
  }
})

t.test('the words of a refusal stay, and so does how long to wait', async (t) => {
  const answer = { error: 'invalid_grant', errorDescription: 'inactive user' }
  const refused = grantRefused(classify(answer))
  t.ok((await failing(refused)).detail.endsWith(refused.detail))
  const busy = new BrokerError('salesforce_unavailable', 'It is away', { retryAfterMs: 7_000 })
  t.match(await failing(busy), { code: busy.code, retryAfterMs: 7_000 })
  const away = new BrokerError('store_unavailable', 'It is away')
  t.equal(await failing(away), away)
})
