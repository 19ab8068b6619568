import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import type { AuditEvent } from '../../src/audit/event.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { startRedis } from '../support/redis.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const redis = await startRedis()
t.teardown(() => redis.stop())
const { myDomain } = simulator.origins
const ANY = { 'if-match': '*' }

const integrationFor = ({
  clientId,
  clientSecret,
}: {
  clientId: string
  clientSecret: string
}) => ({
  login_url: myDomain,
  grant: { type: 'client_credentials', client_id: clientId },
  credential: { client_secret: clientSecret },
})

const ENGINES = { embedded: {}, redis: { redisUrl: redis.url } }
let brokers = 0

for (const [engine, options] of Object.entries(ENGINES)) {
  const start = async (t: Test, env = {}) => {
    brokers += 1
    const broker = await startBroker(t, {
      loginHosts: [myDomain],
      redisPrefix: `audit-${brokers}:`,
      ...options,
      env,
    })
    const actions = (events: readonly AuditEvent[]) => events.map(({ action }) => action)
    const stored = async (query = '') => (await broker.call('GET', `/audit${query}`)).body.items
    return { ...broker, actions, stored }
  }

  t.test(`${engine}: the life of an integration, event by event`, async (t) => {
    const app = simulator.addClientCredentialsApp()
    const body = integrationFor(app)
    const { call, audit, actions, stored } = await start(t)
    await call('PUT', '/integrations/billing', { body, headers: { 'x-request-id': 'made' } })
    await call('PUT', '/integrations/billing', { body })
    await call('PATCH', '/integrations/billing', {
      body: { description: 'x' },
      headers: ANY,
    })
    const token = await call('GET', '/tokens/billing', { headers: { 'x-request-id': 'first' } })
    await call('GET', '/tokens/billing', { headers: { 'x-request-id': 'second' } })
    await call('DELETE', '/tokens/billing')
    await call('DELETE', '/integrations/billing', { headers: ANY })

    t.strictSame(actions(audit()), [
      'service.started',
      'integration.created',
      'credential.activated',
      'integration.changed',
      'token.minted',
      'token.read',
      'token.read',
      'token.revoked',
      'integration.deleted',
    ])
    const by = { principal: 'admin', integration: 'billing', outcome: 'success' }
    const { token_id } = token.body
    t.match(audit()[1], { ...by, request_id: 'made' })
    t.match(audit()[4], { ...by, request_id: 'first', token_id })
    t.match(audit()[5], { ...by, request_id: 'first', token_id })
    t.match(audit()[6], { ...by, request_id: 'second', token_id })
    t.match(audit()[7], { ...by, token_id })

    await eventually(async () => (await stored()).length === 7)
    t.strictSame(
      await stored(),
      audit()
        .filter(({ action }) => action !== 'token.read')
        .toReversed(),
      'the store has the same, without reads, newest first',
    )
    t.match(await stored('?action=token.minted&limit=1'), [{ token_id }])

    const text = JSON.stringify(audit())
    for (const secret of [token.body.access_token, app.clientSecret]) t.notOk(text.includes(secret))
  })

  t.test(`${engine}: a refusal by Salesforce, with its reason`, async (t) => {
    const app = simulator.addClientCredentialsApp()
    const { call, audit } = await start(t)
    const body = integrationFor({ ...app, clientSecret: 'wrong' })
    await call('PUT', '/integrations/billing', { body })
    const refused = await call('GET', '/tokens/billing')
    t.equal(refused.body.code, 'grant_refused')
    await eventually(() => audit().at(-1)?.action === 'token.refused')
    t.match(audit().at(-1), {
      action: 'token.refused',
      outcome: 'refused',
      principal: 'admin',
      integration: 'billing',
      detail: { reason: refused.body.refusal.reason },
    })
  })

  t.test(`${engine}: a token that another integration holds is not revoked`, async (t) => {
    const app = simulator.addClientCredentialsApp()
    const { call, audit } = await start(t)
    for (const name of ['one', 'two']) {
      await call('PUT', `/integrations/${name}`, { body: integrationFor(app) })
      t.equal((await call('GET', `/tokens/${name}`)).status, 200)
    }
    await call('DELETE', '/integrations/one', { headers: ANY })
    t.match(audit().slice(-2), [
      { action: 'token.revoked', integration: 'one', outcome: 'skipped_shared' },
      { action: 'integration.deleted', integration: 'one' },
    ])
    await call('DELETE', '/tokens/two')
    t.match(audit().at(-1), { action: 'token.revoked', integration: 'two', outcome: 'success' })
  })

  t.test(`${engine}: denied requests, the anonymous ones once`, async (t) => {
    const { call, audit, stored } = await start(t)
    for (let index = 0; index < 5; index += 1) {
      t.equal((await call('GET', '/tokens/billing', { key: null })).status, 401)
    }
    const denied = () => audit().filter(({ action }) => action === 'request.denied')
    await eventually(() => denied().length > 0)
    t.match(denied(), [
      {
        principal: null,
        integration: null,
        outcome: 'denied',
        detail: { reason: 'caller_unauthenticated', operation: 'getToken', address: '127.0.0.1' },
      },
    ])
    await eventually(async () => (await stored('?action=request.denied')).length === 1)
    t.equal((await call('GET', '/audit', { key: null })).status, 401)
    t.equal((await call('GET', '/audit?action=no.such')).status, 400)
    t.equal((await call('GET', '/audit?cursor=bm8')).status, 400)
  })

  t.test(`${engine}: who fetched tokens, and how often`, async (t) => {
    const { call } = await start(t)
    const body = integrationFor(simulator.addClientCredentialsApp())
    await call('PUT', '/integrations/billing', { body })
    t.match((await call('GET', '/integrations/billing/callers')).body, {
      items: [],
      next_cursor: null,
    })
    for (let index = 0; index < 7; index += 1) await call('GET', '/tokens/billing')
    const { status, body: callers } = await call('GET', '/integrations/billing/callers')
    t.equal(status, 200)
    t.match(callers.items, [{ principal: 'admin', count: 7, first_at: /Z$/, last_at: /Z$/ }])
    t.equal((await call('GET', '/integrations/nobody/callers')).status, 404)
  })

  t.test(`${engine}: in strict mode the line is there before the answer`, async (t) => {
    const { call, audit } = await start(t, { VALETKEY_AUDIT: 'strict' })
    const body = integrationFor(simulator.addClientCredentialsApp())
    await call('PUT', '/integrations/billing', { body })
    for (const id of ['a', 'b', 'c']) {
      await call('GET', '/tokens/billing', { headers: { 'x-request-id': id } })
      t.match(audit().at(-1), { action: 'token.read', request_id: id })
    }
  })
}

