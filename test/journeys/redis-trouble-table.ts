/** Every trouble with Redis that a server, a network or a setting can make, each with what is to be read of it. */
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Environment } from '../../src/config.ts'
import type { RedisCause } from '../../src/store/redis-cause.ts'
import { createAuthority } from '../support/authority.ts'
import { ask, freePort, type RedisServer, startRedis, startReplica } from '../support/redis.ts'
import { startMasters } from '../support/redis-masters.ts'

export interface Trouble {
  readonly cause: RedisCause
  /** Of Redis, TLS or the network. */
  readonly code: string | RegExp
  readonly command?: string | RegExp
  readonly node?: 'server' | 'seed' | 'node' | 'sentinel'
  readonly host?: string
  readonly port?: number
  readonly url: string
  readonly env?: Environment
}

async function redis(t: Test, ...args: readonly string[]): Promise<RedisServer> {
  const server = await startRedis({ args })
  t.teardown(() => server.stop())
  return server
}

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'valetkey-troubles-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

async function tlsRedis(t: Test, san: string, ...args: readonly string[]) {
  const dir = await folder(t)
  const authority = createAuthority(t)
  const { cert, key } = authority.issue({ san, purpose: 'serverAuth' })
  const file = async (name: string, text: string) => {
    await writeFile(join(dir, name), text, { mode: 0o600 })
    return join(dir, name)
  }
  const [caFile, certFile, keyFile] = await Promise.all([
    file('ca.pem', authority.certificate),
    file('cert.pem', cert),
    file('key.pem', key),
  ])
  const server = await startRedis({
    args: async (port) => [
      ...['--port', '0', '--tls-port', String(port), '--tls-ca-cert-file', caFile],
      ...['--tls-cert-file', certFile, '--tls-key-file', keyFile, ...args],
    ],
  })
  t.teardown(() => server.stop())
  return { server, caFile, env: { VALETKEY_REDIS_CA_FILE: caFile } }
}

async function sentinelOf(t: Test, master: RedisServer, ...lines: readonly string[]) {
  const config = join(await folder(t), 'sentinel.conf')
  const watch = `sentinel monitor main 127.0.0.1 ${master.port} 1`
  await writeFile(config, [watch, ...lines, ''].join('\n'))
  const sentinel = await startRedis({ config, args: ['--sentinel'] })
  t.teardown(() => sentinel.stop())
  return sentinel
}

export const TROUBLES: Readonly<Record<string, (t: Test) => Promise<Trouble>>> = {
  'a host that does not resolve': async () => ({
    url: 'redis://no-such-host.invalid:6379',
    ...{ cause: 'host_unknown', code: /ENOTFOUND|EAI_AGAIN/ },
    ...{ host: 'no-such-host.invalid', port: 6379 },
  }),
  'a port at which nothing listens': async () => {
    const port = await freePort()
    return { url: `redis://127.0.0.1:${port}`, port, cause: 'refused', code: 'ECONNREFUSED' }
  },
  'a server that hangs': async (t) => {
    const { url, port, kill } = await redis(t)
    await kill('SIGSTOP')
    return { url, port, cause: 'no_answer', code: /TIMEOUT|TIMEDOUT/ }
  },
  'a socket that is not there': async () => ({
    url: 'redis+unix:///nowhere/redis.sock?db=0',
    ...{ cause: 'socket_missing', code: 'ENOENT', host: '/nowhere/redis.sock' },
  }),
  'TLS to a plain port': async (t) => {
    const { port } = await redis(t)
    return { url: `rediss://127.0.0.1:${port}`, port, cause: 'tls_unexpected', code: /./ }
  },
  'no TLS to a port with TLS': async (t) => {
    const { server } = await tlsRedis(t, 'IP:127.0.0.1')
    return { url: server.url, port: server.port, cause: 'tls_expected', code: /./ }
  },
  'a CA that is not trusted': async (t) => {
    const { port } = (await tlsRedis(t, 'IP:127.0.0.1')).server
    const code = /SIGNATURE|SIGNED|ISSUER/
    return { url: `rediss://127.0.0.1:${port}`, port, cause: 'certificate_untrusted', code }
  },
  'a certificate for another name': async (t) => {
    const { server, env } = await tlsRedis(t, 'DNS:redis.example.com')
    const { port } = server
    const code = 'ERR_TLS_CERT_ALTNAME_INVALID'
    return { url: `rediss://127.0.0.1:${port}`, env, port, cause: 'certificate_name', code }
  },
  'no client certificate where one is asked for': async (t) => {
    const { server, env } = await tlsRedis(t, 'IP:127.0.0.1')
    return {
      url: `rediss://127.0.0.1:${server.port}`,
      ...{ env, port: server.port, cause: 'client_certificate_missing', code: /REQUIRED/ },
    }
  },
  'a wrong password': async (t) => {
    const { port } = await redis(t, '--requirepass', 'parrot')
    return {
      url: `redis://:canary@127.0.0.1:${port}`,
      ...{ port, cause: 'password_wrong', code: 'WRONGPASS', command: 'auth' },
    }
  },
  'no password': async (t) => {
    const { url, port } = await redis(t, '--requirepass', 'parrot')
    return { url, port, cause: 'password_missing', code: 'NOAUTH' }
  },
  'a wrong password of the Sentinels': async (t) => {
    const { port } = await sentinelOf(t, await redis(t), 'requirepass parrot')
    const url = `redis+sentinel://127.0.0.1:${port}/main/0`
    const env = { VALETKEY_REDIS_SENTINEL_PASSWORD: 'canary' }
    const code = 'WRONGPASS'
    return { url, env, port, node: 'sentinel', cause: 'sentinel_password', code, command: 'auth' }
  },
  'no password of the Sentinels': async (t) => {
    const { port } = await sentinelOf(t, await redis(t), 'requirepass parrot')
    const url = `redis+sentinel://127.0.0.1:${port}/main/0`
    return { url, port, node: 'sentinel', cause: 'sentinel_password', code: 'NOAUTH' }
  },
  'a master that the Sentinels do not know': async (t) => {
    const { port } = await sentinelOf(t, await redis(t))
    const url = `redis+sentinel://127.0.0.1:${port}/other/0`
    return { url, port, node: 'sentinel', cause: 'master_unknown', code: 'ERR' }
  },
  'Redis in the place of a Sentinel': async (t) => {
    const { port } = await redis(t)
    const url = `redis+sentinel://127.0.0.1:${port}/main/0`
    return { url, port, node: 'sentinel', cause: 'not_a_sentinel', code: 'ERR' }
  },
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

/** A client that stays. */
async function occupy(t: Test, port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write('PING\r\n')
  await once(socket, 'data')
}
