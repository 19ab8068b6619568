import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { type BrokerOptions, newAdminKey, startBroker, type TestBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())

/** Promised; then as much again, for the machine may be busy. */
const NOTICED_MS = 2_000 * 5

interface Setup {
  readonly redis: RedisServer
  readonly raw: Redis
  /** Replicas of one fleet. */
  readonly start: () => Promise<TestBroker>
}

type Test = { teardown(end: () => unknown): void }

async function fleet(t: Test, args: readonly string[] = []): Promise<Setup> {
  const redis = await startRedis({ args })
  t.teardown(() => redis.stop())
  const raw = new Redis(redis.url, { lazyConnect: true })
  raw.on('error', () => undefined)
  t.teardown(() => raw.disconnect())
  const options: BrokerOptions = {
    loginHosts: [simulator.origins.myDomain],
    redisUrl: redis.url,
    keyring: generateKeyring(Date.now()).reveal(),
    adminKey: newAdminKey(),
  }
  return { redis, raw, start: () => startBroker(t, options) }
}

function integration() {
  const app = simulator.addClientCredentialsApp()
  return {
    login_url: simulator.origins.myDomain,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  }
}

const contentOf = async ({ call }: TestBroker) => {
  const { status, body } = await call('GET', '/readyz')
  const { ok } = body.checks.find(({ name }: { name: string }) => name === 'store_content')
  return { status, ok }
}

t.test('a store that was wiped answers store_reset, until it is accepted', async (t) => {
  const { raw, start } = await fleet(t)
  const [one, other] = [await start(), await start()]
  const created = await one.call('PUT', '/integrations/held', { body: integration() })
  t.equal(created.status, 201)
  await one.call('PUT', '/integrations/unread', { body: integration() })
  const made = await one.call('POST', '/api-keys', {
    body: { name: 'svc', permissions: ['tokens:read'], integrations: ['*'] },
  })
  const { key } = made.body
  const held = await one.call('GET', '/tokens/held', { key })
  t.equal(held.status, 200)
  t.equal((await one.call('GET', '/tokens/nowhere')).status, 404, 'as long as all is well')
  t.same(await contentOf(one), { status: 200, ok: true })

  const wipedAt = performance.now()
  await raw.flushall()
  for (const path of ['/tokens/unread', '/tokens/nowhere', '/integrations/held', '/integrations']) {
    t.match(await one.call('GET', path), { status: 503, body: { code: 'store_reset' } }, path)
  }
  await eventually(async () => !(await contentOf(one)).ok && !(await contentOf(other)).ok)
  const noticedMs = performance.now() - wipedAt
  t.comment(`noticed by both replicas after ${Math.round(noticedMs)} ms`)
  t.ok(noticedMs < NOTICED_MS)
  t.same(await contentOf(one), { status: 200, ok: false }, 'and stays in the load balancer')
  t.match(one.logs(), /the store lost its content/)

  const still = await one.call('GET', '/tokens/held', { key })
  t.equal(still.status, 200, 'what memory holds is served, to a caller that memory knows')
  t.equal(still.body.access_token, held.body.access_token)
  t.match(still.headers.get('cache-status'), /detail=store-unreachable/)
  t.match(await other.call('GET', '/tokens/held', { key }), {
    status: 503,
    body: { code: 'store_reset' },
  })
  t.match(await one.call('PUT', '/integrations/held', { body: integration() }), {
    status: 503,
    body: { code: 'store_reset' },
  })
  t.match(await one.call('DELETE', '/tokens/held'), { status: 503, body: { code: 'store_reset' } })

  const late = await start()
  t.match(await late.call('GET', '/tokens/held'), { status: 503, body: { code: 'store_reset' } })

  const reader = await one.call('POST', '/store/accept', { key })
  t.match(reader, { status: 403, body: { code: 'caller_forbidden' } })
  t.equal((await other.call('POST', '/store/accept')).status, 204)
  t.equal((await other.call('GET', '/tokens/held')).status, 404, 'at once where it was accepted')
  await eventually(async () => (await one.call('GET', '/tokens/held')).status === 404)
  await eventually(async () => (await contentOf(one)).ok && (await contentOf(late)).ok)
  // The key is gone, too. Until this replica has read that, it knows the key and says that the integration
  // is gone; and for a moment after a failed read, no request waits for the store.
  await eventually(async () => {
    const { status } = await one.call('GET', '/tokens/held', { key })
    if (![401, 404, 503].includes(status)) throw new Error(`the key that is gone got ${status}`)
    return status === 401
  })
  const accepted = other.audit().filter(({ action }) => action === 'store.accepted')
  t.match(accepted, [{ principal: 'admin', outcome: 'success', detail: { reason: 'wiped' } }])

  t.equal((await other.call('POST', '/store/accept')).status, 204, 'nothing to accept')
  t.equal(other.audit().filter(({ action }) => action === 'store.accepted').length, 1)
  t.equal((await one.call('PUT', '/integrations/held', { body: integration() })).status, 201)
  const fresh = await one.call('GET', '/tokens/held')
  t.equal(fresh.status, 200)
  t.match((await one.call('GET', '/tokens/held')).headers.get('cache-status'), /valetkey; hit/)
})

t.test('a store that went back in time raises an alarm, and serves', async (t) => {
  const { redis, raw, start } = await fleet(t, ['--dbfilename', 'now.rdb'])
  const broker = await start()
  const { call } = broker
  await call('PUT', '/integrations/old', { body: integration() })
  await call('GET', '/tokens/old')
  await raw.save()
  await copyFile(join(redis.dir, 'now.rdb'), join(redis.dir, 'then.rdb'))
  await call('PUT', '/integrations/new', { body: integration() })
  for (let i = 0; i < 5; i += 1) {
    await call('PATCH', '/integrations/old', {
      body: { description: `${i}` },
      headers: { 'if-match': '*' },
    })
  }
  await call('GET', '/tokens/old')
  t.equal((await call('GET', '/tokens/nowhere')).status, 404, 'after a look at the store')

  await redis.kill('SIGKILL')
  await copyFile(join(redis.dir, 'then.rdb'), join(redis.dir, 'now.rdb'))
  await redis.restart()
  const backAt = performance.now()
  await eventually(async () => !(await contentOf(broker)).ok)
  t.comment(`noticed after ${Math.round(performance.now() - backAt)} ms`)
  t.match(broker.logs(), /the store went back in time/)
  t.equal((await call('GET', '/readyz')).status, 200)

  t.equal((await call('GET', '/tokens/old')).status, 200)
  t.match((await call('GET', '/integrations/old')).body, { description: '' }, 'the former one')
  t.equal((await call('GET', '/tokens/new')).status, 404)

  t.equal((await call('POST', '/store/accept')).status, 204)
  t.same(await contentOf(broker), { status: 200, ok: true })
})
