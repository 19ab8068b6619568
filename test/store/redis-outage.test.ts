import { inspect } from 'node:util'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { createRedisStore, type RedisStoreOptions } from '../../src/store/redis/redis-store.ts'
import type { RedisEvent } from '../../src/store/redis-connection/connection.ts'
import type { Store } from '../../src/store/store.ts'
import { type RedisServer, startRedis, startReplica } from '../support/redis.ts'
import { content, eventually, lease } from '../support/store-engines.ts'

/** Far above what is promised (1 s), for the machine may be busy; far below what ioredis does by default. */
const SOON_MS = 5_000

async function redisStore(t: Test, server: RedisServer, options: Partial<RedisStoreOptions> = {}) {
  const events: RedisEvent[] = []
  const store = await createRedisStore({
    connection: { url: new Secret(server.url) },
    onEvent: (event) => events.push(event),
    ...options,
  })
  t.teardown(() => store.close())
  return { store, events }
}

/** A server, and a client past the store for what the store never does. */
async function server(t: Test, args: readonly string[] = []) {
  const redis = await startRedis({ args })
  t.teardown(() => redis.stop())
  const raw = new Redis(redis.url, { lazyConnect: true })
  raw.on('error', () => undefined)
  t.teardown(() => raw.disconnect())
  return { redis, raw }
}

async function rejectsSoon(t: Test, operation: Promise<unknown>, what: string): Promise<void> {
  const start = performance.now()
  await t.rejects(operation, { code: 'store_unavailable' }, what)
  t.ok(performance.now() - start < SOON_MS, `${what}, soon`)
}

const works = (store: Store) => () => store.now().then(Boolean, () => false)

t.test('is unavailable while Redis hangs, and recovers when it goes on', async (t) => {
  const { redis } = await server(t)
  const { store, events } = await redisStore(t, redis)
  await store.integrations.create('a', 'u', content())
  const cursor = await store.changes.tail()
  await redis.kill('SIGSTOP')
  await Promise.all([
    rejectsSoon(t, store.integrations.read('a'), 'a read'),
    rejectsSoon(t, store.documents.write('k', 'd', '', { expected: 'any' }), 'a write'),
    rejectsSoon(t, store.changes.wait(cursor, 250), 'a reader of changes'),
    rejectsSoon(t, store.locks.acquire('a', 'me', 1_000), 'a lock'),
  ])
  // Once the socket has been given up, the next ones need not wait at all.
  await eventually(() => events.some(({ type }) => type === 'closed'))
  await rejectsSoon(t, store.now(), 'a later one')
  await redis.kill('SIGCONT')
  await eventually(works(store))
  t.match(await store.integrations.read('a'), { uid: 'u' })
  await eventually(async () => (await store.changes.read(cursor).catch(() => null)) !== null)
})

t.test('is unavailable while Redis is dead, and finds it again when it is back', async (t) => {
  const { redis } = await server(t, ['--appendonly', 'yes', '--appendfsync', 'always'])
  const { store } = await redisStore(t, redis)
  await store.integrations.create('a', 'u', content())
  const cursor = await store.changes.tail()
  const waiting = store.changes.wait(cursor, 2_000)
  const rejected = t.rejects(waiting, { code: 'store_unavailable' }, 'a waiting reader')
  await redis.kill('SIGKILL')
  await rejected
  await Promise.all(
    Array.from({ length: 50 }, (_, i) => rejectsSoon(t, store.integrations.read('a'), `read ${i}`)),
  )
  await redis.restart()
  await eventually(works(store))
  t.match(await store.integrations.read('a'), { uid: 'u' })
  t.equal(await store.locks.acquire('a', 'me', 60_000), true, 'nothing was sent again by itself')
  await eventually(async () => (await store.changes.read(cursor).catch(() => null)) !== null)
  await store.documents.write('k', 'd', '', { expected: 'any' })
  await eventually(() => store.changes.wait(cursor, 2_000).catch(() => false))
  t.match(await store.changes.read(cursor), { gap: false, entries: [{ type: 'document' }] })
})

t.test('opens without a Redis, and works as soon as there is one', async (t) => {
  const { redis } = await server(t)
  await redis.kill('SIGKILL')
  const { store, events } = await redisStore(t, redis)
  await rejectsSoon(t, store.identity(), 'without Redis')
  t.match(
    events.find(({ type }) => type === 'error'),
    { error: { code: 'ECONNREFUSED' } },
  )
  await redis.restart()
  await eventually(works(store))
})

