/** A check says what to do about itself, and borrows no remedy from the table of problems. */
import t from 'tap'
import { failedBy } from '../../src/doctor/check.ts'
import { REMEDIES } from '../../src/doctor/remedies.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import { PROBLEMS, type ProblemCode } from '../../src/errors/problems.ts'

const checks = Object.keys(REMEDIES) as (keyof typeof REMEDIES)[]
const codes = Object.keys(PROBLEMS) as ProblemCode[]
const plain = (text: string) => text.replaceAll('`', '')

t.test('whatever fails a check, the remedy is that of the check', async (t) => {
  for (const check of checks) {
    for (const code of codes) {
      const { remedy, detail } = failedBy(check, new BrokerError(code, 'It went wrong'))
      t.not(remedy, plain(PROBLEMS[code].remedy), `${check} by ${code}`)
      t.match(remedy, /^[A-Z].*\.$/)
      t.equal(detail, 'It went wrong.')
    }
  }
})

t.test('a remedy of its own is kept, with the time to wait', async (t) => {
  const own = new BrokerError('credential_invalid', 'x', { remedy: 'Do this.' })
  t.equal(failedBy('key_pair', own).remedy, 'Do this.')
  const late = new BrokerError('salesforce_unavailable', 'x', { retryAfterMs: 5_000 })
  t.match(failedBy('mint', late).remedy, /^Wait 5 seconds, and test again;.*login_url/)
  t.match(failedBy('instance_url', late).remedy, /^Wait 5 seconds,.*instance_url/)
})
