import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import * as oauth from 'oauth4webapi'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { INSTALL, pythonWithOauth } from '../support/python-oauth.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins
let ahead = 0
const broker = await startBroker(t, {
  now: () => Date.now() + ahead,
  loginHosts: [myDomain],
  env: { VALETKEY_TRUST_PROXY: '127.0.0.1/32' },
})
const { url, call, adminKey } = broker

const app = simulator.addClientCredentialsApp()
const integration = {
  login_url: myDomain,
  grant: { type: 'client_credentials', client_id: app.clientId },
  credential: { client_secret: app.clientSecret },
}
await call('PUT', '/integrations/billing', { body: integration })
await call('PUT', '/integrations/disabled', { body: { ...integration, enabled: false } })
await call('PUT', '/integrations/draft', {
  body: { login_url: myDomain, grant: { type: 'client_credentials' } },
})
await call('PUT', '/integrations/refused', {
  body: { ...integration, credential: { client_secret: 'a-wrong-secret-of-this-app' } },
})
// Later than a change to Salesforce would need to spread: a refusal is one for good.
ahead = 660_000
await eventually(async () => {
  const { body } = await call('GET', '/readyz')
  return body.checks.every(({ ok }: { ok: boolean }) => ok)
})

const makeKey = async (name: string, change: object = {}) =>
  (
    await call('POST', '/api-keys', {
      body: { name, permissions: ['tokens:read'], integrations: ['*'], ...change },
    })
  ).body as { readonly id: string; readonly key: string }
const key = await makeKey('client')

const endpoint = `${url}/oauth/token`
let addresses = 0

interface Asked {
  readonly form?: Readonly<Record<string, string>> | string
  readonly basic?: readonly [id: string, secret: string]
  readonly headers?: Readonly<Record<string, string>>
  readonly method?: string
}

/** Each request comes from an address of its own, so that failures hold up nobody. */
async function ask({ form = {}, basic, headers = {}, method = 'POST' }: Asked) {
  addresses += 1
  const encoded = basic?.map((part) => encodeURIComponent(part)).join(':')
  const response = await fetch(endpoint, {
    method,
    headers: {
      'x-forwarded-for': `198.51.100.${addresses % 256}`,
      'content-type': 'application/x-www-form-urlencoded',
      ...(encoded !== undefined && { authorization: `Basic ${btoa(encoded)}` }),
      ...headers,
    },
    ...(method === 'POST' && {
      body: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
    }),
  })
  return {
    status: response.status,
    headers: response.headers,
    body: JSON.parse(await response.text()),
  }
}

const wanted = { grant_type: 'client_credentials', scope: 'integration:billing' }
const basic = [key.id, key.key] as const

const server: oauth.AuthorizationServer = { issuer: url, token_endpoint: endpoint }

for (const [name, authentication] of Object.entries({
  ClientSecretBasic: oauth.ClientSecretBasic(key.key),
  ClientSecretPost: oauth.ClientSecretPost(key.key),
})) {
  t.test(`oauth4webapi gets a token with ${name}, and Salesforce takes it`, async (t) => {
    const client = { client_id: key.id }
    const response = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      authentication,
      { scope: 'integration:billing' },
      { [oauth.allowInsecureRequests]: true },
    )
    t.equal(response.headers.get('cache-control'), 'no-store')
    t.equal(response.headers.get('pragma'), 'no-cache')
    const token = await oauth.processClientCredentialsResponse(server, client, response)
    t.match(token, {
      token_type: 'bearer',
      scope: 'integration:billing',
      expires_in: Number,
      instance_url: myDomain,
    })
    const same = await call('GET', '/tokens/billing')
    t.equal(token.access_token, same.body.access_token, 'the very token of GET /tokens')
    const api = await fetch(`${token.instance_url}/services/data/v60.0/`, {
      headers: { authorization: `Bearer ${token.access_token}` },
    })
    t.equal(api.status, 200)
  })
}

t.test('a form may be compressed', async (t) => {
  const form = gzipSync(new URLSearchParams(wanted).toString())
  const authorization = `Basic ${btoa(basic.join(':'))}`
  const send = (encoding: string) =>
    fetch(endpoint, {
      method: 'POST',
      body: form,
      headers: {
        ...{ authorization, 'content-encoding': encoding },
        'content-type': 'application/x-www-form-urlencoded',
      },
    })
  const taken = await send('gzip')
  t.equal(taken.status, 200)
  t.match(await taken.json(), { scope: 'integration:billing' })
  const other = await send('br')
  t.equal(other.status, 400)
  t.match(await other.json(), { error_description: /^media_type_unsupported: .*gzip/ })
})

