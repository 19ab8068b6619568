/** What an operator reads where Redis is there, and is not what is needed. */
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { newAdminKey, startBrokerProcess } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { ask, freePort, startRedis, startReplica } from '../support/redis.ts'
import { startMasters } from '../support/redis-masters.ts'
import {
  isTrouble,
  keyring,
  linesOf,
  readTrouble,
  redis,
  sentinelOf,
  type Troubles,
} from './redis-trouble.ts'

t.setTimeout(300_000)

const TROUBLES: Troubles = {
  'a Sentinel in the place of Redis': async (t) => {
    const { url, port } = await sentinelOf(t, await redis(t))
    return { url, port, cause: 'is_a_sentinel', code: 'SENTINEL' }
  },
  'Redis alone in the place of a Cluster': async (t) => {
    const { port } = await redis(t)
    const url = `redis+cluster://127.0.0.1:${port}`
    return { url, port, node: 'seed', cause: 'not_a_cluster', code: 'ERR', command: 'cluster' }
  },
  'one node in the place of a Cluster': async (t) => {
    const { nodes } = await startMasters(t)
    const answers = await Promise.all(
      nodes.map(({ port }) => ask(port, (client) => client.call('GET', '{vk}'))),
    )
    const [stranger] = nodes.filter((_, index) => answers[index] === undefined)
    const { url = '', port = 0 } = stranger ?? {}
    return { url, port, cause: 'is_a_cluster', code: 'MOVED' }
  },
  'a Cluster that is down': async (t) => {
    const { nodes, tell } = await startMasters(t, { count: 1 })
    await tell('CLUSTER', 'DELSLOTSRANGE', 0, 100)
    const port = nodes[0]?.port ?? 0
    const url = `redis+cluster://127.0.0.1:${port}`
    return { url, port, node: 'seed', cause: 'cluster_down', code: 'CLUSTERDOWN' }
  },
  'a Cluster that announces where nothing listens': async (t) => {
    const args = ['--cluster-announce-ip', '127.0.0.99']
    const { nodes } = await startMasters(t, { count: 1, args })
    const port = nodes[0]?.port ?? 0
    const url = `redis+cluster://127.0.0.1:${port}`
    const host = '127.0.0.99'
    return { url, host, port, node: 'node', cause: 'refused', code: 'ECONNREFUSED' }
  },
  'a Cluster that announces a name which does not resolve': async (t) => {
    const host = 'no-such-node.invalid'
    const args = ['--cluster-announce-hostname', host]
    const more = ['--cluster-preferred-endpoint-type', 'hostname']
    const { nodes } = await startMasters(t, { count: 1, args: [...args, ...more] })
    const port = nodes[0]?.port ?? 0
    const url = `redis+cluster://127.0.0.1:${port}`
    const code = /ENOTFOUND|EAI_AGAIN/
    return { url, host, port, node: 'node', cause: 'host_unknown', code }
  },
  'the address of a read replica': async (t) => {
    const replica = await startReplica({ master: await redis(t) })
    t.teardown(() => replica.stop())
    const { url, port } = replica
    return { url, port, cause: 'read_replica', code: 'READONLY' }
  },
  'a replica that lost its primary': async (t) => {
    const port = await freePort()
    const args = ['--replicaof', '127.0.0.1', String(port), '--replica-serve-stale-data', 'no']
    const replica = await redis(t, ...args)
    // Scripts are refused before it is said that it is a replica.
    const code = /MASTERDOWN|READONLY/
    return { url: replica.url, port: replica.port, cause: 'primary_away', code }
  },
  'a database that is not there': async (t) => {
    const { url, port } = await redis(t)
    return { url: `${url}/16`, port, cause: 'database', code: 'ERR', command: 'select' }
  },
  'a database that the user may not select': async (t) => {
    const { port } = await redis(t)
    await ask(port, (client) =>
      client.call('ACL', 'SETUSER', 'u', 'on', '>p', '~*', '+@all', '-select'),
    )
    const url = `redis://u:p@127.0.0.1:${port}/5`
    return { url, port, cause: 'database', code: 'NOPERM', command: 'select' }
  },
  'memory that is full': async (t) => {
    const { url, port } = await redis(t, '--maxmemory', '1')
    return { url, port, cause: 'memory_full', code: 'OOM' }
  },
  'a disk that takes nothing': async (t) => {
    const server = await redis(t, '--save', '3600 1000')
    await rm(server.dir, { recursive: true })
    await eventually(async () => {
      await ask(server.port, (client) => client.bgsave())
      const info = await ask(server.port, (client) => client.info('persistence'))
      return info?.includes('rdb_last_bgsave_status:err')
    })
    const { url, port } = server
    return { url, port, cause: 'disk_failed', code: 'MISCONF' }
  },
  'a script that does not end': async (t) => {
    const { url, port } = await redis(t, '--busy-reply-threshold', '50')
    const endless = new Redis({ port, host: '127.0.0.1', retryStrategy: () => null })
    t.teardown(() => endless.disconnect())
    endless.eval('while true do end', 0).catch(() => undefined)
    await eventually(async () => {
      const isFree = await ask(port, (client) => client.ping())
      return isFree === undefined
    })
    return { url, port, cause: 'script_busy', code: 'BUSY' }
  },
  'data that are being loaded': async (t) => {
    // 5 ms a key, and an ear for clients after each kilobyte.
    const slowly = ['--key-load-delay', '5000', '--loading-process-events-interval-bytes', '1024']
    const server = await redis(t, '--save', '3600 100000', ...slowly)
    const keys = Array.from({ length: 10_000 }, (_, index) => [`key ${index}`, 'x'])
    await ask(server.port, (client) => client.mset(keys.flat()))
    await ask(server.port, (client) => client.save())
    // It says that it is ready when all is loaded, and nobody waits for that.
    server.restart().catch(() => undefined)
    const { url, port } = server
    await eventually(() => isLoading(port))
    return { url, port, cause: 'loading', code: 'LOADING' }
  },
  'too few replicas': async (t) => {
    const { url, port } = await redis(t, '--min-replicas-to-write', '1')
    return { url, port, cause: 'replicas_missing', code: 'NOREPLICAS' }
  },
  'too many clients': async (t) => {
    const { url, port } = await redis(t, '--maxclients', '1')
    await occupy(t, port)
    return { url, port, cause: 'clients_full', code: 'ERR' }
  },
  'a command that the user may not run': async (t) => {
    const { port } = await redis(t)
    await ask(port, (client) =>
      client.call('ACL', 'SETUSER', 'u', 'on', '>p', '~*', '+@all', '-evalsha', '-eval'),
    )
    const url = `redis://u:p@127.0.0.1:${port}`
    const cause = 'command_forbidden'
    return { url, port, cause, code: 'NOPERM', command: /^eval/ }
  },
  'a command that has another name': async (t) => {
    const { url, port } = await redis(t, '--rename-command', 'EVAL', '')
    const cause = 'command_missing'
    return { url, port, cause, code: 'ERR', command: 'eval' }
  },
}

