import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import { refusedAtSource } from '../../../src/grants/refusals/refusals.ts'
import type { ChargeUnderLock, LockedChargeResult } from '../../../src/store/budgets.ts'
import { chargedForProbe, createLoginBudget, ROOM } from '../../../src/tokens/mint/login-budget.ts'
import { integrationOf } from '../../support/integrations.ts'

const USER = { orgId: '00D000000000001AAA', userId: '005000000000001AAA' }
const SAME_USER = { orgId: '00D000000000001', userId: '005000000000001' }
const LOCK = { owner: 'me', ttlMs: 3_000, orev: 4 }

function budgetThat(answers: LockedChargeResult) {
  const asked: ChargeUnderLock[] = []
  const budget = createLoginBudget({
    budgets: {
      take: () => Promise.reject(new Error('It is not expected')),
      async takeUnderLock(_charges, lock) {
        asked.push(lock)
        return answers
      },
    },
    now: () => 0,
  })
  const integration = integrationOf({ name: 'billing', uid: 'u', version: 3 })
  return { asked, take: () => budget.chargeUnderLock(integration, USER, LOCK) }
}

t.test('a login that was charged with the lock is one of its user alone', async (t) => {
  const { asked, take } = budgetThat({ granted: true })
  const taken = await take()
  t.same(asked, [{ ...LOCK, name: 'billing', uid: 'u', version: 3 }])
  t.equal(taken?.isUnchanged, true)
  t.equal(taken?.isPaid(SAME_USER), true)
  t.equal(taken?.isPaid({ ...USER, userId: '005000000000002AAA' }), false)
  t.equal(taken?.isPaid(undefined), false)
})

t.test('without the lock, or for another state, nothing was charged', async (t) => {
  t.equal(await budgetThat('locked').take(), undefined)
  const taken = await budgetThat('changed').take()
  t.equal(taken?.isUnchanged, false)
  t.equal(taken?.isPaid(USER), false)
})

t.test('a budget that is used up refuses when the login is due', async (t) => {
  const key = 'login:u'
  const taken = await budgetThat({ granted: false, key, retryAt: 5_000 }).take()
  t.equal(taken?.isUnchanged, true)
  t.throws(() => taken?.isPaid(USER), { code: 'login_budget_exhausted', retryAfterMs: 5_000 })
})

const of = (code: 'salesforce_unavailable' | 'salesforce_timeout' | 'login_budget_exhausted') =>
  new BrokerError(code, 'x')

t.test('a probe costs what Salesforce may have counted', async (t) => {
  t.same(chargedForProbe(), { own: 1, user: 1 })
  t.same(chargedForProbe(new BrokerError('grant_refused', 'x')), { own: 1, user: 1 })
  t.same(chargedForProbe(of('salesforce_timeout')), { own: 0, user: 1 })
  for (const error of [of('salesforce_unavailable'), of('login_budget_exhausted')]) {
    t.equal(chargedForProbe(error), undefined)
  }
  t.equal(chargedForProbe(refusedAtSource(of('salesforce_timeout'), 'crm')), undefined)
})

t.test('before a probe, both budgets must have room', async (t) => {
  const asked: unknown[] = []
  const budget = createLoginBudget({
    budgets: {
      async take(charges) {
        asked.push(charges.map(({ amount }) => amount))
        return { granted: false, key: charges[0]?.key ?? '', retryAt: 5_000 }
      },
      takeUnderLock: () => Promise.reject(new Error('It is not expected')),
    },
    now: () => 0,
  })
  await t.rejects(budget.charge(integrationOf(), undefined, undefined, ROOM), {
    ...{ code: 'login_budget_exhausted', retryAfterMs: 5_000 },
  })
  t.same(asked, [[0, 0]])
})
