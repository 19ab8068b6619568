import t from 'tap'
import type { BrokerError } from '../../../src/errors/errors.ts'
import { checkTokenAnswer } from '../../../src/grants/token-endpoint/token-answer.ts'
import { createHostRules } from '../../../src/http/outbound/login-host.ts'
import { TOKEN } from '../fixture.ts'

const hosts = createHostRules(['http://127.0.0.1:8055'])

function read(members: Record<string, unknown>) {
  const { answer } = checkTokenAnswer(members, hosts)
  return { ...answer, accessToken: answer.accessToken.reveal() }
}

t.test('reads the documented answers of Salesforce', async (t) => {
  const jwtBearer = JSON.parse(
    '{"access_token":"00Dxx0000001gPL!AR8AQ","scope":"web openid api full","instance_url":"https://acme.my.salesforce.com","id":"https://login.salesforce.com/id/00Dxx0000001gPLEAY/005xx000001SwiUAAS","token_type":"Bearer"}',
  )
  t.same(read(jwtBearer), {
    accessToken: '00Dxx0000001gPL!AR8AQ',
    instanceUrl: 'https://acme.my.salesforce.com',
    scope: 'web openid api full',
    identityUrl: 'https://login.salesforce.com/id/00Dxx0000001gPLEAY/005xx000001SwiUAAS',
    orgId: '00Dxx0000001gPLEAY',
    userId: '005xx000001SwiUAAS',
  })
  const clientCredentials = JSON.parse(
    '{"access_token":"00Dxx0000001gPL!AQ","signature":"c2lnbg==","scope":"api","instance_url":"https://acme.my.salesforce.com","id":"https://login.salesforce.com/id/00Dxx0000001gPL/005xx000001SwiU","token_type":"Bearer","issued_at":"1657741493797"}',
  )
  t.match(read(clientCredentials), {
    issuedAt: 1657741493797,
    scope: 'api',
    orgId: '00Dxx0000001gPL',
    userId: '005xx000001SwiU',
  })
  const refresh = JSON.parse(
    '{"id":"https://login.salesforce.com/id/00Dx0000000BV7z/005x00000012Q9P","issued_at":"1278448384422","instance_url":"https://na1.salesforce.com","signature":"SSSb","access_token":"00Dx0000000BV7z!AR8A"}',
  )
  t.match(read(refresh), { instanceUrl: 'https://na1.salesforce.com', issuedAt: 1278448384422 })
  const rotated = checkTokenAnswer({ ...refresh, refresh_token: '5Aep861next' }, hosts).answer
  t.equal(rotated.refreshToken?.reveal(), '5Aep861next')
})

t.test('takes every further member that Salesforce may add', async (t) => {
  const answer = read({
    ...TOKEN,
    token_type: 'bearer',
    id_token: 'x.y.z',
    sfdc_community_url: 'https://acme.my.site.com',
    sfdc_community_id: '0DB…',
    sfdc_site_url: 'https://acme.my.site.com',
    api_instance_url: 'https://api.salesforce.com',
    unknown: { deep: [1] },
  })
  t.same(answer, {
    accessToken: TOKEN.access_token,
    instanceUrl: TOKEN.instance_url,
    apiInstanceUrl: 'https://api.salesforce.com',
  })
})

t.test('reads times in every form, and drops an issue time that makes no sense', async (t) => {
  t.equal(read({ ...TOKEN, expires_in: 7200 }).expiresInSeconds, 7200)
  t.equal(read({ ...TOKEN, expires_in: '7200' }).expiresInSeconds, 7200)
  t.equal(read({ ...TOKEN, expires_in: 7200.9 }).expiresInSeconds, 7200)
  t.equal(read({ ...TOKEN, expires_in: null }).expiresInSeconds, undefined)
  t.equal(read({ ...TOKEN, issued_at: 1657741493797 }).issuedAt, 1657741493797)
  for (const issued_at of ['soon', '', -1, 0, 1657741493, 1e20, null, {}, Number.NaN]) {
    t.equal(read({ ...TOKEN, issued_at }).issuedAt, undefined, String(issued_at))
  }
})

t.test('reads the end of a JWT-format token, where there is one', async (t) => {
  const jwt = (payload: object) =>
    ['{"alg":"RS256"}', JSON.stringify(payload), 'x']
      .map((part) => Buffer.from(part).toString('base64url'))
      .join('.')
  const expiryOf = (access_token: string) => read({ ...TOKEN, access_token }).tokenExpiresAt
  t.equal(expiryOf(jwt({ exp: 1_795_000_000 })), 1_795_000_000_000)
  t.equal(expiryOf(jwt({})), undefined)
  t.equal(expiryOf(jwt({ exp: 'soon' })), undefined)
  t.equal(expiryOf(jwt({ exp: -5 })), undefined)
  t.equal(expiryOf('eyJ-only-looks-like.one'), undefined)
  t.equal(expiryOf('00Dxx!eyJ'), undefined)
})

