/** Events for people: one an edge for the whole fleet, signed, delivered at least once, without a secret. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { freePort, startRedis } from '../support/redis.ts'
import { scrape } from '../support/scrape.ts'
import { newSigningKey } from '../support/signing-key.ts'
import { newWebhookSecret, startWebhookReceiver } from '../support/webhook-receiver.ts'

t.setTimeout(120_000)

const MINUTE_MS = 60_000
const [former, current] = [newWebhookSecret(), newWebhookSecret()]
/** As the services have it that take webhooks. */
const path = `/hook/${newAdminKey()}`
const labels = { environment: 'production', owner: 'team-billing' }

/** A clock that is ahead is no clock to verify by. */
async function start(t: Test, secrets: readonly string[] = [former, current]) {
  const receiver = await startWebhookReceiver(t, { secrets, path })
  const env = {
    VALETKEY_WEBHOOK_URL: receiver.url,
    VALETKEY_WEBHOOK_SECRET: `${former},${current}`,
    VALETKEY_PUBLIC_URL: 'https://valetkey.example.com',
  }
  const types = () => receiver.received().map(({ type }) => type)
  /** So many have come by now, and there are no more. */
  const come = async (...expected: readonly string[]) => {
    await eventually(() => types().length >= expected.length)
    t.same(types(), expected)
    t.same(receiver.faults(), [])
    return receiver.received().at(-1)
  }
  return { receiver, env, come }
}

t.test('a refusal, its end, and a flip are told once each, whoever finds out', async (t) => {
  const { receiver, env, come } = await start(t)
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const options = {
    loginHosts: [simulator.origins.myDomain],
    redisUrl: redis.url,
    keyring: generateKeyring(Date.now()).reveal(),
    adminKey: newAdminKey(),
    env,
  }
  const replicas = [await startBroker(t, options), await startBroker(t, options)]
  const [one] = replicas
  if (!one) throw new Error('no replica')
  const app = simulator.addClientCredentialsApp()
  const put = await one.call('PUT', '/integrations/billing', {
    body: {
      login_url: app.loginUrl,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
      labels,
    },
  })
  t.equal(put.status, 201)
  const refusal = simulator.refuseNext('user_inactive', { times: 100 })
  const everybodyAsks = async (status: number) => {
    const asked = replicas.flatMap(({ call }) =>
      Array.from({ length: 5 }, () => call('GET', '/tokens/billing')),
    )
    for (const answer of await Promise.all(asked)) t.equal(answer.status, status)
  }
  /** What was remembered of it is forgotten, so that Salesforce is asked again. */
  const touch = async (description: string) => {
    const headers = { 'if-match': '*' }
    const { call } = one
    const { status } = await call('PATCH', '/integrations/billing', {
      body: { description },
      headers,
    })
    t.equal(status, 200)
  }
  await everybodyAsks(424)
  const refused = await come('integration.refused')
  t.match(refused?.data, {
    integration: 'billing',
    labels,
    url: 'https://valetkey.example.com/integrations/billing',
    refusal: { reason: 'user_inactive', cause: String, remedy: String },
  })
  await touch('refused again')
  await everybodyAsks(424)
  refusal.remove()
  await touch('mended')
  await everybodyAsks(200)
  const recovered = await come('integration.refused', 'integration.recovered')
  t.match(recovered?.data, {
    integration: 'billing',
    was: { state: 'refused', reason: 'user_inactive', since: String },
  })
  t.ok(simulator.tokenRequests().length >= 3, 'Salesforce was asked in between')

  const staged = await one.call('POST', '/integrations/billing/credentials', {
    body: { client_secret: 'another-secret-of-the-app' },
  })
  t.equal(staged.status, 201)
  const { id } = staged.body
  const activated = await one.call('POST', `/integrations/billing/credentials/${id}/activate`, {
    body: { prove: false },
  })
  t.equal(activated.status, 200)
  const flip = await come('integration.refused', 'integration.recovered', 'credential.activated')
  t.match(flip?.data, { by: 'admin', credential: { id, type: 'client_secret' } })

  await Promise.all(replicas.map(({ stop }) => stop()))
  t.equal(receiver.received().length, 3)
  const sent = receiver.received().map(({ text }) => text)
  const logs = replicas.map((replica) => replica.logs())
  for (const text of [...sent, ...logs]) {
    for (const secret of [app.clientSecret, 'another-secret', former, current, path, '00D']) {
      t.notOk(text.includes(secret))
    }
  }
})

