/** What proofs cost the store, and what is told of them: metrics, callers, and the patterns that `valetkey policy suggest` prints. */
import { once } from 'node:events'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { spawnValetkey, startBroker } from '../support/broker.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { listingAtRest } from '../support/listing.ts'
import { startRedis } from '../support/redis.ts'
import { monitorLines } from '../support/redis-monitor.ts'
import { proofsWorld } from './proofs-world.ts'

t.test('the patterns of a caller come from what it asked for', async (t) => {
  const { broker, prove, query, data, keyFor } = await proofsWorld(t)
  const account = { method: 'PATCH', url: `${data}/sobjects/Account/0015g00000XyZabAAB` }
  const limits = { method: 'GET', url: `${data}/limits` }
  t.equal((await prove({ requests: [query, account] })).status, 200)
  t.equal((await prove({ requests: [query] })).status, 200)
  t.equal((await prove({ requests: [limits] })).status, 403)
  const { body } = await broker.call('GET', '/integrations/bound/callers')
  t.match(body.items, [{ principal: 'api-key:prover', count: 2 }])
  t.match(body.items[0].requests, [
    { method: 'GET', path: '/services/data/*/limits', outcome: 'refused', count: 1 },
    { method: 'GET', path: '/services/data/*/query', outcome: 'permitted', count: 2 },
    { method: 'PATCH', path: '/services/data/*/sobjects/Account/*', outcome: 'permitted' },
  ])
  const reader = await keyFor('reader', {
    permissions: ['integrations:read'],
    requests: undefined,
  })
  const child = spawnValetkey(['policy', 'suggest', 'bound'], {
    VALETKEY_URL: broker.url,
    VALETKEY_KEY: reader,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (text) => {
      output += text
    })
  }
  const [status] = await once(child, 'close')
  t.equal(status, 0, output)
  t.equal(
    output,
    `api-key:prover
  requests:
    - GET /services/data/*/query
    - PATCH /services/data/*/sobjects/Account/*
  refused; add what it should do:
    - GET /services/data/*/limits
`,
  )
})

t.test('a proof tells Redis nothing once the token is there', async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const { myDomain } = simulator.origins
  const { call } = await startBroker(t, { loginHosts: [myDomain], redisUrl: redis.url })
  const app = simulator.addClientCredentialsApp()
  await call('PUT', '/integrations/bound', {
    body: {
      login_url: myDomain,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
      dpop: { mode: 'on' },
    },
  })
  const requests = ['GET /services/data/*/query']
  const made = await call('POST', '/api-keys', {
    body: { name: 'prover', permissions: ['tokens:prove'], integrations: ['bound'], requests },
  })
  const asked = { method: 'GET', url: `${myDomain}/services/data/v66.0/query` }
  const prove = () =>
    call('POST', '/tokens/bound/proofs', { key: made.body.key, body: { requests: [asked] } })
  t.equal((await prove()).status, 200)
  await lifeKnown(call, 'bound')
  t.equal((await prove()).status, 200)
  await listingAtRest(redis.port)
  // The broker has heard by now that it made the key, and reads it once more.
  t.equal((await prove()).status, 200)
  const lines = await monitorLines(t, redis.port)
  for (let count = 0; count < 20; count += 1) t.equal((await prove()).status, 200)
  // Pulses, and the counts of ten seconds, name no lease and no key.
  const told = (await lines()).filter((line) => /"vk:\{vk\}:(i|o|k|d:api-key)[^"]*"/.test(line))
  t.same(
    told.filter((line) => line.includes('bound') || line.includes(made.body.id)),
    [],
  )
})
