import t from 'tap'
import { Secret } from '../../../src/crypto/secret.ts'
import { camelKeys, snakeKeys } from '../../../src/http/server/casing.ts'

const wire = {
  login_url: 'https://login.salesforce.com',
  grant: { type: 'jwt_bearer', client_id: 'x' },
  labels: { cost_center: 'a_b', camelCase: 'c' },
  claims: { some_claim: { inner_claim: 1 } },
  environment: { ENV_name: 'x' },
  items: [{ not_before: '2026', fingerprint_sha256: 'ff' }, null, 3, 'snake_text'],
}

t.test('turns member names to camel case at every depth, and back', async (t) => {
  const inside = camelKeys(wire)
  t.equal(inside.loginUrl, wire.login_url)
  t.equal(inside.grant.clientId, 'x')
  t.same(inside.items[0], { notBefore: '2026', fingerprintSha256: 'ff' })
  t.same(snakeKeys(inside), wire)
})

t.test('leaves what users name themselves alone', async (t) => {
  const inside = camelKeys(wire)
  t.same(inside.labels, wire.labels)
  t.same(inside.claims, wire.claims)
  t.same(snakeKeys({ environment: wire.environment, labels: wire.labels }), {
    environment: wire.environment,
    labels: wire.labels,
  })
})

t.test('leaves values of a class whole', async (t) => {
  const secret = new Secret('s3cret')
  const at = new Date(0)
  const given = { client_secret: secret, made_at: at }
  t.equal(camelKeys(given).clientSecret, secret)
  t.equal(camelKeys(given).madeAt, at)
})

t.test('gives the prototype of no object away', async (t) => {
  const hostile = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"a_b": 1}}')
  const inside = camelKeys(hostile)
  t.equal(Object.getPrototypeOf(inside), Object.prototype)
  t.equal(({} as Record<string, unknown>).polluted, undefined)
  t.same(Object.keys(inside).sort(), ['__proto__', 'constructor'])
})
