import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startIssuer } from '../support/issuer.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins
const idp = await startIssuer()
t.teardown(() => idp.stop())
const requests = ['GET /services/data/*/query', 'POST /services/data/*/sobjects/Account/']
const folder = await mkdtemp(join(tmpdir(), 'valetkey-requests-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
const file = join(folder, 'valetkey.yaml')
await writeFile(
  file,
  stringify({
    issuers: [{ issuer: idp.issuer, audience: 'valetkey' }],
    callers: [
      {
        ...{ name: 'pod', match: { issuer: idp.issuer, subject: 'pod' }, requests },
        ...{ permissions: ['tokens:read'], integrations: ['billing'] },
      },
    ],
  }),
)
const broker = await startBroker(t, { loginHosts: [myDomain], env: { VALETKEY_CONFIG: file } })
const { call, url } = broker
const app = simulator.addClientCredentialsApp()
const integration = {
  login_url: myDomain,
  grant: { type: 'client_credentials', client_id: app.clientId },
  credential: { client_secret: app.clientSecret },
}
for (const name of ['billing', 'other', 'cold']) {
  await call('PUT', `/integrations/${name}`, { body: integration })
}
const made = await call('POST', '/api-keys', {
  body: {
    ...{ name: 'limited', permissions: ['tokens:read', 'api-keys:write'], requests },
    integrations: ['billing', 'cold'],
    max_expires_in: 60,
  },
})
const { key, id } = made.body
const whole = await call('POST', '/api-keys', {
  body: {
    name: 'whole',
    permissions: ['tokens:read'],
    integrations: ['billing'],
    max_expires_in: 60,
  },
})

const target = '/services/data/v66.0/query?q=SELECT+Id'
const pass = (
  headers: Readonly<Record<string, string>>,
  { method = 'GET', path = '/gateway/billing' } = {},
) => call(method, path, { key, headers })

const original = (method: string, uri: string) => ({
  'x-original-method': method,
  'x-original-uri': uri,
})
const forwarded = (method: string, uri: string) => ({
  'x-forwarded-method': method,
  'x-forwarded-uri': uri,
})
const refused = { status: 403, body: { code: 'request_not_allowed' } }

t.test('a key shows its limits', async (t) => {
  t.match(made, { status: 201, body: { requests, max_expires_in: 60 } })
  const { body } = await call('GET', '/api-keys')
  t.match(
    body.items.find((item: { readonly id: string }) => item.id === id),
    { permissions: ['tokens:read', 'api-keys:write'], requests, max_expires_in: 60 },
  )
})

t.test('a request passes that the key permits, however the gateway names it', async (t) => {
  t.match(await pass(original('GET', target)), { status: 200 })
  t.match(await pass(forwarded('GET', target)), { status: 200 })
  t.match(await pass({}, { path: `/gateway/billing${target}` }), { status: 200 })
  const create = '/services/data/v66.0/sobjects/Account'
  t.match(await pass({}, { method: 'POST', path: `/gateway/billing${create}` }), { status: 200 })
  t.match(await pass(original('GET', target), { path: '/gateway/cold' }), { status: 200 })
})

t.test('anything else is refused, and so is what the gateway does not name', async (t) => {
  const others = [
    {},
    original('DELETE', target),
    original('GET', '/services/data/v66.0/limits'),
    original('GET', '/services/data/v66.0/x/../query'),
    { 'x-original-uri': target },
    { 'x-original-method': 'GET' },
    { ...original('GET', target), 'x-forwarded-uri': target },
  ]
  for (const headers of others) t.match(await pass(headers), refused, JSON.stringify(headers))
  t.match(await pass({}, { method: 'DELETE', path: `/gateway/billing${target}` }), refused)
  t.match(
    await pass(original('GET', '/services/data/v66.0/limits'), { path: '/gateway/none' }),
    { status: 403, body: { code: 'caller_forbidden' } },
    'an integration that the key does not reach is refused as before',
  )
})

t.test('what the gateway names is looked at for limited keys alone', async (t) => {
  let looks = 0
  const watch = ({ headers }: IncomingMessage) => {
    const named = headers['x-original-method']
    const get = () => {
      looks += 1
      return named
    }
    Object.defineProperty(headers, 'x-original-method', { get })
  }
  broker.app.server.server.prependListener('request', watch)
  t.teardown(() => broker.app.server.server.off('request', watch))
  const headers = original('GET', target)
  t.match(await call('GET', '/gateway/billing', { key: whole.body.key, headers }), { status: 200 })
  t.equal(looks, 0)
  t.match(await pass(headers), { status: 200 })
  t.equal(looks, 1)
})

t.test('every request that is named must be permitted', async (t) => {
  const other = '/services/data/v66.0/limits'
  t.match(await pass({ ...original('GET', target), ...forwarded('GET', other) }), refused)
  t.match(await pass({ ...original('GET', other), ...forwarded('GET', target) }), refused)
  const path = `/gateway/billing${other}`
  t.match(await pass(original('GET', target), { path }), refused)
  t.match(await pass({ ...original('GET', target), ...forwarded('GET', target) }), { status: 200 })
})

t.test('no other door hands out the token to this key', async (t) => {
  t.match(await call('GET', '/tokens/billing', { key }), refused)
  const check = { key, body: { seen: { status: 401 } } }
  t.match(await call('POST', '/tokens/billing/check', check), { status: 403 })
  const form = { grant_type: 'client_credentials', scope: 'integration:billing' }
  const asOauth = async (client_id: string, client_secret: string) => {
    const body = new URLSearchParams({ ...form, client_id, client_secret })
    const answer = await fetch(`${url}/oauth/token`, { method: 'POST', body })
    return { status: answer.status, body: await answer.json() }
  }
  t.match(await asOauth(id, key), {
    status: 400,
    body: { error: 'unauthorized_client', error_description: /^request_not_allowed: / },
  })
  t.match(await asOauth(whole.body.id, whole.body.key), { status: 200, body: { expires_in: 60 } })
})

t.test('a key grants no more requests than it has', async (t) => {
  const grant = (change: object) =>
    call('POST', '/api-keys', {
      key,
      body: {
        ...{ name: `child-${Math.random().toString(36).slice(2)}`, permissions: ['tokens:read'] },
        ...{ integrations: ['billing'], ...change },
      },
    })
  t.match(await grant({}), { status: 403, body: { code: 'caller_forbidden' } })
  t.match(await grant({ requests: ['GET /services/data/*'] }), { status: 403 })
  t.match(await grant({ requests: requests.slice(0, 1) }), { status: 201 })
  t.match(await call('GET', '/whoami', { key }), {
    body: { permissions: [{ permission: 'tokens:read', requests }] },
  })
})

t.test('requests need tokens:read, and a form', async (t) => {
  const make = (change: object) =>
    call('POST', '/api-keys', {
      body: { name: 'odd', permissions: ['tokens:read'], integrations: ['*'], ...change },
    })
  t.match(await make({ permissions: ['integrations:read'], requests }), { status: 400 })
  t.match(await make({ requests: [] }), { status: 400 })
  t.match(await make({ requests: ['GET'] }), { status: 400 })
  t.match(await make({ requests: ['GET /a?b'] }), { status: 400 })
})

t.test('a refused request is audited', async (t) => {
  await pass({})
  await eventually(() =>
    broker.audit().some(({ detail }) => detail?.reason === 'request_not_allowed'),
  )
  t.pass()
})

t.test('no login URL hands a token to a key that is limited to requests', async (t) => {
  const token = (await call('GET', '/tokens/billing')).body.access_token
  const given = {
    client_credentials: { client_id: id, client_secret: key },
    password: { client_id: id, username: 'billing', password: key },
    refresh_token: { client_id: id, refresh_token: key },
  }
  for (const path of ['/login/billing/services/oauth2/token', '/services/oauth2/token']) {
    for (const [grant_type, form] of Object.entries(given)) {
      const scope = path.startsWith('/login') ? {} : { scope: 'integration:billing' }
      const body = new URLSearchParams({ grant_type, ...form, ...scope })
      const answer = await fetch(`${url}${path}`, { method: 'POST', body })
      const text = await answer.text()
      t.equal(answer.status, 400, `${grant_type} at ${path}: ${text}`)
      t.match(text, 'request_not_allowed', `${grant_type} at ${path}`)
      t.notMatch(text, token)
    }
  }
})

t.test('a caller of the configuration file is limited in the same way', async (t) => {
  const jwt = await idp.sign({ sub: 'pod' })
  await eventually(async () => (await call('GET', '/whoami', { key: jwt })).status === 200)
  const ask = (path: string, headers = {}) => call('GET', path, { key: jwt, headers })
  t.match(await ask('/gateway/billing', original('GET', target)), { status: 200 })
  t.match(await ask('/gateway/billing', original('GET', '/services/data/v66.0/limits')), refused)
  t.match(await ask('/gateway/billing'), refused)
  t.match(await ask('/tokens/billing'), refused)
})
