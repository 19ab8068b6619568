/** Floods of what anybody may repeat at will, against the history that others look things up in. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import type { AuditEvent } from '../../src/audit/event.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const redis = await startRedis()
t.teardown(() => redis.stop())
const { myDomain } = simulator.origins
const env = { VALETKEY_TRUST_PROXY: '127.0.0.1/32' }
const ENGINES = { embedded: {}, redis: { redisUrl: redis.url, redisPrefix: 'audit-flood:' } }
const REQUESTS = 500

const bodyFor = (app: { clientId: string; clientSecret: string }, parts: object = {}) => ({
  login_url: myDomain,
  grant: { type: 'client_credentials', client_id: app.clientId },
  credential: { client_secret: app.clientSecret },
  ...parts,
})

for (const [engine, options] of Object.entries(ENGINES)) {
  t.test(`${engine}: whoever is denied again and again has one line`, async (t) => {
    const { call } = await startBroker(t, { loginHosts: [myDomain], ...options, env })
    const stored = async (query: string): Promise<readonly AuditEvent[]> =>
      (await call('GET', `/audit?limit=200&${query}`)).body.items
    await call('PUT', '/integrations/billing', {
      body: bodyFor(simulator.addClientCredentialsApp()),
    })
    const limited = { name: 'nosy', permissions: ['tokens:read'], integrations: ['nothing'] }
    const { body: made, status } = await call('POST', '/api-keys', { body: limited })
    t.equal(status, 201)
    let refused = 0
    for (let index = 0; index < REQUESTS; index += 1) {
      const options = { key: made.key, headers: { 'x-forwarded-for': '192.0.2.7' } }
      if ((await call('GET', `/tokens/name-${index}`, options)).status === 403) refused += 1
    }
    for (let index = 1; index <= REQUESTS; index += 1) {
      const from = { 'x-forwarded-for': `2001:db8:0:7::${index.toString(16)}` }
      const answer = await call('GET', '/tokens/billing', { key: null, headers: from })
      if (answer.status === 401 || answer.status === 429) refused += 1
    }
    t.equal(refused, 2 * REQUESTS)
    await eventually(async () => {
      const lines = await stored('action=request.denied')
      const counts = lines.map(({ detail }) => detail?.count ?? 0)
      return counts.reduce((sum, count) => sum + count, 0) === 2 * REQUESTS
    })
    t.match(await stored('action=request.denied'), [
      { principal: null, detail: { count: REQUESTS, address: '2001:db8:0:7::/64' } },
      { principal: 'api-key:nosy', detail: { count: REQUESTS, address: '192.0.2.7' } },
    ])
    t.match(await stored('integration=name-3'), [{ principal: 'api-key:nosy' }])
    t.match(await stored('integration=billing&action=integration.created'), [
      { principal: 'admin' },
    ])
  })

  t.test(
    `${engine}: refusals that a caller repeats are listed at first, and counted then`,
    async (t) => {
      const { call } = await startBroker(t, { loginHosts: [myDomain], ...options, env })
      const stored = async (query: string): Promise<readonly AuditEvent[]> =>
        (await call('GET', `/audit?limit=200&${query}`)).body.items
      const app = simulator.addClientCredentialsApp()
      await call('PUT', '/integrations/spent', { body: bodyFor(app, { logins_per_hour: 1 }) })
      t.equal((await call('GET', '/tokens/spent')).status, 200)
      await call('DELETE', '/tokens/spent')
      for (let index = 0; index < 50; index += 1) {
        const { body } = await call('GET', '/tokens/spent')
        t.equal(body.code, 'login_budget_exhausted')
      }
      const refused = () => stored('integration=spent&action=token.refused')
      await eventually(async () => (await refused()).some(({ detail }) => detail?.count === 45))
      t.equal((await refused()).length, 6, 'five one by one, and one line for the rest')
    },
  )
}

t.test('the events that an older release wrote are still there', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-older-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const options = {
    ...{ loginHosts: [myDomain], dataDir, adminKey: newAdminKey() },
    keyring: generateKeyring(Date.now()).reveal(),
  }
  const first = await startBroker(t, options)
  await first.stop()
  const db = new DatabaseSync(join(dataDir, 'valetkey.db'))
  db.exec(`
    DROP TABLE events;
    CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL) STRICT;`)
  const event = { id: 'old', at: new Date().toISOString(), principal: 'admin', outcome: 'success' }
  const body = { ...event, action: 'token.minted', integration: 'billing', request_id: null }
  db.prepare('INSERT INTO events (body) VALUES (?)').run(JSON.stringify(body))
  db.close()
  const { call } = await startBroker(t, options)
  t.match((await call('GET', '/audit?action=token.minted')).body.items, [{ id: 'old' }])
  t.match((await call('GET', '/audit')).body.items.at(-1), { id: 'old' })
})
