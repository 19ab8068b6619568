/** An event loop that was blocked, as by a module that is loaded late, costs no answer of Redis that has arrived meanwhile. */
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { createRedisStore } from '../../src/store/redis/redis-store.ts'
import type { RedisEvent } from '../../src/store/redis-connection/connection.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'
import { startCluster } from '../support/redis-cluster.ts'

/** Longer than the store waits for an answer, and than its socket does. */
const BLOCKED_MS = 1_400
/** For a Cluster to agree, on a busy machine. */
const SETTLE_MS = 60_000

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

async function storeAt(t: Test, url: string) {
  const events: RedisEvent[] = []
  const store = await createRedisStore({
    connection: { url: new Secret(url) },
    onEvent: (event) => events.push(event),
  })
  t.teardown(() => store.close())
  return { store, events }
}

async function redis(t: Test) {
  const server = await startRedis()
  t.teardown(() => server.stop())
  return server
}

/** What went wrong with a connection. */
const troubles = (events: readonly RedisEvent[]) =>
  events.filter(({ type }) => type === 'error' || type === 'closed')

t.test('an answer that came while the loop was blocked is read, not given up', async (t) => {
  const { store, events } = await storeAt(t, (await redis(t)).url)
  const cursor = await store.changes.tail()
  const asked = [store.now(), store.identity(), store.changes.wait(cursor, 250)]
  block(BLOCKED_MS)
  await t.resolves(Promise.all(asked))
  // The socket has a time of its own, which is over a little later.
  const again = store.now()
  await turn()
  block(BLOCKED_MS)
  await t.resolves(again)
  await t.resolves(store.now())
  t.same(troubles(events), [])
})

t.test('so is one that takes another round trip', async (t) => {
  const server = await redis(t)
  const { store, events } = await storeAt(t, server.url)
  const raw = new Redis(server.url, { lazyConnect: true })
  t.teardown(() => raw.disconnect())
  await store.now()
  await raw.script('FLUSH')
  const asked = store.now()
  block(BLOCKED_MS)
  await t.resolves(asked, 'the server has forgotten the script, and gets it again')
  t.same(troubles(events), [])
})

t.test('so is one of a node of a Cluster', async (t) => {
  const servers = await startCluster()
  t.teardown(() => servers.stop())
  await servers.settled(SETTLE_MS)
  const { store, events } = await storeAt(t, servers.url())
  await eventually(() => store.now().catch(() => undefined))
  const before = troubles(events).length
  const asked = store.now()
  await turn()
  block(BLOCKED_MS)
  await t.resolves(asked)
  t.same(troubles(events).slice(before), [])
})

t.test('a connection that came about meanwhile is used', async (t) => {
  const { url } = await redis(t)
  const opening = storeAt(t, url)
  // Settings are read first; then there are sockets that are being connected.
  for (let turns = 0; turns < 50; turns += 1) await turn()
  block(BLOCKED_MS)
  const { store, events } = await opening
  await t.resolves(store.now())
  t.same(troubles(events), [])
})

t.test('a server that hangs is given up all the same', async (t) => {
  const server = await redis(t)
  const { store, events } = await storeAt(t, server.url)
  await server.kill('SIGSTOP')
  t.teardown(() => server.kill('SIGCONT'))
  const asked = store.now()
  const rejected = t.rejects(asked, { code: 'store_unavailable', cause: { code: 'TIMEOUT' } })
  block(BLOCKED_MS)
  await rejected
  await eventually(() => events.some(({ type }) => type === 'closed'))
})