t.test('what could not be delivered waits in the store for whoever comes', async (t) => {
  const { receiver, env, come } = await start(t)
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-webhooks-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const keyring = generateKeyring(Date.now()).reveal()
  const adminKey = newAdminKey()
  const shared = { loginHosts: [], dataDir, keyring, adminKey }
  const quiet = await startBroker(t, shared)
  const { privateKey, certificate } = await newSigningKey('soon', 10)
  const put = await quiet.call('PUT', '/integrations/soon', {
    body: {
      login_url: 'https://acme.my.salesforce.com',
      grant: { type: 'jwt_bearer', client_id: '3MVG9.expiring', username: 'billing@acme.com' },
      credential: { private_key: privateKey, certificate },
    },
  })
  t.equal(put.status, 201)
  await quiet.stop()

  const elsewhere = await startWebhookReceiver(t, { secrets: [], path: '/' })
  receiver.answer(302, { location: elsewhere.url })
  const port = await freePort()
  const troubled = await startBroker(t, {
    ...shared,
    env: { ...env, VALETKEY_METRICS_PORT: String(port) },
  })
  await troubled.app.metrics?.listen({ host: '127.0.0.1', port })
  await eventually(() => /webhooks cannot be delivered/.test(troubled.logs()))
  t.match(troubled.logs(), /"why":"status 302"/)
  const { value, text } = await scrape(port)
  t.ok((value('valetkey_webhook_attempts_total', { outcome: 'failed' }) ?? 0) >= 1)
  t.equal(value('valetkey_webhooks_waiting'), 1)
  t.notOk(text.includes(path))
  await troubled.stop()
  t.same(elsewhere.attempts(), [], 'no redirect is followed')
  t.notOk(troubled.logs().includes(path))

  receiver.answer(204)
  const later = await startBroker(t, { ...shared, env, now: () => Date.now() + MINUTE_MS })
  const event = await come('certificate.expiring')
  t.match(event?.data, {
    integration: 'soon',
    days: 14,
    credential: { type: 'certificate', not_after: String, fingerprint_sha256: String },
  })
  t.same(new Set(receiver.attempts()), new Set([event?.id]), 'the same event, however often')
  await later.stop()

  const again = await startBroker(t, { ...shared, env, now: () => Date.now() + 5 * MINUTE_MS })
  await again.call('GET', '/integrations')
  await again.stop()
  t.equal(receiver.received().length, 1, 'and never again')
})

t.test('another identity is told, and the way back', async (t) => {
  const { env, come } = await start(t, [])
  let aheadMs = 0
  const now = () => Date.now() + aheadMs
  const simulator = await startSimulator({ now })
  t.teardown(() => simulator.stop())
  const { call } = await startBroker(t, {
    loginHosts: [simulator.origins.myDomain],
    now,
    env,
  })
  const other = simulator.addUser({ username: 'other@acme.com' })
  const app = simulator.addClientCredentialsApp({
    approvedUsernames: ['billing@acme.com', 'other@acme.com'],
  })
  await call('PUT', '/integrations/billing', {
    body: {
      login_url: app.loginUrl,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    },
  })
  const first = await call('GET', '/tokens/billing')
  t.equal(first.status, 200)
  simulator.updateApp(app.clientId, { runAsUsername: 'other@acme.com' })
  aheadMs += 130 * MINUTE_MS
  t.equal((await call('GET', '/tokens/billing')).status, 424)
  t.equal((await call('GET', '/tokens/billing')).status, 424)
  const changed = await come('integration.identity_changed')
  t.match(changed?.data, {
    integration: 'billing',
    expected: { org_id: first.body.org_id, user_id: first.body.user_id },
    seen: { user_id: other.id },
  })
  await call('POST', '/integrations/billing/identity', { body: { accept: true } })
  t.equal((await call('GET', '/tokens/billing')).status, 200)
  const recovered = await come('integration.identity_changed', 'integration.recovered')
  t.match(recovered?.data.was, { state: 'identity_changed' })
})

