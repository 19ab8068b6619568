import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { stringify } from 'yaml'
import { eventually } from '../support/eventually.ts'
import { startIssuer } from '../support/issuer.ts'
import { CLIENT_ASSERTION, type DoorRequest, doorWorld, JWT_BEARER } from './world.ts'

const idp = await startIssuer()
t.teardown(() => idp.stop())
const file = join(await mkdtemp(join(tmpdir(), 'valetkey-doors-')), 'valetkey.yaml')
const reading = { permissions: ['tokens:read'], integrations: ['billing'] }
await writeFile(
  file,
  stringify({
    issuers: [{ issuer: idp.issuer, audience: 'valetkey' }],
    callers: [{ name: 'pod', match: { issuer: idp.issuer, subject: 'pod' }, ...reading }],
  }),
)
const world = await doorWorld(t, { env: { VALETKEY_CONFIG: file } })
const { ask, broker, call, makeKey, adminKey } = world
await call('PUT', '/integrations/down', {
  body: { ...world.integration, login_url: 'http://127.0.0.1:9' },
})
await eventually(async () => {
  const { status } = await call('GET', '/whoami', { key: await idp.sign({ sub: 'pod' }) })
  return status === 200
})
const wide = await makeKey('wide')
const one = await makeKey('one', { integrations: ['billing'] })
const blind = await makeKey('blind', { permissions: ['integrations:read'] })
const other = await makeKey('other', { integrations: ['shipping'] })

const ROOT = '/services/oauth2/token'
const BILLING = `/login/billing${ROOT}`
const credentials = { grant_type: 'client_credentials' }
const asClient = { ...credentials, client_id: wide.id, client_secret: wide.key }
const assertion = await idp.sign({ sub: 'pod' })
const foreign = await idp.sign({ sub: 'pod', iss: 'https://elsewhere.example.com' })

/** Each is a login to `billing`. */
const TAKEN: Readonly<Record<string, DoorRequest>> = {
  'client credentials in the body': { path: BILLING, form: asClient },
  'client credentials in Basic': { path: BILLING, form: credentials, basic: [wide.id, wide.key] },
  'a doubled slash': { path: `/login/billing/${ROOT}`, form: asClient },
  'doubled slashes everywhere': {
    path: '//login//billing//services//oauth2//token',
    form: asClient,
  },
  'a slash at the end': { path: `${BILLING}/`, form: asClient },
  'a charset': {
    path: BILLING,
    form: asClient,
    headers: { 'content-type': 'application/x-www-form-urlencoded;charset=utf-8' },
  },
  'a format that is asked for': { path: BILLING, form: { ...asClient, format: 'json' } },
  'a form of gzip': {
    path: BILLING,
    form: gzipSync(new URLSearchParams(asClient).toString()),
    headers: { 'content-encoding': 'gzip' },
  },
  'a grant type in the query': {
    path: `${BILLING}?grant_type=client_credentials`,
    form: '',
    basic: [wide.id, wide.key],
  },
  'ID/NAME at the root': { path: ROOT, form: { ...asClient, client_id: `${wide.id}/billing` } },
  'ID/NAME in Basic': { path: ROOT, form: credentials, basic: [`${wide.id}/billing`, wide.key] },
  'a scope that names it': { path: ROOT, form: { ...asClient, scope: 'integration:billing' } },
  'a key for one integration at the root': {
    path: ROOT,
    form: { ...credentials, client_id: one.id, client_secret: one.key },
  },
  'a password': {
    path: BILLING,
    form: { ...asClient, grant_type: 'password', username: 'billing', password: wide.key },
  },
  'a password without a client secret': {
    path: ROOT,
    form: {
      ...{ grant_type: 'password', client_id: wide.id },
      ...{ username: 'billing@acme.com', password: wide.key },
    },
  },
  'a password with a security token': {
    path: ROOT,
    form: {
      ...{ grant_type: 'password', client_id: wide.id },
      ...{ username: 'billing@x', password: `${wide.key}${'s'.repeat(40)}` },
    },
  },
  'a username of Salesforce under a name': {
    path: BILLING,
    form: { grant_type: 'password', username: 'jane@acme.com', password: wide.key },
  },
  'a refresh token': {
    path: BILLING,
    form: { grant_type: 'refresh_token', client_id: wide.id, refresh_token: wide.key },
  },
  'a refresh token with the key as secret': {
    path: ROOT,
    form: {
      ...asClient,
      client_id: `${wide.id}/billing`,
      grant_type: 'refresh_token',
      refresh_token: wide.key,
    },
  },
  'a JWT as assertion': { path: BILLING, form: { grant_type: JWT_BEARER, assertion } },
  'a JWT as assertion at the root': { path: ROOT, form: { grant_type: JWT_BEARER, assertion } },
  'a JWT as client assertion': {
    path: BILLING,
    form: {
      ...credentials,
      client_assertion_type: CLIENT_ASSERTION,
      client_assertion: assertion,
    },
  },
  'the admin key': {
    path: BILLING,
    form: { ...credentials, client_id: 'admin', client_secret: adminKey },
  },
}