t.test('oauth4webapi understands a refusal', async (t) => {
  const client = { client_id: key.id }
  const response = await oauth.clientCredentialsGrantRequest(
    server,
    client,
    oauth.ClientSecretBasic(key.key),
    { scope: 'integration:nowhere' },
    { [oauth.allowInsecureRequests]: true },
  )
  await t.rejects(oauth.processClientCredentialsResponse(server, client, response), {
    name: 'ResponseBodyError',
    error: 'invalid_scope',
    status: 400,
  })
})

const python = pythonWithOauth((text) => t.comment(text))
const skip =
  python === undefined && `there is no requests-oauthlib; install it, as root: ${INSTALL}`

t.test('requests-oauthlib of Python gets a token', { skip }, async (t) => {
  const program = `
import json, os
from oauthlib.oauth2 import BackendApplicationClient
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session
client_id, secret, url = os.environ['ID'], os.environ['SECRET'], os.environ['URL']
session = OAuth2Session(client=BackendApplicationClient(client_id=client_id, scope=['integration:billing']))
basic = session.fetch_token(token_url=url, auth=HTTPBasicAuth(client_id, secret))
session = OAuth2Session(client=BackendApplicationClient(client_id=client_id, scope=['integration:billing']))
body = session.fetch_token(token_url=url, client_id=client_id, client_secret=secret, include_client_id=True)
answer = session.get(body['instance_url'] + '/services/data/v60.0/')
print(json.dumps({'basic': basic['access_token'], 'body': body['access_token'], 'status': answer.status_code}))
`
  const { stdout } = await promisify(execFile)(python ?? '', ['-c', program], {
    env: {
      PATH: process.env.PATH,
      ID: key.id,
      SECRET: key.key,
      URL: endpoint,
      OAUTHLIB_INSECURE_TRANSPORT: '1',
    },
  })
  const { body } = await call('GET', '/tokens/billing')
  t.same(JSON.parse(stdout), { basic: body.access_token, body: body.access_token, status: 200 })
})

t.test('the admin key is a client, too', async (t) => {
  t.match(await ask({ form: wanted, basic: ['admin', adminKey] }), {
    status: 200,
    body: { token_type: 'Bearer' },
  })
})

