import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'
import { newSigningKey } from '../support/signing-key.ts'

t.test('two replicas that start warn of each certificate once', async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const redis = await startRedis({ args: ['--save', ''] })
  t.teardown(() => redis.stop())
  const options = {
    loginHosts: [simulator.origins.myDomain],
    redisUrl: `redis://127.0.0.1:${redis.port}`,
    keyring: generateKeyring(Date.now()).reveal(),
    adminKey: newAdminKey(),
  }
  const first = await startBroker(t, options)
  for (const [name, days] of [
    ['soon', 10],
    ['later', 59],
    ['fine', 365],
  ] as const) {
    const { privateKey, certificate } = await newSigningKey(name, days)
    const put = await first.call('PUT', `/integrations/${name}`, {
      body: {
        login_url: simulator.origins.myDomain,
        grant: { type: 'jwt_bearer', client_id: '3MVG9.expiring', username: 'billing@acme.com' },
        credential: { private_key: privateKey, certificate },
      },
    })
    t.equal(put.status, 201)
  }
  await first.stop()

  const replicas = await Promise.all([startBroker(t, options), startBroker(t, options)])
  const events = () =>
    replicas
      .flatMap((replica) => replica.audit())
      .filter(({ action }) => action === 'certificate.expiring')
      .map(({ integration, detail }) => [integration, detail?.days])
      .sort()
  await eventually(() => events().length >= 2)
  const [one] = replicas
  const stored = await one?.call('GET', '/audit?action=certificate.expiring')
  t.equal(stored?.body.items.length, 2)
  for (const replica of replicas) await replica.stop()
  t.same(events(), [
    ['later', 60],
    ['soon', 14],
  ])
  const warnings = replicas.map((replica) => replica.logs()).join('')
  t.equal(warnings.match(/a certificate expires soon/g)?.length, 2)

  const again = await startBroker(t, options)
  const list = '/integrations?certificate_expires_before='
  const before = new Date(Date.now() + 30 * 86_400_000).toISOString()
  const { items } = (await again.call('GET', list + before)).body
  t.match(items, [{ name: 'soon', status: { certificate_expires_at: String } }])
  t.equal(items.length, 1)
  await again.stop()
  t.notMatch(again.logs(), 'a certificate expires soon', 'nor after another start')
})
