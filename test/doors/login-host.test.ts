/** What clients ask of their login host besides tokens: revocation, introspection, whose token it is, discovery. */
import * as oauth from 'oauth4webapi'
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { doorWorld } from './world.ts'

const world = await doorWorld(t)
const { simulator, ask, call, makeKey, broker, url, adminKey } = world
const reader = await makeKey('reader', { integrations: ['billing'] })
const other = await makeKey('other', { integrations: ['shipping'] })
const wide = await makeKey('wide')

await call('PUT', '/integrations/alone', {
  body: await (async () => {
    const app = simulator.addClientCredentialsApp()
    return {
      ...world.integration,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    }
  })(),
})

const BILLING = '/login/billing/services/oauth2'
const asReader = { client_id: reader.id, client_secret: reader.key }
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const logIn = async () =>
  (await ask({ form: { grant_type: 'client_credentials', ...asReader } })).body

const { body: token } = await call('GET', '/tokens/billing')
await lifeKnown(call, 'billing')
const accessToken: string = token.access_token
const { body: foreign } = await call('GET', '/tokens/alone')

const ignored = () => broker.audit().filter(({ detail }) => detail?.reason === 'revoke_ignored')

t.test('a revocation is answered and revokes nothing', async (t) => {
  const requests = {
    'GET with the token in the URL': {
      path: `${BILLING}/revoke?token=${encodeURIComponent(accessToken)}`,
      method: 'GET',
    },
    'GET with a slash at its end': {
      path: `${BILLING}/revoke/?token=${encodeURIComponent(accessToken)}`,
      method: 'GET',
    },
    'POST with the token in the URL and no body': {
      path: `${BILLING}/revoke?token=${encodeURIComponent(accessToken)}`,
      form: '',
    },
    'POST with a form': { path: `${BILLING}/revoke`, form: { token: accessToken } },
    'POST at the root': { path: '/services/oauth2/revoke', form: { token: accessToken } },
    'POST with a client': {
      path: `${BILLING}/revoke`,
      form: { token: accessToken, ...asReader },
    },
    'POST with the token as the bearer too': {
      path: `${BILLING}/revoke`,
      form: { token: accessToken },
      headers: bearer(accessToken),
    },
    'POST of an unknown token': { path: `${BILLING}/revoke`, form: { token: 'unknown' } },
    'POST of nothing': { path: `${BILLING}/revoke`, form: '' },
  }
  const before = simulator.log.filter(({ endpoint }) => endpoint === 'revoke').length
  for (const [name, request] of Object.entries(requests)) {
    const { status, body } = await ask(request)
    t.equal(status, 200, name)
    t.equal(body, '', name)
  }
  t.equal((await call('GET', '/tokens/billing')).body.access_token, accessToken)
  t.equal(simulator.log.filter(({ endpoint }) => endpoint === 'revoke').length, before)
  const api = await fetch(`${token.instance_url}/services/data/v60.0/`, {
    headers: bearer(accessToken),
  })
  t.equal(api.status, 200)
  await eventually(() => ignored().length >= Object.keys(requests).length)
  const trail = JSON.stringify(broker.audit()) + broker.logs()
  t.notMatch(trail, accessToken)
  t.notMatch(trail, encodeURIComponent(accessToken))
})

t.test('the audit names the client', async (t) => {
  const proven = () =>
    ignored().find(({ principal, token_id }) => principal !== null && token_id === token.token_id)
  await eventually(proven)
  t.match(proven(), {
    ...{ action: 'request.denied', outcome: 'denied', principal: 'api-key:reader' },
    integration: 'billing',
    detail: { client: 'api-key:reader', operation: 'ignoreRevocation' },
  })
  const headers = { 'x-forwarded-for': '203.0.113.9' }
  const form = { grant_type: 'client_credentials', client_id: wide.id, client_secret: wide.key }
  await ask({ form, headers })
  await ask({
    path: `${BILLING}/revoke?token=${encodeURIComponent(accessToken)}`,
    ...{ method: 'GET', headers },
  })
  const found = () => ignored().find(({ detail }) => detail?.client === 'api-key:wide')
  await eventually(found)
  t.match(found(), { principal: null, integration: 'billing', token_id: token.token_id })
})

t.test('a wrong credential and a key in the URL are refused', async (t) => {
  const wrong = { ...asReader, client_secret: 'wrong' }
  const refused = await ask({ path: `${BILLING}/revoke`, form: { token: accessToken, ...wrong } })
  t.match(refused, { status: 400, body: { error: 'invalid_client' } })
  const exposed = await ask({ path: `${BILLING}/revoke?token=${wide.key}`, method: 'GET' })
  t.match(exposed, { status: 400, body: { error_description: /^secret_in_url: / } })
})

