import t from 'tap'
import { refuseMistakes, refuseQuery } from '../../src/tokens/oauth/meant-parameter.ts'

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
  const others = ['format', 'audience', 'resource', 'client_assertion', 'x', 'username', 'nonce']
  refuseMistakes([...known, ...others])
  refuseQuery('/oauth/token')
  refuseQuery(`/oauth/token?${others.join('&')}`)
  t.pass('nothing was thrown')
})

t.test('a parameter in the query has no effect, so it is refused', async (t) => {
  const url = (name: string) => `/oauth/token?${name}=x`
  t.throws(() => refuseQuery(url('rejected')), { code: 'request_invalid', remedy: /body/ })
  t.throws(() => refuseQuery(url('client_secret')), { code: 'secret_in_url' })
  for (const query of [
    'k=vk_AbCd1234_x',
    'access_token=x',
    'token=x',
    'x=eyJhbGciOiJIUzI1NiJ9.e30.s',
  ]) {
    t.throws(() => refuseQuery(`/oauth/token?${query}`), { code: 'secret_in_url' }, query)
  }
})
