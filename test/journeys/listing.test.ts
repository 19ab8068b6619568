/** Lists by state, label and certificate, the summary, and the index behind them, over both stores. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { reindex } from '../../src/process/reindex.ts'
import { createKeys } from '../../src/store/keys.ts'
import { newAdminKey, spawnValetkey, startBroker, type TestBroker } from '../support/broker.ts'
import { ARMED, AT } from '../support/crash-settings.ts'
import { eventually } from '../support/eventually.ts'
import { ask, startRedis } from '../support/redis.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins
const redis = await startRedis()
t.teardown(() => redis.stop())

const app = simulator.addClientCredentialsApp()
const body = (labels: Readonly<Record<string, string>>, secret = app.clientSecret) => ({
  ...{ labels, login_url: app.loginUrl },
  grant: { type: 'client_credentials', client_id: app.clientId },
  credential: { client_secret: secret },
})

const namesOf = async ({ call }: Pick<TestBroker, 'call'>, query: string) => {
  const { status, body: page } = await call('GET', `/integrations?${query}`)
  if (status !== 200) throw new Error(`${query}: ${status}`)
  return page.items.map(({ name }: { name: string }) => name)
}

async function journey(t: Test, options: { readonly redisUrl?: string }) {
  const broker = await startBroker(t, { loginHosts: [myDomain], ...options })
  const { call } = broker
  const put = (name: string, ...of: Parameters<typeof body>) =>
    call('PUT', `/integrations/${name}`, { body: body(...of) })

  await t.test('a state is found as soon as it is answered', async (t) => {
    for (const name of ['a1', 'a2', 'a3']) await put(name, { team: 'a' })
    await put('b1', { team: 'b' }, 'Wr0ng7secretOfTheApp')
    t.same(await namesOf(broker, 'state=unproven'), ['a1', 'a2', 'a3', 'b1'])
    t.equal((await call('GET', '/tokens/a1')).status, 200)
    t.same(await namesOf(broker, 'state=ready'), ['a1'])
    // A new secret may still spread at Salesforce.
    t.equal((await call('GET', '/tokens/b1')).status, 503)
    t.same(await namesOf(broker, 'state=propagating'), ['b1'])
    t.same(await namesOf(broker, 'state=propagating&label=team:a'), [])
    t.same(await namesOf(broker, 'state=unproven&label=team:a&limit=1'), ['a2'])
    await call('DELETE', '/integrations/a2', { headers: { 'if-match': '*' } })
    t.same(await namesOf(broker, 'label=team:a'), ['a1', 'a3'])
  })

  await t.test('the summary counts them', async (t) => {
    const { status, body: summary } = await call('GET', '/integrations/summary')
    t.equal(status, 200)
    t.match(summary, {
      ...{ complete: true, total: 3, labels_left_out: 0, certificates: [] },
      states: { ready: 1, unproven: 1, propagating: 1, draft: 0, unusable: 0 },
      labels: [
        { key: 'team', value: 'a', count: 2 },
        { key: 'team', value: 'b', count: 1 },
      ],
    })
    t.equal(summary.refusals.length, 1)
    t.equal(summary.refusals[0].count, 1)
  })

  await t.test('a caller that may see some gets and counts those', async (t) => {
    const cases = [
      [{ integrations: ['*'], labels: { team: 'a' } }, ['a1', 'a3']],
      [{ integrations: ['b*', 'a1'] }, ['a1', 'b1']],
      [{ integrations: ['*3'] }, ['a3']],
    ] as const
    for (const [at, [granted, seen]] of cases.entries()) {
      const { body: created } = await call('POST', '/api-keys', {
        body: { name: `reader-${at}`, permissions: ['integrations:read'], ...granted },
      })
      const { key } = created
      const reader: Pick<TestBroker, 'call'> = {
        call: (method, path) => call(method, path, { key }),
      }
      t.same(await namesOf(reader, 'limit=50'), seen)
      t.same(
        await namesOf(reader, 'state=propagating'),
        seen.filter((name) => name === 'b1'),
      )
      const { body: summary } = await reader.call('GET', '/integrations/summary')
      t.match(summary, { complete: true, total: seen.length })
    }
    const { body: none } = await call('POST', '/api-keys', {
      body: { name: 'no-reader', permissions: ['tokens:read'], integrations: ['*'] },
    })
    const refused = await call('GET', '/integrations/summary', { key: none.key })
    t.equal(refused.status, 403)
  })

  await t.test('what is frozen is found by how it was selected', async (t) => {
    t.same(await namesOf(broker, 'state=frozen'), [])
    const { body: reader } = await call('POST', '/api-keys', {
      body: { name: 'reader-of-b', permissions: ['integrations:read'], integrations: ['b*'] },
    })
    const ofB = { call: (method: string, path: string) => call(method, path, { key: reader.key }) }
    const cases = [
      [{ integrations: ['b1', 'absent'] }, ['b1']],
      [{ labels: { team: 'a' } }, ['a1', 'a3']],
      [{ labels: { team: 'b' }, integrations: ['a1'] }, ['a1', 'b1']],
      [{ client_ids: [app.clientId] }, ['a1', 'a3', 'b1']],
      [{ org_ids: [simulator.acme.id] }, ['a1']],
    ] as const
    for (const [selector, frozen] of cases) {
      const body = { selector, reason: 'a test', revoke: false }
      const { body: freeze } = await call('POST', '/freezes', { body })
      t.same(await namesOf(broker, 'state=frozen'), frozen)
      t.same(
        await namesOf(broker, 'state=frozen&label=team:a'),
        frozen.filter((name) => name !== 'b1'),
      )
      t.same(
        await namesOf(ofB, 'state=frozen'),
        frozen.filter((name) => name === 'b1'),
      )
      t.equal((await call('DELETE', `/freezes/${freeze.id}`)).status, 204)
    }
  })

  await t.test('no new integration is named like a part of the API', async (t) => {
    const { status, body: problem } = await put('summary', {})
    t.equal(status, 400)
    t.equal(problem.code, 'request_invalid')
    t.match(problem.detail, /Choose another name/)
  })

  await t.test('a token of many names twenty, and counts all', async (t) => {
    const names = Array.from({ length: 30 }, (_, at) => `s${String(at).padStart(2, '0')}`)
    for (const name of names) {
      await put(name, { team: name === 's29' ? 'last' : 's' })
      t.equal((await call('GET', `/tokens/${name}`)).status, 200)
    }
    const { body: one } = await call('GET', '/integrations/s05')
    t.equal(one.status.shares_token_with.length, 20)
    // Those, and a1.
    t.equal(one.status.shares_token_with_count, names.length)
    t.notOk(one.status.shares_token_with.includes('s05'))
    const { body: key } = await call('POST', '/api-keys', {
      body: { name: 'of-two', permissions: ['integrations:read'], integrations: ['s05', 's29'] },
    })
    const { body: some } = await call('GET', '/integrations/s05', { key: key.key })
    t.same(some.status.shares_token_with, ['s29'])
    t.equal(some.status.shares_token_with_count, 1)
  })

  await broker.stop()
}

t.test('redis', (t) => journey(t, { redisUrl: redis.url }))
t.test('embedded', (t) => journey(t, {}))

const GROUP = 'label/team:a'
/** As many as the indexer writes in two steps. */
const REINDEXED = Array.from({ length: 25 }, (_, at) => `r${String(at).padStart(2, '0')}`)
const CRASH_POINT = new URL('../support/crash-point.ts', import.meta.url).href

