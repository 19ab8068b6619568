import t from 'tap'
import { Secret } from '../../../src/crypto/secret.ts'
import type { Lease } from '../../../src/tokens/serve/lease.ts'
import { secondsLeft, tokenText } from '../../../src/tokens/serve/token-view.ts'

const lease: Lease = {
  integration: 'billing',
  uid: 'u1',
  accessToken: new Secret('00D!"quoted\\'),
  tokenId: 'dc0PzwAww5flrSVNTY8MYw',
  instanceUrl: 'https://acme.my.salesforce.com',
  issuedAt: 1_000,
  mintedAt: 1_000,
  expiresAt: 61_500,
  refreshAt: 45_000,
  expirySource: 'expires_in',
  digest: 'd1',
}

t.test('an answer has what the lease has, and nothing where it has nothing', async (t) => {
  t.strictSame(JSON.parse(tokenText(lease, 1_000)), {
    integration: 'billing',
    access_token: '00D!"quoted\\',
    token_type: 'Bearer',
    instance_url: 'https://acme.my.salesforce.com',
    issued_at: '1970-01-01T00:00:01.000Z',
    expires_at: '1970-01-01T00:01:01.500Z',
    expires_in: 60,
    expiry_source: 'expires_in',
    token_id: 'dc0PzwAww5flrSVNTY8MYw',
  })
  const whole = { ...lease, apiInstanceUrl: 'a', scope: 'api', orgId: 'o', userId: 'u' }
  t.match(JSON.parse(tokenText({ ...whole, identityUrl: 'i' }, 1_000)), {
    ...{ api_instance_url: 'a', scope: 'api', org_id: 'o', user_id: 'u', identity_url: 'i' },
  })
})

t.test('the seconds that are left are of this moment, in every answer of one lease', async (t) => {
  const seconds = (at: number) => JSON.parse(tokenText(lease, at)).expires_in
  t.same([1_000, 2_499, 2_501, 61_499, 70_000].map(seconds), [60, 59, 58, 0, 0])
  t.equal(secondsLeft(lease, 2_501), 58)
})

t.test('another lease of the same integration has another answer', async (t) => {
  tokenText(lease, 1_000)
  const next = { ...lease, tokenId: 'another', expiresAt: 121_500 }
  t.match(JSON.parse(tokenText(next, 1_000)), { token_id: 'another', expires_in: 120 })
})

t.test('the answers of many leases are as right at the second read as at the first', async (t) => {
  const leases = Array.from({ length: 2_500 }, (_, index) => ({ ...lease, tokenId: `t${index}` }))
  const first = leases.map((one) => tokenText(one, 1_000))
  t.equal(new Set(first).size, leases.length)
  t.strictSame(
    leases.map((one) => tokenText(one, 1_000)),
    first,
  )
  t.strictSame(
    leases.toReversed().map((one) => tokenText(one, 1_000)),
    first.toReversed(),
  )
})
