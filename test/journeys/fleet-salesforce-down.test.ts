import t from 'tap'
import { salesforceDown } from '../../bench/cases/salesforce-down.ts'

t.test(
  'five minutes without Salesforce are one line in the log, and nothing to a caller',
  async (t) => {
    const { requests, errors, attempts, warnings, over, isRefreshed } = await salesforceDown(
      t,
      10_000,
    )
    t.ok(requests > 150, `${requests} requests`)
    t.equal(errors, 0)
    // Four tries, then single ones: the refresh ahead asks after its own pauses, too.
    t.ok(attempts > 0 && attempts <= 4 + 30, `${attempts} attempts`)
    t.same(warnings, ['the logins of an integration fail'])
    t.match(over, [{ msg: 'the logins of an integration work again', count: Number }])
    t.ok(isRefreshed)
  },
)