t.test('answers every refusal of Redis as unavailable, and tells no value', async (t) => {
  const { redis, raw } = await server(t)
  const { store } = await redisStore(t, redis)
  const write = () => store.documents.write('k', 'd', 'canary', { expected: 'any' })
  await write()

  async function refused(code: string): Promise<void> {
    const error = await write().then(
      () => undefined,
      (error: unknown) => error,
    )
    t.match(error, { code: 'store_unavailable', cause: { code } })
    t.notMatch(inspect(error, { depth: 9, showHidden: true }), /canary/)
  }

  await raw.config('SET', 'maxmemory', '1')
  await refused('OOM')
  await raw.config('SET', 'maxmemory', '0')
  await write()

  await raw.config('SET', 'min-replicas-to-write', '1')
  await refused('NOREPLICAS')
  await t.resolves(store.changes.pulse(false))
  await t.rejects(store.changes.pulse(true), { code: 'store_unavailable' }, 'which is no proof')
  await raw.config('SET', 'min-replicas-to-write', '0')
  await write()

  await raw.replicaof('127.0.0.1', 1)
  await refused('READONLY')
  await raw.replicaof('NO', 'ONE')
  await eventually(() =>
    write().then(
      () => true,
      () => false,
    ),
  )
})

t.test('says at connect that the server may drop keys', async (t) => {
  const { redis, raw } = await server(t, ['--maxmemory-policy', 'allkeys-lru'])
  const { events, store } = await redisStore(t, redis)
  const policy = () => events.find(({ type }) => type === 'eviction_policy')
  await eventually(() => policy() !== undefined)
  t.same(policy(), { type: 'eviction_policy', policy: 'allkeys-lru' })
  await raw.config('SET', 'maxmemory-policy', 'noeviction')
  const { events: quiet, store: other } = await redisStore(t, redis)
  // INFO was asked before this, on the same connection.
  await eventually(() => quiet.some(({ type }) => type === 'ready'))
  await other.now()
  await store.now()
  t.notOk(quiet.some(({ type }) => type === 'eviction_policy'))
})

t.test('hears a store that was wiped, or went back in time, as a gap', async (t) => {
  const { redis, raw } = await server(t)
  const { store } = await redisStore(t, redis)
  const { id } = await store.identity()
  await store.integrations.create('a', 'u', content())
  const cursor = await store.changes.tail()
  await raw.flushall()
  t.match(await store.changes.read(cursor), { gap: true, entries: [] })
  const wiped = await store.identity()
  t.not(wiped.id, id)
  t.equal(wiped.seq, 0)

  await store.integrations.create('a', 'u', content())
  await store.integrations.create('b', 'u', content())
  const later = await store.changes.tail()
  await raw.hset('vk:{vk}:meta', 'seq', 1)
  t.match(await store.changes.read(later), { gap: true }, 'a lower count')
  await raw.hset('vk:{vk}:meta', 'seq', 3)
  t.match(await store.changes.read(later), { gap: true }, 'a count without its entry')
  await raw.hset('vk:{vk}:meta', 'seq', 2)
  t.match(await store.changes.read(later), { gap: false }, 'as it was')
  const [entry = ''] = /[^/]+$/.exec(later) ?? []
  t.equal(await raw.xdel('vk:{vk}:chg', entry), 1)
  t.match(await store.changes.read(later), { gap: true }, 'another entry with its count')
  const anew = await store.changes.tail()
  t.match(await store.changes.read(anew), { gap: false })
})

t.test('a wait may take longer than a command, unless the server hangs', async (t) => {
  const { redis } = await server(t)
  const { store, events } = await redisStore(t, redis, { timeoutMs: 300 })
  const cursor = await store.changes.tail()
  const start = performance.now()
  t.equal(await store.changes.wait(cursor, 1_200), false)
  t.ok(performance.now() - start >= 1_195)
  t.notOk(events.some(({ type }) => type === 'error' || type === 'closed'))
  const waiting = t.rejects(store.changes.wait(cursor, 600), { code: 'store_unavailable' })
  await redis.kill('SIGSTOP')
  await waiting
  await redis.kill('SIGCONT')
})

t.test('stays with its scripts when the server forgets them', async (t) => {
  const { redis, raw } = await server(t)
  const { store } = await redisStore(t, redis)
  await store.integrations.create('a', 'u', content())
  await raw.script('FLUSH')
  t.ok(await store.integrations.create('b', 'u', content()))
  const cursor = await store.changes.tail()
  await store.changes.read(cursor)
  await raw.script('FLUSH')
  t.match(await store.changes.read(cursor), { gap: false })
})