t.test('a refresh token that works no more is told, and no more than that', async (t) => {
  const { env, come } = await start(t, [])
  let aheadMs = 0
  const now = () => Date.now() + aheadMs
  const simulator = await startSimulator({ now })
  t.teardown(() => simulator.stop())
  const loginHosts = [simulator.origins.myDomain]
  const { call, stop } = await startBroker(t, { loginHosts, now, env })
  const app = simulator.addRefreshTokenApp({
    refreshTokenRotation: true,
    refreshTokenIdleMs: 24 * 60 * MINUTE_MS,
  })
  const { refreshToken } = simulator.approve({ clientId: app.clientId })
  await call('PUT', '/integrations/crm', {
    body: {
      login_url: app.loginUrl,
      grant: { type: 'refresh_token', client_id: app.clientId },
      credential: { refresh_token: refreshToken, client_secret: app.clientSecret },
    },
  })
  t.equal((await call('GET', '/tokens/crm')).status, 200)
  aheadMs += 48 * 60 * MINUTE_MS
  for (let asked = 0; asked < 5; asked += 1) {
    t.equal((await call('GET', '/tokens/crm')).status, 409)
  }
  const event = await come('integration.not_connected')
  t.match(event?.data, { integration: 'crm', reason: 'refresh_token_refused' })
  await stop()
  await come('integration.not_connected')
})

t.test(
  'what is unusual about callers is told once for the fleet, and not without watch',
  async (t) => {
    const { receiver, env } = await start(t, [])
    let aheadMs = 0
    const now = () => Date.now() + aheadMs
    const simulator = await startSimulator({ now })
    t.teardown(() => simulator.stop())
    const redis = await startRedis()
    t.teardown(() => redis.stop())
    const options = {
      ...{ loginHosts: [simulator.origins.myDomain], redisUrl: redis.url, now },
      ...{ keyring: generateKeyring(Date.now()).reveal(), adminKey: newAdminKey() },
      env: { ...env, VALETKEY_TRUST_PROXY: '127.0.0.1/32', VALETKEY_METRICS_PORT: '1' },
    }
    const replicas = [await startBroker(t, options), await startBroker(t, options)]
    const [one] = replicas
    if (!one) throw new Error('no replica')
    const app = simulator.addClientCredentialsApp()
    const put = await one.call('PUT', '/integrations/billing', {
      body: {
        login_url: app.loginUrl,
        grant: { type: 'client_credentials', client_id: app.clientId },
        credential: { client_secret: app.clientSecret },
      },
    })
    t.match(put, { status: 201, body: { watch: true } })
    const keyOf = async (name: string): Promise<string> => {
      const body = { name, permissions: ['tokens:read'], integrations: ['billing'] }
      return (await one.call('POST', '/api-keys', { body })).body.key
    }
    const [known, stolen, later] = [await keyOf('a'), await keyOf('b'), await keyOf('c')]
    const read = async (key: string | undefined, address: string) => {
      for (const { call } of replicas) {
        const answer = await call('GET', '/tokens/billing', {
          key: key ?? '',
          headers: { 'x-forwarded-for': address },
        })
        t.equal(answer.status, 200)
      }
    }
    /** Each replica writes what it counted. */
    const settle = () =>
      Promise.all(replicas.map(({ call }) => call('GET', '/integrations/billing/callers')))
    await read(known, '192.0.2.1')
    await settle()
    aheadMs += 26 * 60 * MINUTE_MS
    await read(known, '192.0.2.77')
    await read(known, '198.51.100.7')
    await read(stolen, '192.0.2.1')
    await settle()
    await eventually(() => receiver.received().length >= 2)
    await read(known, '198.51.100.9')
    const patch = { body: { watch: false }, headers: { 'if-match': '*' } }
    // Each replica knows at once what it wrote itself.
    for (const { call } of replicas) {
      t.match(await call('PATCH', '/integrations/billing', patch), { body: { watch: false } })
    }
    await read(later, '203.0.113.9')
    await settle()
    const got = receiver
      .received()
      .map(({ type, data: { integration, by } }) => [type, integration, by])
    t.strictSame(got.toSorted(), [
      ['caller.new', 'billing', 'api-key:b'],
      ['caller.new_network', 'billing', 'api-key:a'],
    ])
    const { body } = await one.call('GET', '/audit?principal=api-key:a&action=caller.new_network')
    t.match(body.items, [{ integration: 'billing', detail: { network: /^[\w-]{16}$/ } }])
    t.equal(body.items.length, 1)
    let counted = 0
    for (const { app: replica } of replicas) {
      const port = (await replica.metrics?.listen({ host: '127.0.0.1', port: 0 })) ?? 0
      counted += (await scrape(port)).value('valetkey_unusual_total') ?? 0
    }
    t.equal(counted, 2)
  },
)
