import { request as httpRequest, METHODS } from 'node:http'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins
const broker = await startBroker(t, {
  loginHosts: [myDomain],
  env: { VALETKEY_TRUST_PROXY: '127.0.0.1/32' },
})
const { call, url, adminKey } = broker
const app = simulator.addClientCredentialsApp()
const integration = {
  login_url: myDomain,
  grant: { type: 'client_credentials', client_id: app.clientId },
  credential: { client_secret: app.clientSecret },
}
await call('PUT', '/integrations/billing', { body: integration })
await call('PUT', '/integrations/disabled', { body: { ...integration, enabled: false } })
const made = await call('POST', '/api-keys', {
  body: { name: 'gateway', permissions: ['tokens:read'], integrations: ['billing', 'disabled'] },
})
const key: string = made.body.key
const { body: token } = await call('GET', '/tokens/billing')

/** With any method, and any body: `fetch` takes neither. */
function send(
  method: string,
  path: string,
  headers: Readonly<Record<string, string | string[]>> = {},
  body?: string,
) {
  return new Promise<{
    readonly status: number
    readonly headers: Readonly<Record<string, unknown>>
    readonly body: string
  }>((resolve, reject) => {
    const sent = httpRequest(`${url}${path}`, { method, headers }, (answer) => {
      let text = ''
      answer.on('data', (chunk) => {
        text += chunk
      })
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

const bearer = { authorization: `Bearer ${key}` }
const passed = {
  status: 200,
  headers: {
    authorization: `Bearer ${token.access_token}`,
    'x-salesforce-instance-url': token.instance_url,
    'x-salesforce-instance-host': new URL(token.instance_url).host,
    'x-valetkey-token-id': token.token_id,
    'cache-control': 'no-store',
    'content-length': '0',
    'content-type': undefined,
  },
  body: '',
}

t.test('every method gets the token as a header and no body', async (t) => {
  // A client that sends CONNECT wants a tunnel.
  for (const method of METHODS.filter((one) => one !== 'CONNECT')) {
    t.match(await send(method, '/gateway/billing', bearer), passed, method)
    t.match(await send(method, '/gateway/billing/services/data', bearer), passed, method)
  }
})

t.test('what follows the name, the query, the body and its type are ignored', async (t) => {
  const below = [
    ...['/', '/services/data/v66.0/query', '//x/../y', '?min_ttl=no', '/a?rejected=x&x=%'],
    ...['/%', '/%zz?x=%', `/${'a'.repeat(9_000)}`, `?q=${'SELECT+'.repeat(1_200)}`],
  ]
  for (const path of below) {
    t.match(await send('GET', `/gateway/billing${path}`, bearer), passed, path)
  }
  for (const type of ['application/json', 'text/xml; charset=', 'a/b/c;;', '']) {
    const headers = { ...bearer, ...(type !== '' && { 'content-type': type }) }
    for (const path of ['/gateway/billing', '/gateway/billing/x']) {
      t.match(await send('POST', path, headers, '{"not": json'), passed, type)
      for (const method of ['DELETE', 'PROPFIND', 'QUERY']) {
        t.match(await send(method, path, headers, 'x'.repeat(100_000)), passed, method)
      }
      t.match(await send('POST', path, { ...headers, 'content-length': '0' }), passed, type)
    }
  }
})

t.test('each token is audited', async (t) => {
  const id = 'audited-at-the-gateway'
  t.match(await send('POST', '/gateway/billing/x', { ...bearer, 'x-request-id': id }), passed)
  const line = await eventually(() => broker.audit().find(({ request_id }) => request_id === id))
  t.match(line, { action: 'token.read', integration: 'billing', principal: 'api-key:gateway' })
})

t.test('the credential may stand in X-Valetkey-Authorization', async (t) => {
  const standIn = { 'x-valetkey-authorization': `Bearer ${key}` }
  t.match(await send('GET', '/gateway/billing', standIn), passed)
  const basic = { authorization: 'Basic YTpi' }
  t.match(await send('GET', '/gateway/billing', { ...standIn, ...basic }), passed)
  t.match(
    await send('GET', '/gateway/billing', { ...standIn, authorization: 'Bearer vk_wrong' }),
    { status: 401 },
    'Authorization comes first',
  )
  t.match(
    await send('GET', '/gateway/billing', {
      'x-valetkey-authorization': [`Bearer ${key}`, `Bearer ${adminKey}`],
    }),
    { status: 400 },
  )
  t.match(await send('GET', '/tokens/billing', standIn), { status: 401 }, 'at this door alone')
})

t.test('a refusal says its code and its status in headers, too', async (t) => {
  const refusals = [
    { path: '/gateway/disabled', headers: bearer, status: 409, code: 'integration_disabled' },
    { path: '/gateway/other/a/b', headers: bearer, status: 403, code: 'caller_forbidden' },
    { path: '/gateway/billing', headers: {}, status: 401, code: 'caller_unauthenticated' },
    { path: '/gateway/Not_A_Name', headers: bearer, status: 400, code: 'request_invalid' },
    {
      path: '/gateway/billing',
      headers: { ...bearer, 'x-valetkey-rejected': 'no id' },
      ...{ status: 400, code: 'request_invalid' },
    },
  ]
  for (const { path, headers, status, code } of refusals) {
    for (const method of ['GET', 'POST', 'PROPFIND', 'REPORT']) {
      const answer = await send(method, path, headers)
      const said = { 'x-valetkey-code': code, 'x-valetkey-status': String(status) }
      t.match(answer, { status, headers: { ...said, authorization: undefined } }, code)
      t.match(JSON.parse(answer.body), { code, status })

      const softened = await send(method, path, { ...headers, 'x-valetkey-refuse': '403' })
      t.match(softened, { status: status === 401 ? 401 : 403, headers: said }, code)
      t.match(JSON.parse(softened.body), { code, status })
    }
  }
})

t.test('a refusal by Salesforce says when to come back', async (t) => {
  const wrong = { ...integration, credential: { client_secret: 'a-wrong-secret-of-this-app' } }
  await call('PUT', '/integrations/refused', { body: wrong })
  const direct = await call('GET', '/tokens/refused')
  const answer = await send('GET', '/gateway/refused', {
    authorization: `Bearer ${adminKey}`,
    'x-valetkey-refuse': '403',
  })
  t.equal(answer.status, 403)
  t.equal(answer.headers['x-valetkey-status'], String(direct.status))
  t.equal(answer.headers['x-valetkey-code'], direct.body.code)
  t.equal(answer.headers['retry-after'] !== undefined, direct.headers.has('retry-after'))
})

t.test('a rejected token is replaced, and an empty header rejects none', async (t) => {
  const rejecting = (id: string) =>
    send('GET', '/gateway/billing', { ...bearer, 'x-valetkey-rejected': id })
  t.match(await rejecting(''), passed)
  simulator.endSessions()
  const { headers } = await rejecting(token.token_id)
  t.not(headers['x-valetkey-token-id'], token.token_id)
  t.not(headers.authorization, passed.headers.authorization)
  t.match(await rejecting(token.token_id), { headers: { authorization: headers.authorization } })
})

t.test('there is no door without a name', async (t) => {
  t.match(await send('GET', '/gateway', bearer), { status: 404 })
  t.match(await send('GET', '/gateway/', bearer), { status: 400 })
  t.match(await send('GET', '/gateway//billing', bearer), { status: 404 })
})