t.test('a hit writes nothing to the store, and two replicas count together', async (t) => {
  const options = {
    loginHosts: [myDomain],
    redisUrl: redis.url,
    redisPrefix: 'audit-shared:',
    keyring: generateKeyring(Date.now()).reveal(),
    adminKey: newAdminKey(),
  }
  const one = await startBroker(t, options)
  const two = await startBroker(t, options)
  const body = integrationFor(simulator.addClientCredentialsApp())
  await one.call('PUT', '/integrations/billing', { body })
  for (const { call } of [one, two]) t.equal((await call('GET', '/tokens/billing')).status, 200)
  await lifeKnown(one.call, 'billing')

  const client = new Redis(redis.url)
  t.teardown(() => client.disconnect())
  const writes = async () => {
    const stats = await client.info('commandstats')
    const calls = [...stats.matchAll(/cmdstat_(evalsha|eval|set|hset|zadd|xadd):calls=(\d+)/g)]
    return calls.reduce((sum, [, , count]) => sum + Number(count), 0)
  }
  /** By the same number of requests, so that the clock has had its commands in both for as long. */
  const writesWhile = async (path: string) => {
    const before = await writes()
    for (let index = 0; index < 150; index += 1) {
      for (const { call } of [one, two]) t.equal((await call('GET', path)).status, 200)
    }
    return (await writes()) - before
  }
  const ofTheClock = await writesWhile('/livez')
  const ofHits = (await writesWhile('/tokens/billing')) - ofTheClock
  t.ok(ofHits < 30, `300 hits came with ${ofHits} commands more than 300 that ask nothing`)

  await one.call('GET', '/integrations/billing/callers')
  const { items } = (await two.call('GET', '/integrations/billing/callers')).body
  t.match(items, [{ principal: 'admin', count: 302 }])
  await eventually(async () => {
    const started = await one.call('GET', '/audit?action=service.started')
    return started.body.items.length === 2
  })
})
