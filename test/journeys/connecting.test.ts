/** A person at Salesforce connects an integration: in a browser, with a device, again, and not any more. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type NewAppSeed, startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { readDocument } from '../support/document.ts'
import { eventually } from '../support/eventually.ts'
import { startFleet } from '../support/fleet.ts'
import { startFront } from '../support/front.ts'
import { decide, enterCode } from '../support/salesforce-user.ts'
import { scrape } from '../support/scrape.ts'
import { hasCommand, startShell } from '../support/shell.ts'

t.setTimeout(120_000)

const withoutCurl = hasCommand('curl') ? {} : { skip: 'curl is not on the PATH' }
const DAY_MS = 86_400_000

/** One broker behind a front, and an app that people can allow. */
async function world(t: Test, options: { readonly app?: NewAppSeed } = {}) {
  let aheadMs = 0
  const now = () => Date.now() + aheadMs
  const front = await startFront(t)
  const simulator = await startSimulator({ now, settings: { deviceIntervalMs: 1_000 } })
  t.teardown(() => simulator.stop())
  const app = simulator.addRefreshTokenApp({
    callbackUrls: [`${front.url}/oauth/callback`],
    deviceFlow: true,
    pkceRequired: true,
    refreshTokenRotation: true,
    ...options.app,
  })
  const broker = await startBroker(t, {
    loginHosts: [simulator.origins.myDomain],
    env: { VALETKEY_PUBLIC_URL: front.url, VALETKEY_METRICS_PORT: '1' },
    now,
  })
  front.turnTo(broker.url)
  const { call } = broker
  const put = (members: object = {}) =>
    call('PUT', '/integrations/billing', {
      body: {
        login_url: simulator.origins.myDomain,
        grant: { type: 'refresh_token', client_id: app.clientId },
        credential: { client_secret: app.clientSecret },
        ...members,
      },
    })
  const begin = (flow: string, more: object = {}, key?: string) =>
    call('POST', '/integrations/billing/connections', {
      body: { flow, ...more },
      ...(key !== undefined && { key }),
    })
  const read = async (id: string) =>
    (await call('GET', `/integrations/billing/connections/${id}`)).body
  /** The page that the browser shows in the end. */
  const open = async (authorizationUrl: string, options?: Parameters<typeof decide>[1]) =>
    fetch(await decide(authorizationUrl, options))
  const connect = async (options?: Parameters<typeof decide>[1]) => {
    const { body } = await begin('authorization_code')
    const page = await open(body.authorization_url, options)
    return { id: body.id as string, page, text: await page.text() }
  }
  const token = () => call('GET', '/tokens/billing')
  const state = async () => (await call('GET', '/integrations/billing')).body.status.state
  const pass = (ms: number) => {
    aheadMs += ms
  }
  return {
    front,
    simulator,
    app,
    broker,
    call,
    put,
    begin,
    read,
    open,
    connect,
    token,
    state,
    pass,
  }
}

/** A program as the document has it, with the names of this test. */
const substitute = (script: string, values: Readonly<Record<string, string>>) =>
  Object.entries(values).reduce((text, [found, value]) => text.replaceAll(found, value), script)

t.test('docs/connecting.md, command by command', withoutCurl, async (t) => {
  const { broker, simulator, app, token, state } = await world(t)
  const folder = t.testdir()
  await mkdir(join(folder, 'data'))
  await writeFile(join(folder, 'data/admin.key'), `${broker.adminKey}\n`)
  await writeFile(join(folder, 'id'), '')
  const document = readDocument('docs/connecting.md')
  const [names = ''] = document.blocks('sh')
  const run = async (script: string) => {
    const text = [names, 'id=$(cat id)', script, 'printf %s "$id" > id'].join('\n')
    const named = substitute(text, {
      'http://127.0.0.1:8080': broker.url,
      'https://acme.my.salesforce.com': simulator.origins.myDomain,
      '3MVG9_THE_CONSUMER_KEY': app.clientId,
      THE_CONSUMER_SECRET: app.clientSecret,
    })
    const shell = startShell(t, named, { cwd: folder })
    t.equal(await shell.ended, 0, shell.output())
    await shell.stop()
    return shell.stdout()
  }
  const [make = '', begin = '', see = ''] = document.blocks('sh', '## In a browser')
  t.match(await run(make), '"state":"not_connected"')
  const link = (await run(begin)).trim()
  t.match(link, /^http\S+\/services\/oauth2\/authorize\?\S+$/)
  const page = await fetch(await decide(link))
  t.equal(page.status, 200)
  t.match(await page.text(), 'billing is connected')
  const seen = await run(see)
  t.match(seen, '"status":"connected"')
  t.match(seen, '"access_token":"00D')
  const [disconnect = ''] = document.blocks('sh', '## Disconnecting')
  await run(disconnect)
  t.equal(await state(), 'not_connected')
  const [device = ''] = document.blocks('sh', '## Without a browser that reaches the broker')
  const [uri = '', code = ''] = (await run(device)).trim().split(' ')
  t.match(await enterCode(uri, code), /You’re connected/)
  await eventually(async () => (await token()).status === 200)
  t.match(await run(see), '"status":"connected"')
})