t.test('what a client does wrong is said in the words of RFC 6749', async (t) => {
  const revoker = await makeKey('revoker', { permissions: ['tokens:revoke'] })
  const narrow = await makeKey('narrow', { integrations: ['crm-*'] })
  const rows: readonly (readonly [string, Asked, number, string])[] = [
    ['no credentials', { form: wanted }, 401, 'invalid_client'],
    [
      'a wrong secret',
      { form: wanted, basic: [key.id, `${key.key.slice(0, -1)}_`] },
      401,
      'invalid_client',
    ],
    [
      'a wrong secret in the body',
      { form: { ...wanted, client_id: key.id, client_secret: 'wrong' } },
      400,
      'invalid_client',
    ],
    ['the id of another key', { form: wanted, basic: [narrow.id, key.key] }, 401, 'invalid_client'],
    ['an API key as the admin', { form: wanted, basic: ['admin', key.key] }, 401, 'invalid_client'],
    [
      'the admin key with an id',
      { form: wanted, basic: [key.id, adminKey] },
      401,
      'invalid_client',
    ],
    ['an id alone', { form: { ...wanted, client_id: key.id } }, 401, 'invalid_client'],
    [
      'Basic that is no Basic',
      { form: wanted, headers: { authorization: 'Basic !' } },
      401,
      'invalid_client',
    ],
    [
      'Basic without a colon',
      { form: wanted, headers: { authorization: `Basic ${btoa('x')}` } },
      401,
      'invalid_client',
    ],
    [
      'Basic with bad percent signs',
      { form: wanted, headers: { authorization: `Basic ${btoa('%zz:%')}` } },
      401,
      'invalid_client',
    ],
    [
      'a bearer key',
      { form: wanted, headers: { authorization: `Bearer ${key.key}` } },
      401,
      'invalid_client',
    ],
    [
      'another scheme, whatever stands in the body',
      {
        form: { ...wanted, client_id: key.id, client_secret: key.key },
        headers: { authorization: `Bearer ${key.key}` },
      },
      401,
      'invalid_client',
    ],
    [
      'two ways at once',
      { form: { ...wanted, client_secret: key.key }, basic },
      400,
      'invalid_request',
    ],
    [
      'two client ids',
      { form: { ...wanted, client_id: 'another1' }, basic },
      400,
      'invalid_request',
    ],
    [
      'a parameter twice',
      { form: `${new URLSearchParams(wanted)}&scope=integration:x`, basic },
      400,
      'invalid_request',
    ],
    [
      'another parameter twice',
      { form: `${new URLSearchParams(wanted)}&x=1&x=1`, basic },
      400,
      'invalid_request',
    ],
    ['no grant type', { form: { scope: wanted.scope }, basic }, 400, 'invalid_request'],
    ['an empty grant type', { form: { ...wanted, grant_type: '' }, basic }, 400, 'invalid_request'],
    [
      'JSON',
      { form: JSON.stringify(wanted), headers: { 'content-type': 'application/json' }, basic },
      400,
      'invalid_request',
    ],
    ['a large body', { form: { ...wanted, x: 'x'.repeat(70_000) }, basic }, 400, 'invalid_request'],
    [
      'another grant type',
      { form: { ...wanted, grant_type: 'password' }, basic },
      400,
      'unsupported_grant_type',
    ],
    ['no scope', { form: { grant_type: wanted.grant_type }, basic }, 400, 'invalid_scope'],
    [
      'two scopes',
      { form: { ...wanted, scope: 'integration:billing integration:x' }, basic },
      400,
      'invalid_scope',
    ],
    [
      'a scope without a kind',
      { form: { ...wanted, scope: 'billing' }, basic },
      400,
      'invalid_scope',
    ],
    [
      'an unknown integration',
      { form: { ...wanted, scope: 'integration:nowhere' }, basic },
      400,
      'invalid_scope',
    ],
    [
      'an integration of others',
      { form: wanted, basic: [narrow.id, narrow.key] },
      400,
      'invalid_scope',
    ],
    [
      'a key that reads no tokens',
      { form: wanted, basic: [revoker.id, revoker.key] },
      400,
      'unauthorized_client',
    ],
    [
      'a disabled integration',
      { form: { ...wanted, scope: 'integration:disabled' }, basic },
      400,
      'invalid_grant',
    ],
    ['a draft', { form: { ...wanted, scope: 'integration:draft' }, basic }, 400, 'invalid_grant'],
    [
      'an integration that Salesforce refuses',
      { form: { ...wanted, scope: 'integration:refused' }, basic },
      400,
      'invalid_grant',
    ],
  ]
  for (const [name, asked, status, error] of rows) {
    const answer = await ask(asked)
    t.match(answer, { status, body: { error } }, name)
    t.same(Object.keys(answer.body).sort(), ['error', 'error_description', 'error_uri'], name)
    t.match(answer.body.error_description, /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/, name)
    t.equal(answer.headers.get('cache-control'), 'no-store', name)
    t.match(answer.headers.get('content-type'), /^application\/json/, name)
    const challenge = answer.headers.get('www-authenticate')
    if (status === 401) t.match(challenge, /^Basic realm="valetkey"/, name)
    else t.equal(challenge, null, name)
    t.notMatch(JSON.stringify(answer.body), key.key.slice(12), name)
  }
})

t.test('the description has the code of the problem, and what to do', async (t) => {
  const disabled = await ask({ form: { ...wanted, scope: 'integration:disabled' }, basic })
  t.match(disabled.body.error_description, /^integration_disabled: .*\. .*enabled/)
  t.equal(disabled.body.error_uri, '/problems/integration_disabled')
  const page = await call('GET', disabled.body.error_uri)
  t.equal(page.status, 200)
  const draft = await ask({ form: { ...wanted, scope: 'integration:draft' }, basic })
  t.match(draft.body.error_description, /\. .*draft/, 'with the name of the integration')
  const refused = await ask({ form: { ...wanted, scope: 'integration:refused' }, basic })
  t.match(refused.body.error_description, /^grant_refused: .*Setup > /)
  const nobody = await ask({ form: wanted })
  t.match(nobody.body.error_description, /^caller_unauthenticated: .* as the client secret\.$/)
  const untold = await ask({ form: { grant_type: 'client_credentials' }, basic })
  t.match(untold.body, { error: 'invalid_scope', error_description: /Send scope=integration:NAME/ })
})

t.test('the answer says which token it is', async (t) => {
  const { body } = await ask({ form: wanted, basic })
  const same = await call('GET', '/tokens/billing')
  t.equal(body.token_id, same.body.token_id)
  t.match(body.id, /\/id\/00D\w{15}\/005\w{15}$/)
  t.equal(body.issued_at, String(Date.parse(same.body.issued_at)))
})