t.test('the first login is the mint', async (t) => {
  t.equal((await call('GET', '/tokens/billing')).status, 200)
  t.end()
})

for (const [name, request] of Object.entries(TAKEN)) {
  t.test(`a login with ${name} gets the token`, async (t) => {
    const { status, headers, body } = await ask(request)
    t.equal(status, 200, JSON.stringify(body))
    const { body: token } = await call('GET', '/tokens/billing')
    t.equal(body.access_token, token.access_token)
    t.equal(headers.get('cache-control'), 'no-store')
    t.equal(headers.get('pragma'), 'no-cache')
  })
}

t.test('the answer has what every Salesforce client needs', async (t) => {
  const { body } = await ask({ form: asClient })
  const { body: token } = await call('GET', '/tokens/billing')
  t.match(body, {
    access_token: token.access_token,
    instance_url: token.instance_url,
    id: /^https:\/\/[^/]+\/id\/00D\w{15}\/005\w{15}$|^http:\/\/[^/]+\/id\/00D\w{15}\/005\w{15}$/,
    token_type: 'Bearer',
    issued_at: /^\d{13}$/,
    signature: /^.+$/,
  })
  t.equal(typeof body.issued_at, 'string')
  t.ok(Number.isInteger(body.expires_in) && body.expires_in > 0)
  t.notMatch(body.instance_url, /\/$/)
  t.notOk('refresh_token' in body)
  t.equal(body.scope, token.scope, 'the scope of Salesforce, or none')
  const asked = await ask({ form: { ...asClient, scope: 'api' } })
  t.equal(asked.body.scope, 'api', 'what was asked for: some libraries refuse another one')
})

t.test('a key may shorten what expires_in says', async (t) => {
  const { id, key } = await makeKey('short', { max_expires_in: 60 })
  const { body } = await ask({ form: { ...credentials, client_id: id, client_secret: key } })
  t.equal(body.expires_in, 60)
})

