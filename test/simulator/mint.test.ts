import { createHmac } from 'node:crypto'
import { createLocalJWKSet, type JWK, jwtVerify } from 'jose'
import t from 'tap'
import {
  accessToken,
  assertionFor,
  CLIENT_ASSERTION,
  get,
  JWT_BEARER,
  mintByAssertion,
  mintBySecret,
  newSigningKey,
  post,
  reply,
  simulatorFor,
  TOKEN_PATH,
  useToken,
} from './requester.ts'

const key = await newSigningKey()
const simulator = await simulatorFor(t)
const { origins, acme } = simulator
const app = simulator.addJwtApp({ certificatePem: key.certificatePem })
const user = simulator.users()[0]

t.test('answers the JWT bearer grant with the members that Salesforce documents', async (t) => {
  const answer = await mintByAssertion(app, key)
  t.equal(answer.status, 200)
  t.match(answer.headers.get('content-type'), 'application/json;charset=UTF-8')
  t.match(answer.headers.get('cache-control'), 'no-store')
  const { access_token: token, ...others } = answer.members
  t.match(token, /^00D\w{12}![.\w]+$/)
  t.same(others, {
    scope: 'api',
    instance_url: origins.myDomain,
    id: `${origins.login}/id/${acme.id}/${user?.id}`,
    token_type: 'Bearer',
  })
})

t.test('gives the same token for the same user, app and scopes, on any host', async (t) => {
  const first = await mintByAssertion(app, key)
  const second = await mintByAssertion(app, key, {}, origins.login)
  t.equal(accessToken(first), accessToken(second))
  t.equal(second.members.instance_url, origins.myDomain)
})

t.test('gives another token to another app, another user and other scopes', async (t) => {
  const token = accessToken(await mintByAssertion(app, key))
  const other = simulator.addJwtApp({ certificatePem: key.certificatePem })
  t.not(accessToken(await mintByAssertion(other, key)), token, 'another app')

  simulator.addUser({ username: 'second@acme.com' })
  simulator.updateApp(app.clientId, { approvedUsernames: [app.username, 'second@acme.com'] })
  const seconds = await mintByAssertion(app, key, { sub: 'second@acme.com' })
  t.not(accessToken(seconds), token, 'another user')

  simulator.updateApp(app.clientId, { scopes: ['api', 'id'] })
  t.not(accessToken(await mintByAssertion(app, key)), token, 'other scopes')
  simulator.updateApp(app.clientId, { scopes: ['api'] })
  t.equal(accessToken(await mintByAssertion(app, key)), token, 'the scopes of before')
})

t.test('takes what real clients send', async (t) => {
  const inTwoMinutes = Math.floor(Date.now() / 1000) + 120
  const claims = {
    'an exp in a string': { exp: String(inTwoMinutes) },
    'an exp in milliseconds': { exp: Date.now() + 300 },
    'an exp of now': { exp: Math.floor(Date.now() / 1000) },
    'an audience without scheme': { aud: 'login.salesforce.com' },
    "the simulator's own login host as audience": { aud: origins.login },
    'a site as audience': { aud: 'https://acme.my.site.com' },
    'the old name of sub, which goes first': { prn: app.username, sub: 'nobody@acme.com' },
    'no jti': { jti: undefined },
    'claims that mean nothing': { alg: 'RS256', nbf: 1 },
  }
  for (const [what, changed] of Object.entries(claims)) {
    t.equal((await mintByAssertion(app, key, changed)).status, 200, what)
  }
  const assertion = await assertionFor(app, key)
  const form = { grant_type: JWT_BEARER, assertion, client_id: app.clientId }
  t.equal((await post(origins.login, TOKEN_PATH, form)).status, 200, 'a client_id beside')
})

t.test('takes a multipart form', async (t) => {
  const body = new FormData()
  body.set('grant_type', JWT_BEARER)
  body.set('assertion', await assertionFor(app, key))
  const answer = await fetch(`${origins.login}${TOKEN_PATH}`, { method: 'POST', body })
  t.equal(answer.status, 200)
})

t.test('does not look at the expiry of a certificate', async (t) => {
  const old = await newSigningKey({ notAfter: new Date('2021-01-01') })
  const oldApp = simulator.addJwtApp({ certificatePem: old.certificatePem })
  t.equal((await mintByAssertion(oldApp, old)).status, 200)
})

t.test('takes no certificate over 4,000 characters, and none that is no certificate', async (t) => {
  t.throws(() =>
    simulator.addJwtApp({ certificatePem: `${key.certificatePem}${'\n'.repeat(4_000)}` }),
  )
  t.throws(() => simulator.addJwtApp({ certificatePem: 'acme' }))
})

t.test('answers the client credentials grant for each way to prove a client', async (t) => {
  const service = simulator.addClientCredentialsApp({ certificatePem: key.certificatePem })
  const inBody = await mintBySecret(service)
  t.equal(inBody.status, 200)
  t.match(inBody.members, {
    scope: 'api',
    instance_url: origins.myDomain,
    token_type: 'Bearer',
    issued_at: /^\d{13}$/,
  })
  const { id, issued_at: issuedAt } = inBody.members
  const expected = createHmac('sha256', service.clientSecret).update(`${id}${issuedAt}`)
  t.equal(inBody.members.signature, expected.digest('base64'))

  const basic = Buffer.from(`${service.clientId}:${service.clientSecret}`).toString('base64')
  const byBasic = await post(
    origins.myDomain,
    TOKEN_PATH,
    { grant_type: 'client_credentials' },
    { authorization: `Basic ${basic}` },
  )
  const byAssertion = await post(origins.myDomain, TOKEN_PATH, {
    grant_type: 'client_credentials',
    client_assertion_type: CLIENT_ASSERTION,
    client_assertion: await assertionFor(service, key, {
      sub: service.clientId,
      aud: `${origins.myDomain}${TOKEN_PATH}`,
    }),
  })
  t.equal(accessToken(byBasic), accessToken(inBody))
  t.equal(accessToken(byAssertion), accessToken(inBody))
})