t.test('introspection knows the tokens that the caller may read', async (t) => {
  const introspect = (form: Readonly<Record<string, string>>, place = '/login/billing') =>
    ask({ path: `${place}/services/oauth2/introspect`, form })
  const { status, body } = await introspect({ token: accessToken, ...asReader })
  t.equal(status, 200, JSON.stringify(body))
  const { exp, iat, ...rest } = body
  t.same(rest, {
    ...{ active: true, token_type: 'Bearer' },
    ...(token.scope !== undefined && { scope: token.scope }),
    sub: (await logIn()).id,
  })
  const { body: current } = await call('GET', '/tokens/billing')
  t.equal(exp, Math.floor(Date.parse(current.expires_at) / 1000))
  t.equal(iat, Math.floor(Date.parse(current.issued_at) / 1000))
  for (const place of ['', '/login/billing']) {
    t.equal((await introspect({ token: accessToken, ...asReader }, place)).body.active, true)
  }
  const asOther = { client_id: other.id, client_secret: other.key }
  const asWide = { client_id: wide.id, client_secret: wide.key }
  const inactive = {
    'an unknown token': introspect({ token: 'unknown', ...asReader }),
    'a token of another integration': introspect({ token: foreign.access_token, ...asWide }),
    'a token that the caller may not read': introspect({ token: accessToken, ...asOther }),
    'the same at the root': introspect({ token: foreign.access_token, ...asReader }, ''),
    'a missing integration': introspect({ token: accessToken, ...asWide }, '/login/nowhere'),
    'a name that no integration can have': introspect(
      { token: accessToken, ...asWide },
      '/login/Not%20a%20name',
    ),
    'two integrations': introspect({
      ...{ token: accessToken, client_secret: wide.key, client_id: `${wide.id}/shipping` },
    }),
  }
  for (const [name, answer] of Object.entries(inactive)) {
    t.match(await answer, { status: 200, body: { active: false } }, name)
    t.same(Object.keys((await answer).body), ['active'], name)
  }
  t.equal((await introspect({ token: foreign.access_token, ...asWide }, '')).body.active, true)
  const refused = {
    'no token': introspect(asReader),
    'no client': introspect({ token: accessToken }),
    'a wrong client': introspect({ token: accessToken, ...asReader, client_secret: 'wrong' }),
  }
  for (const [name, answer] of Object.entries(refused)) t.equal((await answer).status, 400, name)
})

t.test('max_expires_in shortens exp', async (t) => {
  const { id, key } = await makeKey('short', { max_expires_in: 60 })
  const form = { token: accessToken, client_id: id, client_secret: key }
  const { body } = await ask({ path: `${BILLING}/introspect`, form })
  t.ok(body.exp <= Date.now() / 1000 + 61)
})

t.test('userinfo and the identity URL say whose token it is', async (t) => {
  const { id } = await logIn()
  const [, org = '', user = ''] = /\/id\/(\w+)\/(\w+)$/.exec(id) ?? []
  const own = {
    user_id: user,
    organization_id: org,
    urls: {
      rest: `${token.instance_url}/services/data/v{version}/`,
      partner: `${token.instance_url}/services/Soap/u/{version}/${org}`,
    },
  }
  const tokens = { 'the access token': accessToken, 'an API key': reader.key }
  for (const [name, credential] of Object.entries(tokens)) {
    for (const place of ['', '/login/billing']) {
      const headers = bearer(credential)
      const userinfo = await ask({
        ...{ path: `${place}/services/oauth2/userinfo`, method: 'GET', headers },
      })
      t.equal(userinfo.status, 200, name)
      t.match(userinfo.body, { sub: id, ...own }, name)
      const path = `${place}/id/${org}/${user}`
      const { status, body } = await ask({ path, method: 'GET', headers })
      t.match({ status, body }, { status: 200, body: { id, asserted_user: true, ...own } }, name)
    }
  }
  const short = `/login/billing/id/${org.slice(0, 15)}/${user.slice(0, 15)}`
  const byShort = await ask({ path: short, method: 'GET', headers: bearer(accessToken) })
  t.equal(byShort.status, 200, 'ids of 15 characters are the same')
  const another = await ask({
    ...{ path: `/login/billing/id/${org}/005000000000009AAA`, method: 'GET' },
    headers: bearer(accessToken),
  })
  t.match(another, { status: 404, body: { error: 'Bad_Id' } })
  const refused = {
    'no token': {},
    'an unknown token': bearer('00D000000000001!unknown'),
    'a token of another integration': bearer(foreign.access_token),
    'the key of another integration': bearer(other.key),
  }
  for (const [name, headers] of Object.entries(refused)) {
    for (const path of [`${BILLING}/userinfo`, `/login/billing/id/${org}/${user}`]) {
      const answer = await ask({ path, method: 'GET', headers })
      t.match(answer, { status: 403, body: { error: 'Bad_OAuth_Token' } }, name)
    }
  }
})

