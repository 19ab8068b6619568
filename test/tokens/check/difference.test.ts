/** Why a token works at one place and not at another. */
import t from 'tap'
import { REST_REFUSALS as SPOKEN } from '../../../simulator/rest-refusals.ts'
import type { RestSight } from '../../../src/grants/org-api/rest-sight.ts'
import {
  type CallersSight,
  DIFFERENCES,
  type Difference,
  findingOf,
} from '../../../src/tokens/check/difference.ts'

const HOST = 'acme.my.salesforce.com'
const GOOD: RestSight = { status: 200, errorCode: '', message: '' }
const NOTHING: RestSight = { status: null, errorCode: '', message: 'Salesforce cannot be reached.' }
const UNKNOWN: RestSight = { status: 418, errorCode: 'OF_NEXT_YEAR', message: 'x' }
const { session_invalid: dead, api_not_allowed: noApi, request_limit: used } = SPOKEN

type Case = readonly [there: CallersSight, here: RestSight, difference: Difference, scope?: string]

t.test('each difference is named', async (t) => {
  const cases: readonly Case[] = [
    [GOOD, GOOD, 'none'],
    [GOOD, dead, 'none'],
    [{ ...dead, tokenId: 'older' }, GOOD, 'other_token'],
    [{ ...GOOD, tokenId: 'older' }, GOOD, 'other_token'],
    [{ ...dead, host: 'other.my.salesforce.com' }, GOOD, 'wrong_instance'],
    [{ ...SPOKEN.url_not_reset, host: 'login.salesforce.com' }, GOOD, 'wrong_instance'],
    [{ ...dead, host: HOST, tokenId: 'this' }, GOOD, 'address_lock'],
    [noApi, GOOD, 'address_policy'],
    [SPOKEN.forbidden, GOOD, 'address_policy'],
    [noApi, noApi, 'scope', 'id web'],
    [noApi, noApi, 'api_access', 'api id'],
    [noApi, noApi, 'api_access', 'full'],
    [noApi, noApi, 'api_access'],
    [dead, dead, 'token_dead'],
    [NOTHING, GOOD, 'unreachable'],
    [dead, NOTHING, 'unreachable_here'],
    [NOTHING, NOTHING, 'unreachable_here'],
    [used, used, 'refused'],
    [used, GOOD, 'unlike'],
    [SPOKEN.version_retired, GOOD, 'unlike'],
    [UNKNOWN, GOOD, 'unlike'],
    [UNKNOWN, dead, 'unlike'],
  ]
  for (const [there, here, difference, scope] of cases) {
    const found = findingOf(there, here, { tokenId: 'this', instanceHost: HOST, scope })
    const place = `${there.errorCode} there, ${here.errorCode} here`
    t.equal(found.difference, difference, place)
    t.match(found.detail, /^[A-Z].*\.$/)
    t.equal(found.remedy === null, difference === 'none', place)
  }
  const reached = new Set(cases.map(([, , difference]) => difference))
  t.strictSame([...reached].sort(), Object.keys(DIFFERENCES).sort())
})

t.test('what Salesforce says of itself is explained', async (t) => {
  const found = findingOf(used, used, { tokenId: 'this', instanceHost: HOST, scope: 'api' })
  t.match(found, { detail: /for 24 hours/, remedy: /A new token does not help/ })
})