t.test('needs no more of Redis than the rights that it names', async (t) => {
  const { redis, raw } = await server(t)
  await raw.acl(
    'SETUSER',
    'broker',
    'on',
    '>pass word',
    'resetkeys',
    '~vk:*',
    '+@read',
    '+@write',
    '+@scripting',
    '+@connection',
    '+time',
    '+wait',
    '+info',
    '-@dangerous',
    '+info',
  )
  const url = new Secret(`redis://broker:pass%20word@127.0.0.1:${redis.port}/0`)
  const { store } = await redisStore(t, redis, { connection: { url }, waitReplicas: 0 })
  const expiresAt = (await store.now()) + 60_000
  await store.integrations.create('a', 'u', content())
  await store.integrations.change('a', { uid: 'u', version: 1 }, content())
  await store.integrations.list({ limit: 10 })
  const change = { lease: lease({ tokenId: 'T', expiresAt }), dueAt: expiresAt }
  t.match(await store.outcomes.save('a', { uid: 'u', orev: 0 }, change), { saved: true })
  await store.outcomes.look('a')
  await store.outcomes.forgetRefusal('a')
  await store.outcomes.revoke('T', expiresAt)
  await store.outcomes.holders('T')
  await store.locks.acquire('a', 'me', 1_000)
  await store.locks.renew('a', 'me', 1_000)
  await store.locks.release('a', 'me')
  await store.due.mark('a', 0)
  await store.due.claim(1, 1_000)
  await store.due.size()
  await store.due.unmark('a')
  await store.budgets.take([{ key: 'b', limit: 1, windowMs: 1_000 }])
  await store.budgets.used('b', 1_000)
  await store.documents.write('k', 'd', '', { expected: 'any', expiresAt })
  await store.documents.read('k', 'd')
  await store.documents.list('k', { limit: 1 })
  await store.documents.remove('k', 'd', 'any')
  await store.events.append(['x'], 10)
  await store.events.read({ limit: 1 })
  const cursor = await store.changes.tail()
  await store.changes.read(cursor)
  await store.changes.wait(cursor, 10)
  for (const isProof of [false, true]) await store.changes.pulse(isProof)
  await store.identity()
  await store.integrations.remove('a', { uid: 'u', version: 2 })
  const keys = await raw.keys('*')
  t.ok(keys.length > 0 && keys.every((key) => key.startsWith('vk:{vk}:')))

  const wrong = new Secret(`redis://broker:canary@127.0.0.1:${redis.port}/0`)
  const { store: stranger, events } = await redisStore(t, redis, { connection: { url: wrong } })
  await rejectsSoon(t, stranger.now(), 'with a wrong password')
  await eventually(() =>
    events.some((event) => event.type === 'error' && event.error.code === 'WRONGPASS'),
  )
  t.notMatch(inspect(events, { depth: 9, showHidden: true }), /canary/)
})

t.test('acknowledges a change only when enough replicas have it', async (t) => {
  const { redis } = await server(t)
  const replica = await startReplica({ master: redis })
  t.teardown(() => replica.stop())
  const { store } = await redisStore(t, redis, { waitReplicas: 1, timeoutMs: 2_000 })
  const create = (name: string) => store.integrations.create(name, 'u', content())
  t.ok(await create('a'))
  t.ok(await store.documents.write('k', 'd', '', { expected: 'absent' }))
  const { store: copy } = await redisStore(t, replica)
  t.match(await copy.integrations.read('a'), { uid: 'u' }, 'the replica has it')

  await replica.kill('SIGSTOP')
  await rejectsSoon(t, create('b'), 'an integration')
  const write = store.documents.write('k', 'e', '', { expected: 'absent' })
  await rejectsSoon(t, write, 'a document')
  t.ok(await store.integrations.read('b'), 'it is there all the same')
  await rejectsSoon(t, store.integrations.confirm(), 'and is not confirmed by being there')
  const together = await Promise.allSettled(['c', 'd', 'e', 'f', 'g'].map(create))
  for (const one of together) {
    t.match(one, { status: 'rejected', reason: { detail: /^Written, not confirmed/ } })
  }
  t.ok(await store.locks.acquire('a', 'me', 1_000), 'what need not last waits for nobody')
  await replica.kill('SIGCONT')
  await eventually(() =>
    store.integrations.confirm().then(
      () => true,
      () => false,
    ),
  )
  t.match(await copy.integrations.read('b'), { uid: 'u' }, 'what was confirmed, the replica has')
})

t.test('refuses options that are wrong', async (t) => {
  const onEvent = () => undefined
  const url = new Secret('redis://h')
  await t.rejects(
    createRedisStore({ connection: { url: new Secret('http://x') }, onEvent }),
    /must look like/,
  )
  await t.rejects(createRedisStore({ connection: { url }, onEvent, prefix: '{x}' }), RangeError)
  await t.rejects(
    createRedisStore({ connection: { url, caFile: '/nowhere/ca.pem' }, onEvent }),
    /\/nowhere\/ca\.pem/,
  )
})