t.test('POST userinfo is answered as GET, with the token in the body too', async (t) => {
  const { id } = await logIn()
  const asked = [
    { headers: bearer(accessToken), form: '' },
    { headers: bearer(reader.key), form: '' },
    { form: { access_token: accessToken } },
    { form: asReader },
  ]
  for (const place of ['', '/login/billing']) {
    for (const request of asked) {
      const path = `${place}/services/oauth2/userinfo`
      t.match(await ask({ path, ...request }), { status: 200, body: { sub: id } })
    }
  }
  const path = `${BILLING}/userinfo`
  t.match(await ask({ path, form: { access_token: 'unknown' } }), { status: 403 })
  const json = { 'content-type': 'application/json' }
  t.match(await ask({ path, form: '{}', headers: json }), {
    ...{ status: 400, body: { error: 'invalid_request' } },
  })
})

t.test('a request that cannot be read says nothing of the token', async (t) => {
  const { id } = await logIn()
  // `403 Bad_OAuth_Token` would make the client throw away a token that is good.
  for (const path of [`${BILLING}/userinfo`, `/login/billing${new URL(id).pathname}`]) {
    const long = `${path}?q=${'x'.repeat(8_200)}`
    t.match(await ask({ path: long, method: 'GET', headers: bearer(accessToken) }), {
      ...{ status: 400, body: { error: 'invalid_request', error_description: /^uri_too_long: / } },
    })
  }
})

t.test('JSON is refused at each endpoint by what it reads', async (t) => {
  const headers = { 'content-type': 'application/json' }
  const words = {
    token: 'unsupported_grant_type',
    revoke: 'invalid_request',
    introspect: 'invalid_request',
  }
  for (const [endpoint, error] of Object.entries(words)) {
    const answer = await ask({ path: `${BILLING}/${endpoint}`, form: '{}', headers })
    t.match(
      answer,
      { status: 400, body: { error, error_description: /^media_type_unsupported: / } },
      endpoint,
    )
  }
})

t.test('a name that no integration can have is refused', async (t) => {
  const place = '/login/Not%20a%20name'
  for (const credential of [accessToken, wide.key]) {
    const headers = bearer(credential)
    const userinfo = await ask({
      ...{ path: `${place}/services/oauth2/userinfo`, method: 'GET', headers },
    })
    t.ok([400, 403].includes(userinfo.status), `${userinfo.status}`)
  }
  const form = { token: accessToken }
  t.equal((await ask({ path: `${place}/services/oauth2/revoke`, form })).status, 200)
  const found = await ask({
    path: `${place}/.well-known/oauth-authorization-server`,
    method: 'GET',
  })
  t.equal(found.status, 200)
})

t.test('a client with discovery finds the endpoints', async (t) => {
  const insecure = { [oauth.allowInsecureRequests]: true }
  for (const place of ['/login/billing', '']) {
    const issuer = new URL(`${url}${place}`)
    const response = await oauth.discoveryRequest(issuer, { ...insecure, algorithm: 'oauth2' })
    const server = await oauth.processDiscoveryResponse(issuer, response)
    t.equal(server.token_endpoint, `${url}${place}/services/oauth2/token`)
    t.equal(server.revocation_endpoint, `${url}${place}/services/oauth2/revoke`)
    t.ok(server.token_endpoint_auth_methods_supported?.includes('private_key_jwt'))
    t.ok(server.token_endpoint_auth_signing_alg_values_supported?.includes('RS256'))
    const client = { client_id: reader.id }
    const secret = oauth.ClientSecretPost(reader.key)
    const granted = await oauth.clientCredentialsGrantRequest(server, client, secret, {}, insecure)
    const { access_token } = await oauth.processClientCredentialsResponse(server, client, granted)
    t.equal(access_token, accessToken)
    const asked = await oauth.introspectionRequest(server, client, secret, access_token, insecure)
    const { active } = await oauth.processIntrospectionResponse(server, client, asked)
    t.equal(active, true)
    const revoked = await oauth.revocationRequest(server, client, secret, access_token, insecure)
    t.equal(await oauth.processRevocationResponse(revoked), undefined)
  }
  const behind = await fetch(`${url}/login/billing/.well-known/oauth-authorization-server`)
  t.match(await behind.json(), { issuer: `${url}/login/billing` })
  const slashed = await fetch(`${url}/.well-known//oauth-authorization-server/login/billing/`)
  t.match(await slashed.json(), { issuer: `${url}/login/billing` })
  const missing = await fetch(`${url}/.well-known/oauth-authorization-server/login/nowhere`)
  t.equal(missing.status, 200, 'it does not tell which integrations exist')
})

t.test('the public URL is in the endpoints, if it is set', async (t) => {
  const { url } = await doorWorld(t, { env: { VALETKEY_PUBLIC_URL: 'https://keys.example.com' } })
  const response = await fetch(`${url}/.well-known/oauth-authorization-server/login/billing`)
  t.match(await response.json(), {
    issuer: 'https://keys.example.com/login/billing',
    token_endpoint: 'https://keys.example.com/login/billing/services/oauth2/token',
  })
})

t.test('the admin key is taken after Bearer too', async (t) => {
  const path = `${BILLING}/userinfo`
  t.equal((await ask({ path, method: 'GET', headers: bearer(adminKey) })).status, 200)
})
