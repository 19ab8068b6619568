import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import type { CredentialType, GrantRequest, OpenCredential } from '../../src/grants/grant.ts'
import { type AnyGrantSettings, GRANTS, GrantSchema, grantOf } from '../../src/grants/index.ts'
import { refusalOf } from '../../src/grants/refusals/refusals.ts'
import { camelKeys, snakeKeys } from '../../src/http/server/casing.ts'
import { CLIENT_ID, fixture, makeKey, problemOf, TOKEN } from '../grants/fixture.ts'
import { type Answer, json } from '../http/listener.ts'

/** What every grant must do. A new grant adds its settings here, and passes. */
const SETTINGS: readonly AnyGrantSettings[] = [
  { type: 'jwt_bearer', username: 'billing@acme.com' },
  {
    type: 'jwt_bearer',
    clientId: CLIENT_ID,
    username: 'billing@acme.com',
    audience: 'https://test.salesforce.com',
  },
  { type: 'client_credentials' },
  { type: 'client_credentials', clientId: CLIENT_ID, clientAuth: 'client_secret_post' },
  { type: 'client_credentials', clientAuth: 'client_secret_basic' },
  { type: 'client_credentials', clientAuth: 'private_key_jwt' },
  { type: 'refresh_token' },
  { type: 'refresh_token', clientId: CLIENT_ID, clientAuth: 'client_secret_basic' },
  { type: 'refresh_token', clientAuth: 'client_secret_post' },
  { type: 'refresh_token', clientAuth: 'private_key_jwt' },
  { type: 'token_exchange', subjectToken: { integration: 'billing' } },
  {
    ...{ type: 'token_exchange', clientId: CLIENT_ID, clientAuth: 'client_secret_post' },
    ...{ subjectToken: { file: '/run/token' }, tokenHandler: 'Handler' },
    subjectTokenType: 'urn:ietf:params:oauth:token-type:id_token',
  },
  {
    ...{ type: 'token_exchange', clientAuth: 'private_key_jwt' },
    ...{ subjectToken: { integration: 'billing' }, asset: { deviceId: 'd', name: 'D' } },
  },
  { type: 'data_cloud', integration: 'billing' },
  { type: 'data_cloud', integration: 'billing', dataspace: 'sales' },
]

/** Where it asks, if not at the token endpoint. */
const PATHS: Readonly<Record<string, string>> = { data_cloud: '/services/a360/token' }

const PLANTED = 'planted-secret-of-the-client'
const key = makeKey()
const CREDENTIALS: Record<CredentialType | 'none', OpenCredential> = {
  certificate: { type: 'certificate', privateKey: key.pkcs8 },
  client_secret: { type: 'client_secret', clientSecret: new Secret(PLANTED) },
  refresh_token: { type: 'refresh_token', refreshToken: new Secret(PLANTED) },
  none: { type: 'none' },
}

/** As a request has it: a refresh token comes out of its custody, beside what proves the client. */
function credentialFor(settings: AnyGrantSettings): OpenCredential {
  const grant = grantOf(settings.type)
  const proof = CREDENTIALS[grant.credentialType(settings)]
  if (!grant.presentsRefreshToken || proof.type !== 'certificate') return proof
  const { privateKey } = proof
  return { type: 'refresh_token', refreshToken: new Secret(PLANTED), privateKey }
}

/** Runs the test once for each settings. */
function forEachGrant(name: string, test: (t: Test, settings: AnyGrantSettings) => Promise<void>) {
  t.test(name, async (t) => {
    for (const settings of SETTINGS) {
      await t.test(JSON.stringify(settings), (subtest) => test(subtest, settings))
    }
  })
}

async function ask(t: Test, settings: AnyGrantSettings, answer: Answer) {
  const { context, loginUrl, signal, server } = await fixture(t, answer)
  const grant = grantOf(settings.type)
  const credential = credentialFor(settings)
  const request: GrantRequest = { loginUrl, settings, clientId: CLIENT_ID, credential, signal }
  return { result: grant.request(request, context), server, grant, request, context }
}

t.test('has settings to try for every grant', async (t) => {
  const tried = new Set(SETTINGS.map(({ type }) => type))
  for (const grant of GRANTS) {
    t.ok(tried.has(grant.type), grant.type)
    t.equal(grantOf(grant.type), grant)
  }
  t.throws(() => grantOf('password'))
  t.throws(() => grantOf('constructor'))
})

forEachGrant('gets a token with one request that hides what is secret', async (t, settings) => {
  const { result, server } = await ask(t, settings, json(TOKEN))
  const answer = await result
  t.equal(answer.accessToken.reveal(), TOKEN.access_token)
  t.equal(answer.instanceUrl, TOKEN.instance_url)
  t.equal(server.requests.length, 1)
  const [request] = server.requests
  t.equal(request?.method, 'POST')
  t.equal(request?.url, PATHS[settings.type] ?? '/services/oauth2/token')
  const form = new URLSearchParams(request?.body)
  t.equal(form.get('scope'), null, 'Salesforce refuses a scope')
  t.notMatch(JSON.stringify(answer), TOKEN.access_token)
})

forEachGrant('sends the credential itself only where it says so', async (t, settings) => {
  const { result, server, grant } = await ask(t, settings, json(TOKEN))
  await result
  const [request] = server.requests
  const authorization = request?.headers.authorization?.replace('Basic ', '') ?? ''
  const sent = `${request?.body} ${Buffer.from(authorization, 'base64')}`
  t.equal(sent.includes(PLANTED), grant.sendsCredential(settings))
  t.notMatch(sent, /PRIVATE/)
})