t.test('keeps the ids of an identity URL on a foreign host, but not the URL', async (t) => {
  const path = '/id/00Dxx0000001gPLEAY/005xx000001SwiUAAS'
  const ids = { orgId: '00Dxx0000001gPLEAY', userId: '005xx000001SwiUAAS' }
  t.match(read({ ...TOKEN, id: `https://login.salesforce.com${path}` }), {
    ...ids,
    identityUrl: `https://login.salesforce.com${path}`,
  })
  const foreign = read({ ...TOKEN, id: `https://evil.example${path}` })
  t.match(foreign, ids)
  t.equal(foreign.identityUrl, undefined)
  for (const id of ['', 'no url', 7, null, 'https://login.salesforce.com/id/00Q/005', {}]) {
    t.equal(read({ ...TOKEN, id }).orgId, undefined, String(id))
  }
})

t.test(
  'refuses an answer that cannot be used, and names the member but not its value',
  async (t) => {
    const bad: [Record<string, unknown>, RegExp][] = [
      [{}, /access_token/],
      [{ ...TOKEN, access_token: undefined }, /access_token/],
      [{ ...TOKEN, access_token: '' }, /access_token/],
      [{ ...TOKEN, access_token: 17 }, /access_token/],
      [{ ...TOKEN, access_token: ['x'] }, /access_token/],
      [{ ...TOKEN, access_token: 'planted secret' }, /access_token/],
      [{ ...TOKEN, access_token: 'planted\r\nx-secret: 1' }, /access_token/],
      [{ ...TOKEN, access_token: 'planted\u0000' }, /access_token/],
      [{ ...TOKEN, access_token: 'plantéd' }, /access_token/],
      [{ ...TOKEN, instance_url: undefined }, /instance_url/],
      [{ ...TOKEN, instance_url: null }, /instance_url/],
      [{ ...TOKEN, instance_url: '' }, /instance_url/],
      [{ ...TOKEN, instance_url: 5 }, /instance_url/],
      [{ ...TOKEN, instance_url: 'https://planted.example' }, /instance_url/],
      [{ ...TOKEN, instance_url: 'http://acme.my.salesforce.com' }, /instance_url/],
      [
        { ...TOKEN, instance_url: 'https://acme.my.salesforce.com.planted.example' },
        /instance_url/,
      ],
      [
        { ...TOKEN, instance_url: 'https://acme.my.salesforce.com@planted.example' },
        /instance_url/,
      ],
      [{ ...TOKEN, instance_url: 'http://127.0.0.1:8054' }, /instance_url/],
      [{ ...TOKEN, api_instance_url: 'https://planted.example' }, /api_instance_url/],
      [{ ...TOKEN, token_type: 'planted' }, /token_type/],
      [{ ...TOKEN, token_type: 5 }, /token_type/],
      [{ ...TOKEN, expires_in: 0 }, /expires_in/],
      [{ ...TOKEN, expires_in: -1 }, /expires_in/],
      [{ ...TOKEN, expires_in: 'planted' }, /expires_in/],
      [{ ...TOKEN, expires_in: true }, /expires_in/],
      [{ ...TOKEN, expires_in: 1e30 }, /expires_in/],
      [{ ...TOKEN, refresh_token: 'planted token' }, /refresh_token/],
      [{ ...TOKEN, refresh_token: 7 }, /refresh_token/],
    ]
    for (const [members, detail] of bad) {
      try {
        read(members)
        t.fail(`it was taken: ${JSON.stringify(members)}`)
      } catch (error) {
        const problem = error as BrokerError
        t.equal(problem.code, 'token_response_invalid')
        t.match(problem.detail, detail)
        t.notMatch(problem.detail, /planted/)
      }
    }
  },
)

t.test('takes a listed loopback instance', async (t) => {
  const answer = read({ ...TOKEN, instance_url: 'http://127.0.0.1:8055/' })
  t.equal(answer.instanceUrl, 'http://127.0.0.1:8055')
})

t.test('takes an instance with the path of a site', async (t) => {
  const instance_url = 'https://acme.my.site.com/customers/'
  t.match(read({ ...TOKEN, instance_url }), { instanceUrl: 'https://acme.my.site.com/customers' })
})