async function reindexed(t: Test, engine: 'redis' | 'embedded') {
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-reindex-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const prefix = 'reindexed:'
  const place = engine === 'redis' ? { redisUrl: redis.url, redisPrefix: prefix } : { dataDir }
  const keyring = generateKeyring(Date.now()).reveal()
  const shared = { loginHosts: [myDomain], ...place, keyring, adminKey: newAdminKey() }
  const env = {
    ...{ VALETKEY_PORT: '0', VALETKEY_METRICS_PORT: '0', VALETKEY_DOCS: 'off' },
    ...{ VALETKEY_LOGIN_HOSTS: myDomain, VALETKEY_KEYRING: keyring },
    VALETKEY_ADMIN_KEY: shared.adminKey,
    ...(engine === 'redis'
      ? { VALETKEY_REDIS_URL: redis.url, VALETKEY_REDIS_PREFIX: prefix }
      : { VALETKEY_DATA_DIR: dataDir }),
  }
  const isWhole = async ({ call }: TestBroker) => {
    const { body: summary } = await call('GET', '/integrations/summary')
    return summary.complete && summary.total === REINDEXED.length
  }
  const [lost = ''] = REINDEXED.slice(3)
  const first = await startBroker(t, shared)
  for (const name of REINDEXED) {
    await first.call('PUT', `/integrations/${name}`, { body: body({ team: 'a' }) })
  }
  await eventually(() => isWhole(first))
  await first.stop()
  if (engine === 'redis') {
    const { listing } = createKeys(prefix)
    t.equal(await ask(redis.port, (client) => client.zrem(listing(`group:${GROUP}`), lost)), 1)
    t.equal(await ask(redis.port, (client) => client.del(listing('counts:label'))), 1)
  } else {
    const file = new DatabaseSync(join(dataDir, 'valetkey.db'))
    file.prepare('DELETE FROM listing_groups WHERE name_of = ? AND name = ?').run(GROUP, lost)
    file.close()
  }
  const second = await startBroker(t, shared)
  t.notOk((await namesOf(second, 'label=team:a')).includes(lost), 'the index was damaged')
  await second.stop()
  await reindex(env, { stderr: { write: () => true } })
  if (engine === 'redis') {
    const child = spawnValetkey(
      ['serve'],
      // The file is there, so that each point counts.
      { ...env, [AT]: 'ran vkListingPut (1)', [ARMED]: dataDir },
      { nodeArgs: ['--import', CRASH_POINT] },
    )
    t.teardown(() => child.kill('SIGKILL'))
    t.same(await once(child, 'exit'), [null, 'SIGKILL'], 'it was killed between two steps')
  }
  const third = await startBroker(t, shared)
  t.same(await namesOf(third, 'label=team:a'), REINDEXED, 'lists are right before the index is')
  await eventually(() => isWhole(third))
  t.same(await namesOf(third, 'label=team:a'), REINDEXED)
  const { body: summary } = await third.call('GET', '/integrations/summary')
  t.match(summary.labels, [{ key: 'team', value: 'a', count: REINDEXED.length }])
}

t.test('redis: an index is built again though the replica that builds it is killed', (t) =>
  reindexed(t, 'redis'),
)
t.test('embedded: an index is built again', (t) => reindexed(t, 'embedded'))