t.test('leaves full, web and refresh_token out of client credentials tokens', async (t) => {
  const service = simulator.addClientCredentialsApp({
    scopes: ['full', 'web', 'refresh_token', 'id'],
  })
  t.equal((await mintBySecret(service)).members.scope, 'id')
})

t.test('answers in the form that is asked for', async (t) => {
  const service = simulator.addClientCredentialsApp()
  const form = new URLSearchParams((await mintBySecret(service, { format: 'urlencoded' })).text)
  t.equal(form.get('token_type'), 'Bearer')
  t.match((await mintBySecret(service, { format: 'xml' })).text, /<token_type>Bearer</)
})

t.test('adds optional members where a knob says so', async (t) => {
  const knobs = await simulatorFor(t, {
    settings: {
      expiresIn: 'session',
      jwtBearerSignature: true,
      communityFields: true,
      apiInstanceUrl: 'https://api.salesforce.com',
      sessionTimeoutMs: 900_000,
    },
  })
  const knobbed = knobs.addJwtApp({ certificatePem: key.certificatePem })
  const { members } = await mintByAssertion(knobbed, key)
  t.equal(members.expires_in, 900)
  t.match(members, {
    issued_at: /^\d{13}$/,
    signature: /=$/,
    sfdc_community_url: /^http/,
    sfdc_community_id: /^0DB/,
    api_instance_url: 'https://api.salesforce.com',
  })
  knobs.configure({ expiresIn: 42 })
  t.equal((await mintByAssertion(knobbed, key)).members.expires_in, 42)
})

t.test('a session has its whole time left when it is made, however long that takes', async (t) => {
  let time = Date.now()
  const slow = await simulatorFor(t, {
    settings: { expiresIn: 'session', sessionTimeoutMs: 900_000 },
    now: () => {
      time += 1
      return time
    },
  })
  const { members } = await mintByAssertion(
    slow.addJwtApp({ certificatePem: key.certificatePem }),
    key,
  )
  t.equal(members.expires_in, 900)
})

t.test('takes the My Domain as audience where the knob says so', async (t) => {
  const claims = { aud: 'https://acme.my.salesforce.com' }
  t.equal(
    (await mintByAssertion(app, key, claims)).members.error_description,
    'audience is invalid',
  )
  simulator.configure({ myDomainAudience: true })
  t.equal((await mintByAssertion(app, key, claims)).status, 200)
  simulator.configure({ myDomainAudience: false })
})

t.test(
  'issues JWT-format tokens that its published keys verify, and that do not slide',
  async (t) => {
    const named = simulator.addJwtApp({
      certificatePem: key.certificatePem,
      jwtAccessTokens: true,
      sessionTimeoutMs: 600_000,
    })
    const token = accessToken(await mintByAssertion(named, key))
    const { members: jwks } = await get(origins.myDomain, '/id/keys')
    const { payload, protectedHeader } = await jwtVerify(
      token,
      createLocalJWKSet({ keys: jwks.keys as JWK[] }),
      { issuer: origins.myDomain, audience: origins.myDomain },
    )
    t.match(protectedHeader, { tty: 'sfdc-core-token', ver: '1.0' })
    t.equal(payload.client_id, named.clientId)
    t.equal(await useToken(origins.myDomain, token), 200)
    const [session] = simulator.sessions().filter((one) => one.token === token)
    t.equal(payload.exp, Math.floor(((session?.createdAt ?? 0) + 600_000) / 1000))
  },
)

t.test('serves a sandbox from the test host', async (t) => {
  const dev = simulator.addJwtApp({
    certificatePem: key.certificatePem,
    orgId: simulator.sandbox.id,
  })
  t.equal(dev.audience, 'https://test.salesforce.com')
  const answer = await mintByAssertion(dev, key, {}, origins.test)
  t.equal(answer.members.instance_url, origins.sandbox)
  t.match(answer.members.id, `${origins.test}/id/`)
})

t.test('names the parts of Salesforce as the request named its own', async (t) => {
  const { request } = await import('node:http')
  const assertion = await assertionFor(app, key)
  const body = new URLSearchParams({ grant_type: JWT_BEARER, assertion }).toString()
  const answer = await new Promise<Response>((resolve, reject) => {
    const sent = request(
      `${origins.myDomain}${TOKEN_PATH}`,
      {
        method: 'POST',
        headers: {
          host: 'acme.my.salesforce.com',
          'content-type': 'application/x-www-form-urlencoded',
        },
      },
      async (response) => resolve(new Response(Buffer.concat(await response.toArray()))),
    )
    sent.once('error', reject)
    sent.end(body)
  })
  const { members } = await reply(answer)
  t.equal(members.instance_url, 'http://acme.my.salesforce.com')
  t.match(members.id, 'http://login.salesforce.com/id/')
})

t.test('speaks HTTPS with a certificate of its own', async (t) => {
  const secure = await simulatorFor(t, {
    tls: { key: key.privateKeyPem, cert: key.certificatePem },
  })
  t.match(secure.origins.myDomain, /^https:/)
  const { get: getSecurely } = await import('node:https')
  const status = await new Promise((resolve, reject) => {
    getSecurely(
      `${secure.origins.myDomain}/services/data/`,
      { ca: key.certificatePem },
      (response) => {
        response.resume()
        resolve(response.statusCode)
      },
    ).once('error', reject)
  })
  t.equal(status, 200)
})