t.test('refuses what cannot be connected, and says how it could', async (t) => {
  const { call, put, begin, simulator } = await world(t)
  const problem = async (name: string, body: object = { flow: 'device' }) => {
    const answer = await call('POST', `/integrations/${name}/connections`, { body })
    t.match(answer.headers.get('content-type'), 'application/problem+json')
    return answer.body
  }
  t.match(await problem('nobody'), { code: 'integration_not_found' })
  await put({ grant: { type: 'refresh_token' }, credential: undefined })
  t.match(await problem('billing'), { code: 'integration_draft' })
  await call('DELETE', '/integrations/billing', { headers: { 'if-match': '*' } })
  await put({ enabled: false })
  t.match(await problem('billing'), { code: 'integration_disabled' })
  await call('PATCH', '/integrations/billing', {
    body: { enabled: true },
    headers: { 'if-match': '*' },
  })
  t.match(await problem('billing', { flow: 'banana' }), { code: 'request_invalid' })
  t.match(await problem('billing', { flow: 'device', scopes: ['a b'] }), {
    code: 'request_invalid',
  })
  simulator.refuseNext('app_not_installed')
  t.match(await problem('billing'), {
    code: 'grant_refused',
    refusal: { reason: 'app_not_installed' },
  })
  simulator.addFault({ kind: 'html' })
  t.match(await problem('billing'), { code: 'salesforce_unavailable' })
  const other = simulator.addClientCredentialsApp()
  await call('PUT', '/integrations/other', {
    body: {
      login_url: other.loginUrl,
      grant: { type: 'client_credentials', client_id: other.clientId },
      credential: { client_secret: other.clientSecret },
    },
  })
  t.match(await problem('other'), { code: 'request_invalid', detail: /client_credentials/ })
  t.match((await begin('device')).body.warning, /30 November 2026/)

  const nowhere = await startBroker(t, { loginHosts: [simulator.origins.myDomain] })
  await nowhere.call('PUT', '/integrations/billing', {
    body: {
      login_url: simulator.origins.myDomain,
      grant: { type: 'refresh_token', client_id: other.clientId },
    },
  })
  const answer = await nowhere.call('POST', '/integrations/billing/connections', {
    body: { flow: 'authorization_code' },
  })
  t.match(answer.body, { code: 'request_invalid', detail: /VALETKEY_PUBLIC_URL/ })
  t.equal((await fetch(`${nowhere.url}/oauth/callback?state=x&code=y`)).status, 400)
})

t.test('the callback is public, and gives nothing away', async (t) => {
  const { broker, put, begin, read, connect, front, simulator } = await world(t)
  await put()
  const { status, headers, body } = await begin('authorization_code', { scopes: ['api'] })
  t.equal(status, 201)
  t.equal(headers.get('location'), `/integrations/billing/connections/${body.id}`)
  t.equal(headers.get('cache-control'), 'no-store')
  const back = await decide(body.authorization_url)
  t.equal((await fetch(back, { method: 'HEAD' })).status, 405, 'what scans links finishes nothing')
  const shown = await read(body.id)
  t.match(shown, { status: 'pending', begun_by: 'admin', scopes: ['api', 'refresh_token'] })
  for (const secret of [body.authorization_url, back.searchParams.get('state')]) {
    t.notMatch(JSON.stringify(shown), secret)
  }
  const page = await fetch(back)
  t.equal(page.status, 200)
  t.match(Object.fromEntries(page.headers), {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': /^default-src 'none'/,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
  })
  t.match(await read(body.id), {
    status: 'connected',
    reason: null,
    refusal: null,
    identity: { org_id: /^00D/, user_id: /^005/, instance_url: simulator.origins.myDomain },
  })
  const hostile = ['', '?state=', '?state=a&state=b', '?error=<script>', `?state=${'x'.repeat(66)}`]
  for (const query of hostile) {
    const answer = await fetch(`${front.url}/oauth/callback${query}`)
    t.equal(answer.status, 400, query)
    t.notMatch(await answer.text(), /<script/)
  }
  t.equal((await fetch(back)).status, 400, 'once')
  t.match((await connect({ decision: 'deny' })).text, 'billing was denied access')
  const port = await broker.app.metrics?.listen({ host: '127.0.0.1', port: 0 })
  const { value } = await scrape(port ?? 0)
  for (const status of ['connected', 'denied']) {
    t.equal(value('valetkey_connections_total', { flow: 'authorization_code', status }), 1)
  }
  t.equal(value('valetkey_callbacks_refused_total'), hostile.length + 1)
  const said = broker.logs() + JSON.stringify(broker.audit())
  for (const name of ['state', 'code']) {
    const secret = back.searchParams.get(name) ?? ''
    t.ok(secret.length > 40)
    t.notMatch(said, secret, `${name} is in no log and no audit line`)
  }
})