async function isLoading(port: number): Promise<boolean> {
  const info = await ask(port, (client) => client.info('persistence'))
  return info?.includes('loading:1') ?? false
}

/** A client that stays. */
async function occupy(t: Test, port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write('PING\r\n')
  await once(socket, 'data')
}

for (const [what, make] of Object.entries(TROUBLES)) {
  t.test(`${what} is one line, and in /readyz, with what to do`, (t) => readTrouble(t, make))
}

t.test('a primary that becomes a replica is named while the changes fail', async (t) => {
  const [server, other] = await Promise.all([startRedis(), startRedis()])
  t.teardown(() => Promise.all([server.stop(), other.stop()]))
  const adminKey = newAdminKey()
  const env = { VALETKEY_REDIS_URL: server.url, VALETKEY_KEYRING: keyring }
  const broker = await startBrokerProcess(t, { env, adminKey })
  const role = (...to: readonly string[]) =>
    ask(server.port, (client) => client.call('REPLICAOF', ...to))
  await role('127.0.0.1', String(other.port))
  const trouble = async () => {
    const { body } = await broker.call('GET', '/readyz')
    return body.checks.find(({ name }: { name: string }) => name === 'store_trouble')
  }
  await eventually(async () => (await trouble()).detail.includes('docs/redis.md#read_replica'))
  t.equal((await broker.call('GET', '/readyz')).status, 200, 'what is in memory serves on')
  t.match(
    linesOf(broker.output()).find((line) => line.cause === 'read_replica'),
    { code: 'READONLY', host: '127.0.0.1', port: server.port },
  )
  await role('NO', 'ONE')
  await eventually(async () => (await trouble()).ok)
})

t.test('what is no trouble is said in the log, like all else', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  await ask(server.port, (client) =>
    client.call('ACL', 'SETUSER', 'u', 'on', '>p', '~*', '+@all', '-info', '-client'),
  )
  for (const [userinfo, said] of [
    ['u:p', /it is unknown.*INFO cannot be run/],
    [':canary', /it has no password/],
  ] as const) {
    const adminKey = newAdminKey()
    const url = `redis://${userinfo}@127.0.0.1:${server.port}`
    const env = { VALETKEY_REDIS_URL: url, VALETKEY_KEYRING: keyring }
    const broker = await startBrokerProcess(t, { env, adminKey })
    await eventually(() => said.test(broker.output()))
    t.equal(linesOf(broker.output()).filter(isTrouble).length, 1, 'and no line is no JSON')
    t.notMatch(broker.output(), /canary/)
    const { body } = await broker.call('GET', '/readyz')
    const eviction = body.checks.find(({ name }: { name: string }) => name === 'store_eviction')
    const isKnown = userinfo === ':canary'
    t.match(eviction, { ok: isKnown, detail: isKnown ? /^nothing is dropped/ : /^unknown/ })
    await broker.kill('SIGTERM')
  }
})
