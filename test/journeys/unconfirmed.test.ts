/** Changes that Redis has and its replicas do not confirm: done whole, and said so. */
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, startReplica } from '../support/redis.ts'
import { newSigningKey } from '../support/signing-key.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const redis = await startRedis()
t.teardown(() => redis.stop())
const copy = await startReplica({ master: redis })
t.teardown(() => copy.stop())

const shared = {
  loginHosts: [simulator.origins.myDomain],
  redisUrl: redis.url,
  keyring: generateKeyring(Date.now()).reveal(),
  adminKey: newAdminKey(),
  env: { VALETKEY_REDIS_WAIT: '1' },
}
const broker = await startBroker(t, shared)
const other = await startBroker(t, shared)
const { call } = broker

const { privateKey: private_key, certificate } = await newSigningKey()
const app = simulator.addJwtApp({ certificatePem: certificate })
const body = {
  login_url: simulator.origins.myDomain,
  grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
  credential: { private_key, certificate },
}
const WRITTEN = {
  status: 503,
  body: {
    code: 'store_unavailable',
    written: true,
    detail: /^Written, not confirmed: .* 0 of the 1 replicas/,
    remedy: /safe to repeat the request/,
  },
}
const auditedOnce = (action: string, count: number) =>
  eventually(() => {
    const lines = broker.audit().filter((event) => event.action === action)
    return lines.length === count && lines.every(({ outcome }) => outcome === 'success')
  })

t.test('a change that no replica confirms is made, announced, audited, and said so', async (t) => {
  t.equal((await call('PUT', '/integrations/before', { body })).status, 201)
  await copy.kill('SIGSTOP')
  t.teardown(() => copy.kill('SIGCONT'))

  t.match(await call('PUT', '/integrations/orders', { body }), WRITTEN)
  await auditedOnce('integration.created', 2)
  t.equal((await call('GET', '/tokens/orders')).status, 200, 'it is in effect')
  await eventually(async () => (await other.call('GET', '/integrations/orders')).status === 200)

  const staged = await call('POST', '/integrations/orders/credentials', { body: { generate: {} } })
  t.match(staged, WRITTEN)
  await auditedOnce('credential.staged', 1)
  const { items } = (await call('GET', '/integrations/orders/credentials')).body
  t.equal(items.filter(({ state }: { state: string }) => state === 'staged').length, 1)

  const headers = { 'if-match': '*' }
  const disabled = await call('PATCH', '/integrations/before', {
    headers,
    body: { enabled: false },
  })
  t.match(disabled, WRITTEN)
  await eventually(async () => (await other.call('GET', '/tokens/before')).status === 409)
  t.match(await call('DELETE', '/integrations/before', { headers }), WRITTEN)
  await auditedOnce('integration.deleted', 1)
  t.equal((await call('GET', '/integrations/before')).status, 404)

  const limited = { name: 'reader', permissions: ['tokens:read'], integrations: ['*'] }
  t.match(await call('POST', '/api-keys', { body: limited }), WRITTEN)
  await auditedOnce('api_key.created', 1)
  const [made] = (await call('GET', '/api-keys')).body.items
  t.match(await call('DELETE', `/api-keys/${made.id}`), WRITTEN, 'and is revoked like any other')
  t.same((await call('GET', '/api-keys')).body.items, [])
})

t.test('sent again, it is confirmed as soon as a replica is there', async (t) => {
  await copy.kill('SIGCONT')
  const again = () => call('PUT', '/integrations/orders', { body, headers: { 'if-match': '*' } })
  await eventually(async () => (await again()).status === 200)
  t.equal((await call('GET', '/integrations/orders')).status, 200)
})

t.test('what is refused for another reason keeps its reason', async (t) => {
  await copy.kill('SIGSTOP')
  t.teardown(() => copy.kill('SIGCONT'))
  t.equal(
    (await call('DELETE', '/integrations/nobody', { headers: { 'if-match': '*' } })).status,
    404,
  )
  t.match(await call('PUT', '/integrations/orders', { body: {} }), { status: 400 })
  t.equal((await call('GET', '/tokens/orders')).status, 200, 'reads wait for no replica')
})

t.test('a token is handed out, though the flip that its mint made is not confirmed', async (t) => {
  await copy.kill('SIGCONT')
  const limited = { name: 'reader', permissions: ['tokens:read'], integrations: ['*'] }
  const made = await eventually(async () => {
    const answer = await call('POST', '/api-keys', { body: limited })
    if (answer.status !== 201)
      for (const { id } of (await call('GET', '/api-keys')).body.items) {
        await call('DELETE', `/api-keys/${id}`)
      }
    return answer.status === 201 ? answer.body : undefined
  })
  const headers = { 'if-match': '*' }
  const { items } = (await call('GET', '/integrations/orders/credentials')).body
  for (const { id, state } of items) {
    if (state !== 'active')
      await call('DELETE', `/integrations/orders/credentials/${id}`, { headers })
  }
  const staged = await eventually(async () => {
    const answer = await call('POST', '/integrations/orders/credentials', {
      body: { generate: {} },
    })
    return answer.status === 201 ? answer.body : undefined
  })
  await copy.kill('SIGSTOP')
  t.teardown(() => copy.kill('SIGCONT'))
  simulator.updateApp(app.clientId, { certificatePem: staged.certificate.pem })
  for (const [method, path, options] of [
    [
      'POST',
      '/oauth/token',
      {
        key: null,
        body: 'grant_type=client_credentials&scope=integration:orders',
        headers: {
          authorization: `Basic ${btoa(`${made.id}:${made.key}`)}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
      },
    ],
    ['GET', '/tokens/orders', {}],
  ] as const) {
    t.match(await call('DELETE', '/tokens/orders'), WRITTEN, 'a revocation is done whole, too')
    const answer = await call(method, path, options)
    t.match(answer, { status: 200, body: { access_token: String } }, path)
  }
  t.match(broker.logs(), 'a mint is not confirmed')
  const active = await call('GET', `/integrations/orders/credentials/${staged.id}`)
  t.match(active.body, { state: 'active' }, 'and the flip is made')
  // Two were active from the beginning.
  await auditedOnce('credential.activated', 3)
})