const REFUSED: Readonly<Record<string, readonly [DoorRequest, string, RegExp]>> = {
  'no grant type': [
    { form: { client_id: wide.id, client_secret: wide.key } },
    'unsupported_grant_type',
    /^request_invalid: .*grant_type/,
  ],
  'another grant type': [
    { form: { ...asClient, grant_type: 'authorization_code' } },
    'unsupported_grant_type',
    /^request_invalid: .*client_credentials, password, refresh_token/,
  ],
  JSON: [
    { form: JSON.stringify(asClient), headers: { 'content-type': 'application/json' } },
    'unsupported_grant_type',
    /^media_type_unsupported: .*x-www-form-urlencoded/,
  ],
  'an unknown client id': [
    { form: { ...asClient, client_id: '3MVG9.consumer.key' } },
    'invalid_client_id',
    /^caller_unauthenticated: .*client_secret/,
  ],
  'no client id': [
    { form: { ...credentials, client_secret: wide.key } },
    'invalid_client_id',
    /^caller_unauthenticated: /,
  ],
  'a wrong secret': [
    { form: { ...asClient, client_secret: 'wrong' } },
    'invalid_client',
    /^caller_unauthenticated: /,
  ],
  'the key of another id': [
    { form: { ...asClient, client_id: one.id } },
    'invalid_client',
    /^caller_unauthenticated: /,
  ],
  'a wrong password': [
    { form: { grant_type: 'password', username: 'billing', password: 'wrong' } },
    'invalid_grant',
    /^caller_unauthenticated: .*as the password/,
  ],
  'a password that is longer than a security token': [
    { form: { grant_type: 'password', username: 'billing', password: wide.key + 's'.repeat(41) } },
    'invalid_grant',
    /^caller_unauthenticated: /,
  ],
  'a password beside another client secret': [
    { form: { ...asClient, grant_type: 'password', username: 'billing', password: one.key } },
    'invalid_grant',
    /^caller_unauthenticated: /,
  ],
  'a wrong refresh token': [
    { form: { grant_type: 'refresh_token', client_id: wide.id, refresh_token: '5Aep861' } },
    'invalid_grant',
    /^caller_unauthenticated: .*as the refresh_token/,
  ],
  "an assertion of the client's own": [
    { form: { grant_type: JWT_BEARER, assertion: foreign } },
    'invalid_grant',
    /^caller_unauthenticated: .*configuration file.*client_secret/,
  ],
  'an assertion that is no JWT': [
    { form: { grant_type: JWT_BEARER, assertion: wide.key } },
    'invalid_grant',
    /^caller_unauthenticated: /,
  ],
  'an assertion beside a secret': [
    { form: { ...asClient, grant_type: JWT_BEARER, assertion } },
    'invalid_request',
    /^request_invalid: .*more than one way/,
  ],
  'no integration at the root': [
    { path: ROOT, form: asClient },
    'invalid_request',
    /^request_invalid: .*\/login\/NAME/,
  ],
  'a name that no integration can have': [
    { path: `/login/Not%20a%20name${ROOT}`, form: asClient },
    'invalid_request',
    /^request_invalid: .*\/login\/NAME/,
  ],
  'a client id with a name that no integration can have': [
    {
      path: ROOT,
      form: { ...credentials, client_id: `${one.id}/Billing`, client_secret: one.key },
    },
    'invalid_request',
    /^request_invalid: The client id names no integration/,
  ],
  'two integrations': [
    { form: { ...asClient, client_id: `${wide.id}/shipping` } },
    'invalid_request',
    /^request_invalid: .*two integrations/,
  ],
  'a username that is another integration': [
    { form: { grant_type: 'password', username: 'shipping', password: wide.key } },
    'invalid_request',
    /^request_invalid: .*two integrations/,
  ],
  'an integration of others': [
    { form: { ...credentials, client_id: other.id, client_secret: other.key } },
    'invalid_grant',
    /^caller_forbidden: /,
  ],
  'an integration that does not exist': [
    {
      path: `/login/nowhere${ROOT}`,
      form: { ...credentials, client_id: one.id, client_secret: one.key },
    },
    'invalid_grant',
    /^caller_forbidden: /,
  ],
  'a key that reads no tokens': [
    { form: { ...credentials, client_id: blind.id, client_secret: blind.key } },
    'invalid_grant',
    /^caller_forbidden: /,
  ],
  'a bearer key': [
    { form: credentials, headers: { authorization: `Bearer ${wide.key}` } },
    'invalid_client_id',
    /^caller_unauthenticated: /,
  ],
  'a parameter twice': [
    { form: `${new URLSearchParams(asClient)}&grant_type=password` },
    'invalid_request',
    /^request_invalid: .*more than once/,
  ],
  'a parameter in the query and in the body': [
    { path: `${BILLING}?grant_type=client_credentials`, form: asClient },
    'invalid_request',
    /^request_invalid: .*more than once/,
  ],
  'a large body': [
    { form: { ...asClient, x: 'x'.repeat(70_000) } },
    'invalid_request',
    /^body_too_large: /,
  ],
  'a body that is large when it is decompressed': [
    { form: gzipSync('x'.repeat(100_000)), headers: { 'content-encoding': 'gzip' } },
    'invalid_request',
    /^body_too_large: /,
  ],
  'a body that grows too much': [
    { form: gzipSync('x'.repeat(60_000)), headers: { 'content-encoding': 'gzip' } },
    'invalid_request',
    /^body_too_large: /,
  ],
  'a body that is no gzip': [
    { form: 'grant_type=client_credentials', headers: { 'content-encoding': 'gzip' } },
    'invalid_request',
    /^request_invalid: .*gzip/,
  ],
  'another encoding': [
    { form: asClient, headers: { 'content-encoding': 'br' } },
    'unsupported_grant_type',
    /^media_type_unsupported: .*gzip/,
  ],
}

for (const [name, [request, error, description]] of Object.entries(REFUSED)) {
  t.test(`${name} is refused in Salesforce's form`, async (t) => {
    const { status, headers, body } = await ask(request)
    t.equal(status, 400, JSON.stringify(body))
    t.equal(body.error, error)
    t.match(body.error_description, description)
    t.same(Object.keys(body).sort(), ['error', 'error_description'])
    t.match(headers.get('content-type'), /^application\/json/)
    t.notMatch(JSON.stringify(body), wide.key.slice(12))
  })
}

