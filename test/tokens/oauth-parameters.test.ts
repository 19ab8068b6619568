import t from 'tap'
import { refuseMistakes, refuseQuery } from '../../src/tokens/oauth/meant-parameter.ts'
import { secretInQuery } from '../../src/tokens/oauth/secret-in-url.ts'

const MISTAKES: Readonly<Record<string, RegExp>> = {
  Scope: /scope=integration/,
  scopes: /scope=integration/,
  integration: /scope=integration/,
  granttype: /grant_type=/,
  'grant-type': /grant_type=/,
  clientId: /client_id/,
  client_secrets: /client_secret/,
  reject: /rejected=TOKEN_ID/,
  rejected_token: /rejected=TOKEN_ID/,
  token_id: /rejected=TOKEN_ID/,
  min_ttl: /120 s/,
}

for (const [name, remedy] of Object.entries(MISTAKES)) {
  t.test(`a parameter that looks like a mistake is refused: ${name}`, async (t) => {
    const refusal = { code: 'request_invalid', remedy, detail: new RegExp(name) }
    t.throws(() => refuseMistakes(['grant_type', name]), refusal)
    t.throws(() => refuseQuery(`/oauth/token?${name}=x`), refusal)
  })
}

t.test('what clients send beside is taken', async (t) => {
  const known = ['grant_type', 'scope', 'client_id', 'client_secret', 'rejected']
  const words = ['client', 'store', 'code', 'state', 'grants']
  const others = [
    ...words,
    'format',
    'audience',
    'resource',
    'client_assertion',
    'x',
    'username',
    'nonce',
  ]
  refuseMistakes([...known, ...others])
  refuseQuery('/oauth/token')
  refuseQuery(`/oauth/token?${others.join('&')}`)
  t.pass('nothing was thrown')
})

t.test('a parameter in the query has no effect, so it is refused', async (t) => {
  const url = (name: string) => `/oauth/token?${name}=x`
  t.throws(() => refuseQuery(url('rejected')), { code: 'request_invalid', remedy: /body/ })
})

t.test('a secret in the query is found, and a token where clients revoke it is none', async (t) => {
  const secrets = {
    'k=vk_AbCd1234_x': 'vk_AbCd1234_x',
    'a=b&access_token=x': 'x',
    'token=y': 'y',
    'client_secret=s': 's',
    'x=eyJhbGciOiJIUzI1NiJ9.e30.s': 'eyJhbGciOiJIUzI1NiJ9.e30.s',
  }
  for (const [query, secret] of Object.entries(secrets)) {
    t.equal(secretInQuery(`/services/oauth2/token?${query}`), secret, query)
    t.equal(secretInQuery(`/login/billing?${query}`), secret, query)
  }
  t.equal(secretInQuery('/services/oauth2/token?token=y&x=/services/oauth2/revoke'), 'y')
  for (const path of ['/services/oauth2/revoke', '/login/billing/services/oauth2/revoke/']) {
    t.equal(secretInQuery(`${path}?token=y`), undefined)
    t.equal(secretInQuery(`${path}?token=vk_AbCd1234_x`), 'vk_AbCd1234_x')
  }
  t.equal(secretInQuery('/services/oauth2/token?client_secret=&format=json'), undefined)
})
