/** Each error of the REST API has its own cause and remedy, from one table with sources. */
import t from 'tap'
import { REST_REFUSALS as SPOKEN } from '../../../simulator/rest-refusals.ts'
import { PROBLEMS } from '../../../src/errors/problems.ts'
import { restRefusalIn, restRefusalOf } from '../../../src/grants/refusals/rest-refusal.ts'
import {
  REST_REFUSALS,
  type RestRefusalRow,
  type RestVerdict,
} from '../../../src/grants/refusals/rest-refusal-table.ts'

const rows = Object.entries<RestRefusalRow>(REST_REFUSALS)

t.test('each row has words of its own, and says where it is from', async (t) => {
  for (const [reason, { cause, remedy, source, codes, texts = [] }] of rows) {
    t.match(cause, /^[A-Z].*\.$/, reason)
    t.match(remedy, /^(?:\(1\) )?[A-Z].*\.$/, reason)
    t.ok(source.length > 10, reason)
    t.same(
      [...codes, ...texts],
      [...codes, ...texts].map((one) => one.toLowerCase()),
      reason,
    )
    t.notOk(
      Object.values(PROBLEMS).some((problem) => remedy === problem.remedy),
      reason,
    )
  }
  for (const part of ['cause', 'remedy'] as const) {
    t.equal(new Set(rows.map(([, row]) => row[part])).size, rows.length, `each its own ${part}`)
  }
})

t.test('what Salesforce says is told for what it is', async (t) => {
  const expected: Readonly<Record<keyof typeof SPOKEN, RestVerdict>> = {
    session_invalid: 'dead',
    api_not_allowed: 'no_api',
    app_not_for_agent: 'no_api',
    authorization_header: 'untold',
    request_limit: 'untold',
    concurrent_requests: 'untold',
    api_disabled: 'no_api',
    api_off_for_user: 'no_api',
    api_down: 'untold',
    server_unavailable: 'untold',
    url_not_reset: 'untold',
    version_retired: 'untold',
    password_expired: 'no_api',
    mutual_tls_required: 'no_api',
    client_not_allowed: 'no_api',
    forbidden: 'no_api',
    not_there: 'untold',
  }
  for (const [name, said] of Object.entries(SPOKEN)) {
    const refusal = restRefusalIn(said)
    const verdict = expected[name as keyof typeof SPOKEN]
    t.match(refusal, { verdict }, name)
    if (name in REST_REFUSALS) t.equal(refusal?.reason, name)
  }
  t.match(restRefusalIn({ status: 500, errorCode: 'sf:INVALID_SESSION_ID', message: '' }), {
    reason: 'session_invalid',
  })
  t.match(restRefusalIn({ status: 400, errorCode: 'InvalidSessionId', message: '' }), {
    reason: 'session_invalid',
  })
})

t.test('the status alone is enough where no code is there, and never where one is', async (t) => {
  const answer = (status: number, body: string) => ({
    status,
    headers: { 'content-type': 'text/plain' },
    body: Buffer.from(body),
  })
  for (const [status, reason] of [
    [401, 'session_invalid'],
    [403, 'forbidden'],
    [410, 'version_retired'],
    [404, undefined],
    [400, undefined],
  ] as const) {
    t.equal(restRefusalOf(answer(status, ''), [])?.reason, reason)
    const unknown = JSON.stringify([{ errorCode: 'OF_NEXT_YEAR', message: 'x' }])
    const isRetired = status === 410
    t.equal(
      restRefusalOf(answer(status, unknown), [])?.reason,
      isRetired ? 'version_retired' : undefined,
    )
  }
})