t.test('a secret in the URL is refused, and audited by the id of the key', async (t) => {
  const secrets = { client_secret: wide.key, password: wide.key, assertion, x: wide.key }
  for (const [name, value] of Object.entries(secrets)) {
    const { status, body } = await ask({ path: `${BILLING}?${name}=${value}`, form: '' })
    t.equal(status, 400, name)
    t.match(body, { error: 'invalid_request', error_description: /^secret_in_url: / }, name)
  }
  const exposed = () =>
    broker.audit().filter(({ detail }) => detail?.reason === 'secret_in_url' && detail.api_key)
  await eventually(() => exposed().length === 3)
  t.match(exposed()[0], { principal: 'api-key:wide', detail: { api_key: wide.id } })
  const trail = JSON.stringify(broker.audit()) + broker.logs()
  t.notMatch(trail, wide.key.slice(12))
  t.notMatch(trail, assertion.slice(20))
})

t.test('a secret in the URL is one at every path, and its owner is named', async (t) => {
  const before = broker.audit().length
  const paths = [
    `/login/billing?client_secret=${wide.key}`,
    `/login/billing/services/data?oauth_token=${wide.key}`,
    `/oauth/token?client_secret=${wide.key}`,
    `/oauth/token?grant_type=client_credentials&k=${wide.key}`,
    `${BILLING}?token=${wide.key}&x=/services/oauth2/revoke`,
  ]
  for (const path of paths) {
    const { status, headers, body } = await ask({ path, form: '' })
    t.match(
      { status, body },
      { status: 400, body: { error_description: /^secret_in_url: / } },
      path,
    )
    t.equal(headers.get('cache-control'), 'no-store')
  }
  const exposed = () =>
    broker
      .audit()
      .slice(before)
      .filter(({ detail }) => detail?.reason === 'secret_in_url')
  await eventually(() => exposed().length === paths.length)
  for (const event of exposed()) {
    t.match(event, { principal: 'api-key:wide', detail: { api_key: wide.id } })
  }
})

t.test('a refusal says what was read of a username of Salesforce', async (t) => {
  const password = (username: string, key: string) =>
    ask({ path: ROOT, form: { grant_type: 'password', username, password: key } })
  for (const [key, code] of [
    [one.key, 'caller_forbidden'],
    [wide.key, 'integration_not_found'],
  ] as const) {
    const { status, body } = await password('jane@acme.com', key)
    t.equal(status, 400)
    t.match(body.error_description, new RegExp(`^${code}: .* the username names .* jane\\. `))
    t.match(body.error_description, /before an @/)
  }
  t.equal((await password('billing@acme.com', one.key)).status, 200)
})

t.test('an API call is refused with what to do instead', async (t) => {
  const paths = [
    '/services',
    '/services/data',
    '/services/data/v60.0/query?q=SELECT',
    '/services/async/60.0/job',
  ]
  for (const path of paths) {
    for (const place of ['', '/login/billing']) {
      for (const method of ['GET', 'POST', 'PATCH']) {
        const { status, body } = await ask({ path: `${place}${path}`, method, form: '' })
        t.equal(status, 421, `${method} ${place}${path}`)
        t.match(body, [{ errorCode: 'MISDIRECTED_REQUEST', message: /instance_url/ }])
      }
    }
  }
  t.equal((await ask({ path: '/login/billing', method: 'GET', form: '' })).status, 421)
})

t.test('nothing of an API call is read, logged or audited', async (t) => {
  const before = broker.audit().length
  const answer = await ask({
    path: '/login/billing/services/data/v60.0/sobjects/SecretOfPath?q=SecretOfQuery',
    // Longer than any body that is read.
    form: 'SecretOfBody'.repeat(20_000),
    headers: { authorization: 'Bearer SecretOfHeader', 'content-type': 'application/json' },
  })
  t.equal(answer.status, 421)
  t.equal(answer.headers.get('connection'), 'close')
  t.notMatch(broker.logs(), /SecretOf/)
  t.equal(broker.audit().length, before)
})

t.test('where waiting helps, the answer says for how long', async (t) => {
  const { status, headers, body } = await ask({ path: `/login/down${ROOT}`, form: asClient })
  t.equal(status, 503)
  t.ok(Number(headers.get('retry-after')) >= 1)
  t.match(body, {
    error: 'temporarily_unavailable',
    error_description: /^salesforce_unavailable: /,
  })
})
