/** Clusters whose nodes are not where they were, or not where they say. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { createRedisStore, type RedisStoreOptions } from '../../src/store/redis/redis-store.ts'
import type { RedisEvent } from '../../src/store/redis-connection/connection.ts'
import { parseNatMap } from '../../src/store/redis-connection/endpoints.ts'
import type { Store } from '../../src/store/store.ts'
import { eventually } from '../support/eventually.ts'
import { startFront } from '../support/front.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { startMasters } from '../support/redis-masters.ts'

/** Promised are 5 s; the machine may be busy. */
const SOON_MS = 5_000 * 4
/** An address of loopback at which nothing listens. */
const NOWHERE = '127.0.0.99'

async function open(t: Test, url: string, options: Partial<RedisStoreOptions> = {}) {
  const events: RedisEvent[] = []
  const store = await createRedisStore({
    connection: { url: new Secret(url) },
    onEvent: (event) => events.push(event),
    ...options,
  })
  t.teardown(() => store.close())
  const troubles = () => events.flatMap((event) => (event.type === 'error' ? [event.error] : []))
  return { store, troubles }
}

const seedsOf = (nodes: readonly RedisServer[]) =>
  `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`

/** On all connections. */
const works = (store: Store) => async () => {
  try {
    const cursor = await store.changes.tail()
    await Promise.all([store.now(), store.changes.wait(cursor, 1)])
    return true
  } catch {
    return false
  }
}

async function soon(t: Test, store: Store): Promise<void> {
  const start = performance.now()
  await eventually(works(store), SOON_MS)
  t.comment(`it works again after ${Math.round(performance.now() - start)} ms`)
}

t.test('finds a Cluster again whose nodes all came back at other addresses', async (t) => {
  const masters = await startMasters(t)
  const front = await startFront(t)
  front.turnTo(masters.nodes[0]?.url ?? '')
  const { store } = await open(t, `redis+cluster://127.0.0.1:${new URL(front.url).port}`)
  await eventually(works(store))
  const before = await store.identity()
  await masters.move()
  t.notOk(await works(store)(), 'nobody is left where it looks')
  front.turnTo(masters.nodes[0]?.url ?? '')
  await soon(t, store)
  t.equal((await store.identity()).id, before.id)
})

t.test('finds it again where the old addresses take connections and never answer', async (t) => {
  const [old, fresh] = await Promise.all([startMasters(t), startMasters(t, { count: 1 })])
  const front = await startFront(t)
  front.turnTo(old.nodes[0]?.url ?? '')
  const { store, troubles } = await open(t, `redis+cluster://127.0.0.1:${new URL(front.url).port}`)
  await eventually(works(store))
  t.teardown(() => Promise.all(old.nodes.map((node) => node.kill('SIGCONT'))))
  await Promise.all(old.nodes.map((node) => node.kill('SIGSTOP')))
  front.turnTo(fresh.nodes[0]?.url ?? '')
  await soon(t, store)
  t.ok(troubles().some(({ cause, place }) => cause === 'no_answer' && place.kind === 'node'))
})

t.test(
  'a node that announces where nothing listens is named, and found once it does not',
  async (t) => {
    const masters = await startMasters(t, { count: 1, args: ['--cluster-announce-ip', NOWHERE] })
    const [node] = masters.nodes
    const { store, troubles } = await open(t, seedsOf(masters.nodes))
    await eventually(() => troubles().length > 0)
    t.match(troubles()[0], {
      cause: 'refused',
      place: { kind: 'node', host: NOWHERE, port: node?.port ?? 0 },
    })
    t.match(store.trouble(), /127\.0\.0\.99.*VALETKEY_REDIS_NAT_MAP/)
    await masters.tell('CONFIG', 'SET', 'cluster-announce-ip', '127.0.0.1')
    await soon(t, store)
    t.equal(store.trouble(), undefined)
    for (const ip of [NOWHERE, '127.0.0.1', NOWHERE, '127.0.0.1']) {
      await masters.tell('CONFIG', 'SET', 'cluster-announce-ip', ip)
      await masters.tell('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await eventually(async () => (await works(store)()) === (ip === '127.0.0.1'), SOON_MS)
    }
  },
)

t.test('translates announced addresses', async (t) => {
  const masters = await startMasters(t, { count: 1, args: ['--cluster-announce-ip', NOWHERE] })
  const port = masters.nodes[0]?.port ?? 0
  for (const map of [`${NOWHERE}:${port}=127.0.0.1:${port}`, `${NOWHERE}=127.0.0.1`]) {
    const { store, troubles } = await open(t, seedsOf(masters.nodes), { nat: parseNatMap(map) })
    await eventually(works(store))
    t.same(troubles(), [], map)
  }
})

t.test('translates the master that a Sentinel names', async (t) => {
  const redis = await startRedis()
  const { port } = redis
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-sentinel-'))
  const config = join(folder, 'sentinel.conf')
  await writeFile(config, `sentinel monitor main ${NOWHERE} ${port} 1\n`)
  const sentinel = await startRedis({ config, args: ['--sentinel'] })
  t.teardown(async () => {
    await Promise.all([redis.stop(), sentinel.stop()])
    await rm(folder, { recursive: true })
  })
  const url = `redis+sentinel://127.0.0.1:${sentinel.port}/main`
  const { store, troubles } = await open(t, url)
  await eventually(() => troubles().length > 0)
  t.match(troubles()[0], { cause: 'refused', place: { kind: 'node', host: NOWHERE, port } })
  t.notOk(await works(store)())
  const nat = parseNatMap(`${NOWHERE}:${port}=127.0.0.1:${port}`)
  const translated = await open(t, url, { nat })
  await eventually(works(translated.store))
})

t.test('a Cluster of one node that knows no address of its own is a Cluster', async (t) => {
  const masters = await startMasters(t, { count: 1 })
  const { store, troubles } = await open(t, seedsOf(masters.nodes))
  await eventually(works(store))
  t.same(troubles(), [])
})

t.test('a node without an endpoint is the one that was asked', async (t) => {
  for (const [type, count] of [
    ['unknown-endpoint', 1],
    ['unknown-endpoint', 3],
    ['hostname', 3],
  ] as const) {
    const args = ['--cluster-preferred-endpoint-type', type]
    const masters = await startMasters(t, { count, args })
    const { store, troubles } = await open(t, seedsOf(masters.nodes))
    await eventually(works(store))
    await store.documents.write('k', 'd', '', { expected: 'any' })
    t.same(troubles(), [], `${count} × ${type}`)
  }
})