t.test('connects again after it was lost, and not as somebody else', async (t) => {
  const { simulator, app, call, put, connect, read, token, state, pass, broker } = await world(t)
  await put()
  t.match((await token()).body, { code: 'integration_not_connected' })
  t.equal((await connect()).page.status, 200)
  t.equal((await token()).status, 200)

  // A sixth approval of the same user pushes the oldest out.
  for (let approval = 0; approval < 5; approval += 1) simulator.approve({ clientId: app.clientId })
  pass(DAY_MS)
  t.match((await token()).body, { code: 'integration_not_connected' })
  t.equal(await state(), 'not_connected')

  simulator.addUser({ username: 'mallory@acme.com', orgId: simulator.acme.id })
  simulator.updateApp(app.clientId, { permittedUsers: 'self_authorize' })
  const stranger = await connect({ username: 'mallory@acme.com' })
  t.equal(stranger.page.status, 400)
  t.match(stranger.text, /another Salesforce user/)
  t.match(await read(stranger.id), { status: 'failed', reason: 'identity_changed' })
  t.match((await token()).body, { code: 'integration_not_connected' })

  t.equal((await connect()).page.status, 200)
  const served = await token()
  t.equal(served.status, 200)
  const use = await fetch(`${served.body.instance_url}/services/data/v66.0/limits`, {
    headers: { authorization: `Bearer ${served.body.access_token}` },
  })
  t.equal(use.status, 200)

  t.equal((await call('DELETE', '/integrations/billing/connection')).status, 204)
  t.match((await token()).body, { code: 'integration_not_connected' })
  const dead = await fetch(`${served.body.instance_url}/services/data/v66.0/limits`, {
    headers: { authorization: `Bearer ${served.body.access_token}` },
  })
  t.equal(dead.status, 401, 'the access token went with the refresh token')
  t.equal((await call('DELETE', '/integrations/billing/connection')).status, 204, 'twice is once')
  const actions = broker
    .audit()
    .filter(({ action }) => /connect/.test(action))
    .map(({ action, principal }) => `${action} ${principal}`)
  t.strictSame(
    actions.filter((one) => one === 'integration.disconnected admin'),
    ['integration.disconnected admin'],
  )
  t.ok(actions.includes('connection.begun admin'))
  t.ok(actions.includes('integration.connected admin'))
  t.ok(actions.includes('connection.failed admin'))
})

t.test('a link is void once who began it lost the permission', async (t) => {
  const { call, put, begin, open, read } = await world(t)
  await put()
  const { body: key } = await call('POST', '/api-keys', {
    body: { name: 'ops', permissions: ['credentials:write'], integrations: ['bill*'] },
  })
  const { body } = await begin('authorization_code', {}, key.key)
  await call('DELETE', `/api-keys/${key.id}`)
  const page = await open(body.authorization_url)
  t.equal(page.status, 400)
  t.match(await read(body.id), {
    status: 'failed',
    reason: 'permission_lost',
    begun_by: 'api-key:ops',
  })
})

t.test('any replica finishes a link, and asks about a device whose replica died', async (t) => {
  const front = await startFront(t)
  const fleet = await startFleet(t, {
    replicas: 2,
    settings: { deviceIntervalMs: 1_000 },
    env: { VALETKEY_PUBLIC_URL: front.url },
  })
  const { simulator, call } = fleet
  front.turnTo(fleet.replica(1).url)
  const app = simulator.addRefreshTokenApp({
    callbackUrls: [`${front.url}/oauth/callback`],
    deviceFlow: true,
    refreshTokenRotation: true,
  })
  for (const name of ['web', 'device']) {
    const put = await call('PUT', `/integrations/${name}`, {
      body: {
        login_url: app.loginUrl,
        grant: { type: 'refresh_token', client_id: app.clientId },
        credential: { client_secret: app.clientSecret },
      },
    })
    t.equal(put.status, 201)
  }
  const web = await call('POST', '/integrations/web/connections', {
    body: { flow: 'authorization_code' },
  })
  t.equal((await fetch(await decide(web.body.authorization_url))).status, 200)
  t.equal((await call('GET', '/tokens/web')).status, 200)

  const { body } = await call('POST', '/integrations/device/connections', {
    body: { flow: 'device' },
  })
  const polls = () => simulator.tokenRequests().filter(({ form }) => form?.grant_type === 'device')
  await eventually(() => polls().length > 0)
  await fleet.replica(0).kill()
  const before = polls().length
  await eventually(() => polls().length > before, 60_000)
  await enterCode(body.verification_uri, body.user_code)
  const other = fleet.replica(1)
  const path = `/integrations/device/connections/${body.id}`
  await eventually(async () => (await other.call('GET', path)).body.status === 'connected')
  t.equal((await other.call('GET', '/tokens/device')).status, 200)
  const hasty = polls().filter(({ outcome }) => outcome?.error === 'slow_down')
  t.equal(hasty.length, 0, 'two replicas asked no more often than one may')
})