forEachGrant('says no in the words of the contract', async (t, settings) => {
  const cases: [Answer, string][] = [
    [json({ error: 'invalid_grant', error_description: 'inactive user' }, 400), 'grant_refused'],
    [json({ token_type: 'Bearer' }), 'token_response_invalid'],
    [(response) => response.writeHead(503).end(), 'salesforce_unavailable'],
    [(response) => response.destroy(), 'salesforce_unavailable'],
  ]
  // An asset token is for no instance.
  if (!('asset' in settings)) cases.push([json({ access_token: 'x' }), 'token_response_invalid'])
  for (const [answer, code] of cases) {
    const { result } = await ask(t, settings, answer)
    const problem = await problemOf(result)
    t.equal(problem.code, code)
    t.equal(refusalOf(problem)?.reason, code === 'grant_refused' ? 'user_inactive' : undefined)
    t.notMatch(`${problem.detail} ${JSON.stringify(problem.members)}`, PLANTED)
  }
  const { result, server, request, context, grant } = await ask(t, settings, json(TOKEN))
  await result
  const late = grant.request({ ...request, signal: AbortSignal.abort() }, context)
  t.equal((await problemOf(late)).code, 'salesforce_timeout')
  t.equal(server.requests.length, 1)
})

forEachGrant('asks in new words each time', async (t, settings) => {
  const { result, server, grant, request, context } = await ask(t, settings, json(TOKEN))
  await result
  await grant.request(request, context)
  const [first, second] = server.requests.map(({ body }) => new URLSearchParams(body))
  for (const member of ['assertion', 'client_assertion']) {
    if (first?.has(member)) t.not(first.get(member), second?.get(member))
  }
  t.equal(server.requests.length, 2)
})

forEachGrant('acts for a subject that its settings alone decide', async (t, settings) => {
  const grant = grantOf(settings.type)
  t.type(grant.subject(settings), 'string')
  t.not(grant.subject(settings), '')
  t.equal(grant.subject({ ...settings }), grant.subject(settings))
})

/** As the routes validate bodies. */
function validator(t: Test) {
  const app = Fastify({
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, discriminator: true } },
  })
  app.post('/', { schema: { body: GrantSchema } }, async ({ body }) => ({ body }))
  t.teardown(() => app.close())
  return async (payload: unknown) => {
    const response = await app.inject({
      method: 'POST',
      url: '/',
      headers: { 'content-type': 'application/json' },
      payload: JSON.stringify(payload),
    })
    return response.statusCode
  }
}

t.test('takes its settings in wire form, and turns them round without loss', async (t) => {
  const status = validator(t)
  for (const settings of SETTINGS) {
    const wire = snakeKeys(settings)
    t.equal(await status(wire), 200, JSON.stringify(wire))
    t.same(camelKeys(wire), settings)
  }
})

t.test('refuses settings of no grant', async (t) => {
  const status = validator(t)
  const jwt = { type: 'jwt_bearer', username: 'a@b.c' }
  const client = { type: 'client_credentials' }
  const refresh = { type: 'refresh_token' }
  for (const wire of [
    null,
    'jwt_bearer',
    {},
    { type: 'password' },
    { type: 5 },
    { username: 'a@b.c' },
    { type: 'jwt_bearer' },
    { ...jwt, username: '' },
    { ...jwt, username: 'no at sign' },
    { ...jwt, username: `${'a'.repeat(80)}@b.c` },
    { ...jwt, username: 7 },
    { ...jwt, audience: '' },
    { ...jwt, audience: 'a b' },
    { ...jwt, audience: 'a\nb' },
    { ...jwt, client_id: '' },
    { ...jwt, client_id: 'a b' },
    { ...jwt, client_id: 'x'.repeat(257) },
    { ...jwt, clientId: 'x' },
    { ...jwt, scope: 'api' },
    { ...jwt, client_auth: 'client_secret_basic' },
    { ...client, client_auth: 'none' },
    { ...client, client_auth: null },
    { ...client, username: 'a@b.c' },
    { ...client, client_secret: 'x' },
    { ...refresh, client_auth: 'none' },
    { ...refresh, username: 'a@b.c' },
    { ...refresh, refresh_token: 'x' },
    { type: 'data_cloud' },
    { type: 'data_cloud', integration: 'No Name' },
    { type: 'data_cloud', integration: 'a', client_id: 'x' },
    { type: 'token_exchange' },
    { type: 'token_exchange', subject_token: {} },
    { type: 'token_exchange', subject_token: { integration: 'a', file: '/b' } },
    { type: 'token_exchange', subject_token: { token: 'x' } },
    { type: 'token_exchange', subject_token: { integration: 'a' }, token_handler: '9 x' },
    { type: 'token_exchange', subject_token: { integration: 'a' }, asset: {} },
  ]) {
    t.equal(await status(wire), 400, JSON.stringify(wire))
  }
})

t.test('describes every member for the OpenAPI document', async (t) => {
  for (const { schema, type } of GRANTS) {
    t.match(schema, { type: 'object', additionalProperties: false, description: /\w/ }, type)
    const { properties } = schema as { properties?: Record<string, object> }
    for (const [name, member] of Object.entries(properties ?? {})) {
      if (name === 'type') continue
      t.match(name, /^[a-z]+(_[a-z]+)*$/)
      t.match(member, { description: /\w/, examples: Array }, `${type}.${name}`)
    }
  }
})
