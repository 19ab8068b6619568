/** What a freeze stops besides the reads of callers, and whom it tells. */
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import {
  activeId,
  CREDENTIALS,
  deploy,
  deployable,
  deploymentOf,
  phaseIs,
  stageKey,
} from '../support/deployable.ts'
import { eventually } from '../support/eventually.ts'
import { decide } from '../support/salesforce-user.ts'
import { newWebhookSecret, startWebhookReceiver } from '../support/webhook-receiver.ts'
import { world as connectable } from './connecting-world.ts'

t.setTimeout(120_000)

const order = (more: object = {}) => ({
  body: { selector: { integrations: ['billing'] }, reason: 'tokens were stolen', ...more },
})

t.test('a deployment does not begin, and one that is under way waits', async (t) => {
  let offsetMs = 0
  const now = () => Date.now() + offsetMs
  const { broker, simulator } = await deployable(t, { simulator: { now }, broker: { now } })
  simulator.configure({ metadataDeploy: { durationMs: 60_000, outcome: 'Succeeded' } })
  const formerId = await activeId(broker)
  const id = await stageKey(broker)
  await deploy(broker, id)
  await phaseIs(broker, id, 'uploaded', 'deploying')
  const freeze = (await broker.call('POST', '/freezes', order({ revoke: false }))).body.id
  const logins = simulator.tokenRequests().length
  offsetMs += 120_000
  const waiting = await eventually(async () => {
    const deployment = await deploymentOf(broker, id)
    return deployment.reason === 'integration_frozen' && deployment
  })
  t.match(waiting, { failed_in: null, next_try_at: String })
  t.equal(await activeId(broker), formerId)
  t.match(
    await deploy(broker, formerId),
    { status: 409, body: { code: 'integration_frozen' } },
    'another one does not begin',
  )
  t.equal(simulator.tokenRequests().length, logins, 'nothing was minted')
  t.equal((await broker.call('DELETE', `/freezes/${freeze}`)).status, 204)
  offsetMs += 60_000
  await phaseIs(broker, id, 'activated')
  t.match(await broker.call('GET', `${CREDENTIALS}/${id}`), { body: { state: 'active' } })
})

t.test('a connection does not begin, and one that a person allowed is not kept', async (t) => {
  const { call, put, begin, read, open, simulator, state } = await connectable(t)
  await put()
  const { authorization_url: link, id } = (await begin('authorization_code')).body
  const freeze = (await call('POST', '/freezes', order())).body.id
  t.match(await begin('authorization_code'), {
    status: 409,
    body: { code: 'integration_frozen' },
  })
  t.match(await begin('device'), { status: 409, body: { code: 'integration_frozen' } })
  t.not((await open(link)).status, 200)
  t.match(await read(id), { status: 'failed', reason: 'integration_frozen' })
  await eventually(() => simulator.refreshTokens().every((one) => one.state !== 'current'))
  t.equal(await state(), 'not_connected')
  t.equal((await call('DELETE', `/freezes/${freeze}`)).status, 204)
  const again = (await begin('authorization_code')).body
  t.equal((await fetch(await decide(again.authorization_url))).status, 200)
})

t.test('a lease is not refreshed', async (t) => {
  let offsetMs = 0
  const now = () => Date.now() + offsetMs
  const simulator = await startSimulator({ now })
  t.teardown(() => simulator.stop())
  const { call } = await startBroker(t, { loginHosts: [simulator.origins.myDomain], now })
  const apps = new Map<string, string>()
  for (const name of ['billing', 'other']) {
    const app = simulator.addClientCredentialsApp({ name })
    apps.set(name, app.clientId)
    await call('PUT', `/integrations/${name}`, {
      body: {
        login_url: app.loginUrl,
        grant: { type: 'client_credentials', client_id: app.clientId },
        credential: { client_secret: app.clientSecret },
      },
    })
    t.equal((await call('GET', `/tokens/${name}`)).status, 200)
  }
  const mints = (name: string) =>
    simulator.tokenRequests().filter(({ clientId }) => clientId === apps.get(name)).length
  await call('POST', '/freezes', order({ revoke: false }))
  const { refresh_at: refreshAt } = (await call('GET', '/integrations/other')).body.status.lease
  offsetMs += Date.parse(refreshAt) - now() + 60_000
  await eventually(() => mints('other') === 2)
  t.equal(mints('billing'), 1)
})

t.test('a webhook tells of each freeze and of its end', async (t) => {
  const secret = newWebhookSecret()
  const receiver = await startWebhookReceiver(t, { secrets: [secret], path: '/hook' })
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const { call } = await startBroker(t, {
    loginHosts: [simulator.origins.myDomain],
    env: { VALETKEY_WEBHOOK_URL: receiver.url, VALETKEY_WEBHOOK_SECRET: secret },
  })
  const made = await call('POST', '/api-keys', {
    body: { name: 'security', permissions: ['service:manage'], integrations: ['*'] },
  })
  const { id: freeze } = (await call('POST', '/freezes', { ...order(), key: made.body.key })).body
  await eventually(() => receiver.received().length === 1)
  await call('DELETE', `/freezes/${freeze}`)
  await eventually(() => receiver.received().length === 2)
  t.same(receiver.faults(), [])
  t.same(
    receiver.received().map(({ type, data }) => ({ type, data })),
    [
      { type: 'freeze.created', data: { freeze, by: 'api-key:security' } },
      { type: 'freeze.lifted', data: { freeze, by: 'admin' } },
    ],
    'without an integration, and without the reason',
  )
})
