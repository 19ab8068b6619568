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
    t.ok(attempts > 0, `${attempts} attempts`)
    t.same(warnings, ['the login host fails'])
    t.match(over, [{ msg: 'the login host answers again', count: Number }])
    t.ok(isRefreshed)
  },
)