t.test('a rejected token is replaced', async (t) => {
  await lifeKnown(call, 'billing')
  const { body: dead } = await ask({ form: wanted, basic })
  simulator.endSessions({ clientId: app.clientId })
  const rejecting = { form: { ...wanted, rejected: dead.token_id }, basic }
  const { status, body } = await ask(rejecting)
  t.equal(status, 200, JSON.stringify(body))
  t.not(body.access_token, dead.access_token)
  t.equal((await ask(rejecting)).body.access_token, body.access_token, 'once for all')
  await lifeKnown(call, 'billing')
  const alive = await ask({ form: { ...wanted, rejected: body.token_id }, basic })
  t.match(alive, { status: 400, body: { error: 'invalid_grant' } })
  t.match(alive.body.error_description, /^token_still_live: /)
  const odd = await ask({ form: { ...wanted, rejected: 'odd' }, basic })
  t.match(odd, { status: 400, body: { error: 'invalid_request' } })
  t.match(odd.body.error_description, /token_id of the answer/)
})

t.test('parameters that look like a mistake or are in the URL are refused', async (t) => {
  for (const name of ['scopes', 'rejected_token', 'min_ttl']) {
    const { status, body } = await ask({ form: { ...wanted, [name]: 'x' }, basic })
    t.match({ status, body }, { status: 400, body: { error: 'invalid_request' } }, name)
    t.match(body.error_description, new RegExp(`no parameter ${name}`))
  }
  const response = await fetch(`${endpoint}?rejected=x`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(basic.join(':'))}` },
    body: new URLSearchParams(wanted),
  })
  t.match(await response.json(), { error: 'invalid_request', error_description: /in the query/ })
})

t.test('other unknown parameters are ignored, and empty ones are absent', async (t) => {
  const form = { ...wanted, resource: 'x', audience: '', client_secret: '' }
  t.equal((await ask({ form, basic })).status, 200)
})

t.test('where waiting helps, the answer says for how long', async (t) => {
  simulator.clear()
  const unreachable = { ...integration, login_url: 'http://127.0.0.1:9' }
  const other = await startBroker(t, { loginHosts: ['http://127.0.0.1:9'] })
  await other.call('PUT', '/integrations/down', { body: unreachable })
  const form = new URLSearchParams({
    ...wanted,
    scope: 'integration:down',
    client_id: 'admin',
    client_secret: other.adminKey,
  })
  const response = await fetch(`${other.url}/oauth/token`, { method: 'POST', body: form })
  t.equal(response.status, 503)
  t.ok(Number(response.headers.get('retry-after')) >= 1)
  t.match(await response.json(), { error: 'temporarily_unavailable' })
})

t.test('failures count for the address that they come from', async (t) => {
  const from = { 'x-forwarded-for': '203.0.113.77' }
  const statuses: number[] = []
  for (let round = 0; round < 25; round += 1) {
    const { status } = await ask({ form: wanted, basic: ['guess', `${round}`], headers: from })
    statuses.push(status)
  }
  t.same(statuses.slice(0, 20), Array(20).fill(401))
  t.same(new Set(statuses.slice(20)), new Set([429]))
  const blocked = await ask({ form: wanted, basic: ['guess', 'x'], headers: from })
  t.match(blocked.body, { error: 'temporarily_unavailable' })
  t.ok(Number(blocked.headers.get('retry-after')) >= 1)
  t.equal((await ask({ form: wanted, basic, headers: from })).status, 200, 'a valid one passes')
})

t.test('it is audited and counted like any other read', async (t) => {
  const { id } = await makeKey('audited')
  await call('DELETE', `/api-keys/${id}`)
  const reader = await makeKey('reader')
  t.equal((await ask({ form: wanted, basic: [reader.id, reader.key] })).status, 200)
  const reads = () =>
    broker
      .audit()
      .filter(({ action, principal }) => action === 'token.read' && principal === 'api-key:reader')
  await eventually(() => reads().length === 1)
  t.match(reads(), [{ integration: 'billing', outcome: 'success', token_id: String }])
  await ask({ form: { ...wanted, scope: 'integration:nowhere' }, basic: [id, 'vk_wrong'] })
  await eventually(() =>
    broker
      .audit()
      .some(
        ({ action, detail }) =>
          action === 'request.denied' && detail?.operation === 'postOAuthToken',
      ),
  )
})

t.test('another method is a problem, as everywhere', async (t) => {
  const { status, headers, body } = await ask({ method: 'GET' })
  t.equal(status, 405)
  t.equal(headers.get('allow'), 'POST')
  t.equal(body.code, 'method_not_allowed')
})
