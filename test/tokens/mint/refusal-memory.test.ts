import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import { classify, grantRefused, refusalOf } from '../../../src/grants/refusals/refusals.ts'
import {
  inItsTime,
  isTransient,
  refusedStill,
  remember,
} from '../../../src/tokens/mint/refusal-memory.ts'

const refusal = (error: string, errorDescription: string) =>
  grantRefused(classify({ error, errorDescription }))

const PERMANENT = refusal('invalid_grant', 'inactive user')
const NOW = 1_000_000
const of = (version: number) => ({ name: 'crm', version })

const restsOf = (error: BrokerError, times: number): readonly number[] => {
  const rests: number[] = []
  let record: ReturnType<typeof remember>
  for (let index = 0; index < times; index += 1) {
    record = remember(error, of(1), record, NOW)
    rests.push((JSON.parse(record?.body ?? '{}').restUntil - NOW) / 1000)
  }
  return rests
}

t.test('a permanent refusal rests for 30 s, then 1, 2, 5 and at most 10 minutes', async (t) => {
  t.same(restsOf(PERMANENT, 6), [30, 60, 120, 300, 600, 600])
})

t.test('a login rate that is exceeded rests for an hour', async (t) => {
  t.same(restsOf(refusal('invalid_grant', 'login rate exceeded'), 2), [3600, 3600])
})

t.test('what propagates is tried every 30 s for 10 minutes, then every 2', async (t) => {
  const found = refusalOf(refusal('invalid_grant', 'invalid assertion'))
  if (!found) throw new Error('it is a refusal')
  const rests = restsOf(grantRefused({ ...found, class: 'propagating' }), 22)
  t.same(rests.slice(0, 20), Array(20).fill(30))
  t.same(rests.slice(20), [120, 120])
})

t.test('an outage rests for a second, or as long as Salesforce asked', async (t) => {
  t.same(restsOf(new BrokerError('salesforce_unavailable', 'x'), 2), [0, 0], 'the breaker decides')
  t.same(restsOf(new BrokerError('token_response_invalid', 'x'), 2), [1, 1])
  t.same(restsOf(new BrokerError('salesforce_unavailable', 'x', { retryAfterMs: 7_000 }), 1), [7])
})

t.test(
  'a remembered refusal is the answer while its rest lasts, for that version alone',
  async (t) => {
    const record = remember(PERMANENT, of(3), undefined, NOW)
    const again = refusedStill(record, of(3), NOW + 29_999)
    t.match(again, { code: 'grant_refused', status: 424, retryAfterMs: undefined })
    t.equal(refusalOf(again)?.reason, 'user_inactive')
    t.equal(refusedStill(record, of(3), NOW + 30_000), undefined)
    t.equal(refusedStill(record, of(4), NOW), undefined)
  },
)

t.test('what is not Salesforce’s word is not remembered', async (t) => {
  for (const code of [
    'integration_draft',
    'login_budget_exhausted',
    'store_unavailable',
  ] as const) {
    t.equal(remember(new BrokerError(code, 'x'), of(1), undefined, NOW), undefined, code)
  }
  t.equal(remember(new Error('x'), of(1), undefined, NOW), undefined)
})

t.test('within ten minutes of a change, what propagation explains is no verdict yet', async (t) => {
  const fresh = inItsTime(
    refusal('invalid_client_id', 'client identifier invalid'),
    NOW,
    NOW + 599_000,
  )
  t.match(refusalOf(fresh), { class: 'propagating', reason: 'client_id_invalid' })
  t.match(fresh, { status: 503 })
  const old = inItsTime(
    refusal('invalid_client_id', 'client identifier invalid'),
    NOW,
    NOW + 601_000,
  )
  t.match(refusalOf(old), { class: 'permanent' })
  t.match(refusalOf(inItsTime(PERMANENT, NOW, NOW)), { class: 'permanent' }, 'nothing spreads')
})

t.test('network, server errors and busy words are worth another try', async (t) => {
  t.ok(isTransient(new BrokerError('salesforce_timeout', 'x')))
  t.ok(isTransient(refusal('unknown_error', 'retry your request')))
  t.notOk(isTransient(PERMANENT))
  t.notOk(isTransient(new BrokerError('token_response_invalid', 'x')))
})

t.test('a record that cannot be read names its integration', async (t) => {
  const record = { body: '{', version: 1, until: NOW }
  const detail = 'The record of the refusal of integration crm cannot be read'
  t.throws(() => refusedStill(record, of(1), NOW), { code: 'record_corrupt', detail })
  t.throws(() => remember(PERMANENT, of(1), record, NOW), { code: 'record_corrupt', detail })
})
