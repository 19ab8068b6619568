import t from 'tap'
import { hasTwins, readUnverified } from '../../../src/callers/authentication/unverified-jwt.ts'

const part = (text: string) => Buffer.from(text).toString('base64url')
const token = (claims: string) => `${part('{"alg":"ES256"}')}.${part(claims)}.AAAA`

t.test('two members of one name are found at any depth that claims have', (t) => {
  t.equal(hasTwins('{"a":1,"b":{"a":1}}'), false)
  t.equal(hasTwins('{"a":[{"b":1},{"b":2}]}'), false)
  t.equal(hasTwins('{"a":1,"\\u0061":2}'), true)
  t.equal(hasTwins(`${'['.repeat(20)}{"a":1,"a":2}${']'.repeat(20)}`), true)
  t.end()
})

t.test('what is nested deeper than claims are is malformed, and not looked through', (t) => {
  const nested = (depth: number) =>
    token(`{"iss":"x","a":${'['.repeat(depth)}${']'.repeat(depth)}}`)
  t.same(readUnverified(nested(30)), { issuer: 'x' })
  t.throws(() => readUnverified(nested(2_400)), {
    code: 'caller_unauthenticated',
    cause: { code: 'TOKEN_MALFORMED' },
  })
  t.end()
})
