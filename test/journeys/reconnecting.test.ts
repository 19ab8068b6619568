/** An integration that was connected: again, as somebody else, not any more, and in a fleet. */
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import { startFleet } from '../support/fleet.ts'
import { startFront } from '../support/front.ts'
import { decide, enterCode } from '../support/salesforce-user.ts'
import { newSigningKey } from '../support/signing-key.ts'
import { world } from './connecting-world.ts'

t.setTimeout(120_000)

const DAY_MS = 86_400_000

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
  const use = await fetch(`${served.body.instance_url}/services/data/v66.0/`, {
    headers: { authorization: `Bearer ${served.body.access_token}` },
  })
  t.equal(use.status, 200)

  t.equal((await call('DELETE', '/integrations/billing/connection')).status, 204)
  t.match((await token()).body, { code: 'integration_not_connected' })
  const dead = await fetch(`${served.body.instance_url}/services/data/v66.0/`, {
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

t.test(
  'each way in which an app proves itself connects, and so does an app that need not',
  async (t) => {
    const { call, put, app, connect, begin, token, simulator } = await world(t)
    const { privateKey, certificate } = await newSigningKey()
    simulator.updateApp(app.clientId, { certificatePem: certificate })
    const grant = { type: 'refresh_token', client_id: app.clientId }
    const secret = { client_secret: app.clientSecret }
    const key = { private_key: privateKey, certificate }
    const ways = {
      client_secret_basic: { grant, credential: secret },
      client_secret_post: {
        grant: { ...grant, client_auth: 'client_secret_post' },
        credential: secret,
      },
      private_key_jwt: { grant: { ...grant, client_auth: 'private_key_jwt' }, credential: key },
      nothing: { grant, credential: undefined },
    }
    for (const [way, members] of Object.entries(ways)) {
      if (way === 'nothing') {
        const open = { secretRequiredForCode: false, secretRequiredForRefresh: false }
        simulator.updateApp(app.clientId, open)
      }
      t.equal((await put(members)).status, 201, way)
      simulator.clear()
      t.equal((await connect()).page.status, 200, way)
      const { form = {}, headers = {} } =
        simulator.tokenRequests().find((one) => one.form?.grant_type === 'authorization_code') ?? {}
      t.equal(headers.authorization !== undefined, way === 'client_secret_basic', way)
      t.equal(form.client_secret !== undefined, way === 'client_secret_post', way)
      t.equal(form.client_assertion !== undefined, way === 'private_key_jwt', way)
      t.equal((await token()).status, 200, way)

      const { body } = await begin('device')
      await enterCode(body.verification_uri, body.user_code)
      const path = `/integrations/billing/connections/${body.id}`
      await eventually(async () => (await call('GET', path)).body.status === 'connected')
      t.equal((await token()).status, 200, `${way}, by a device`)
      await call('DELETE', '/integrations/billing', { headers: { 'if-match': '*' } })
    }
  },
)

t.test(
  'a former refresh token ends with a new connection, and with a disconnection later on',
  async (t) => {
    const { call, put, connect, token, simulator, pass } = await world(t)
    await put()
    await connect()
    const first = (await token()).body.access_token
    await connect()
    const second = (await token()).body.access_token
    t.not(first, second)
    const alive = () => simulator.sessions().map((session) => session.token)
    t.notOk(alive().includes(first), 'the former one and all that came from it')
    t.ok(alive().includes(second))
    const outage = simulator.addFault({ kind: 'html', endpoint: 'revoke', times: null })
    t.equal((await call('DELETE', '/integrations/billing/connection')).status, 204)
    t.match((await token()).body, { code: 'integration_not_connected', reason: 'disconnected' })
    t.ok(alive().includes(second), 'Salesforce was not to be reached')
    outage.remove()
    pass(60_000)
    await eventually(() => !alive().includes(second))
  },
)

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

t.test('what comes for an integration that was removed meanwhile is given back', async (t) => {
  const { simulator, call, put, begin, open } = await world(t)
  await put()
  const live = () => simulator.refreshTokens().filter((one) => one.state === 'current')
  const { body } = await begin('authorization_code')
  const held = simulator.addFault({ kind: 'hold', endpoint: 'token' })
  const page = open(body.authorization_url)
  t.ok(await eventually(() => held.holding() === 1))
  const removed = await call('DELETE', '/integrations/billing', { headers: { 'if-match': '*' } })
  t.equal(removed.status, 204)
  held.remove()
  const { status } = await page
  t.equal(status, 400, 'it is not connected')
  t.strictSame(live(), [])
})
