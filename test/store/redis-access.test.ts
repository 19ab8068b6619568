/** What opens a Redis: names, certificates and passwords, and that they change. */

import { once } from 'node:events'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecureContext, createServer } from 'node:tls'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { createRedisStore, type RedisStoreOptions } from '../../src/store/redis/redis-store.ts'
import type { RedisEvent } from '../../src/store/redis-connection/connection.ts'
import type { Store } from '../../src/store/store.ts'
import { createAuthority } from '../support/authority.ts'
import { eventually } from '../support/eventually.ts'
import { bulk, handshake, startFakeRedis } from '../support/fake-redis.ts'
import { ask, freePort, type RedisServer, startRedis } from '../support/redis.ts'
import { startMasters } from '../support/redis-masters.ts'
import { startTlsRedis, tlsFiles } from '../support/redis-tls.ts'

type Options = Partial<RedisStoreOptions['connection']>

async function open(t: Test, url: string, options: Options = {}) {
  const events: RedisEvent[] = []
  const store = await createRedisStore({
    connection: { url: new Secret(url), ...options },
    onEvent: (event) => events.push(event),
  })
  t.teardown(() => store.close())
  const causes = () =>
    new Set(events.flatMap((event) => (event.type === 'error' ? [event.error.cause] : [])))
  return { store, causes, events }
}

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'valetkey-access-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

const works = (store: Store) => async () => {
  try {
    await Promise.all([store.now(), store.changes.tail()])
    return true
  } catch {
    return false
  }
}

const tell = (server: RedisServer, password: string, ...command: readonly string[]) =>
  ask(server.port, async (client) => {
    if (password !== '') await client.auth(password)
    const [name = '', ...args] = command
    return client.call(name, ...args)
  })

/** In front of a server: has the right certificate for whoever asks for the name alone, as routers of TLS have. */
async function startRouter(t: Test, name: string, port: number) {
  const authority = createAuthority(t)
  const asked: (string | false | null)[] = []
  const right = authority.issue({ san: `DNS:${name}`, purpose: 'serverAuth' })
  const router = createServer({
    ...authority.issue({ san: 'DNS:nobody.invalid', purpose: 'serverAuth' }),
    SNICallback(asks, done) {
      done(null, asks === name ? createSecureContext(right) : undefined)
    },
  })
  const sockets = new Set<Socket>()
  router.on('secureConnection', (client) => {
    asked.push(client.servername)
    const server = connect(port, '127.0.0.1')
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
    }
    client.pipe(server).pipe(client)
  })
  router.on('tlsClientError', () => undefined)
  router.listen(0, '127.0.0.1')
  await once(router, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    router.close()
  })
  const caFile = join(await folder(t), 'ca.pem')
  await writeFile(caFile, authority.certificate)
  return { port: (router.address() as { port: number }).port, caFile, asked }
}

t.test('asks for the server by its name', async (t) => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const router = await startRouter(t, 'localhost', redis.port)
  const { caFile } = router
  const { store } = await open(t, `rediss://localhost:${router.port}`, { caFile })
  await eventually(works(store))
  t.strictSame(new Set(router.asked), new Set(['localhost']))
  const { causes } = await open(t, `rediss://127.0.0.1:${router.port}`, { caFile })
  await eventually(() => causes().has('certificate_name'))
})

t.test('asks for the name that the URL gives, at each server', async (t) => {
  const single = await startTlsRedis(t, { san: 'DNS:redis.example.com' })
  const { caFile } = single
  const { store } = await open(t, `${single.url}?sni=redis.example.com`, { caFile })
  await eventually(works(store))

  const files = await tlsFiles(t, 'DNS:redis.example.com')
  const ca = { caFile: files.caFile }
  const masters = await startMasters(t, {
    tls: files,
    args: ['--tls-auth-clients', 'no'],
  })
  const seeds = masters.ports.map((port) => `127.0.0.1:${port}`).join(',')
  const named = await open(t, `rediss+cluster://${seeds}?sni=redis.example.com`, ca)
  await eventually(works(named.store))
  t.same(named.causes(), new Set())
  const unnamed = await open(t, `rediss+cluster://${seeds}`, ca)
  await eventually(() => unnamed.causes().has('certificate_name'))
})

t.test('proves itself by a certificate, and by the one that lies there now', async (t) => {
  const files = await tlsFiles(t, 'DNS:localhost,IP:127.0.0.1')
  const redis = await startRedis({ args: async (port) => files.serverArgs(port) })
  t.teardown(() => redis.stop())
  const { certFile, keyFile } = await files.client()
  const { caFile } = files
  const good = await open(t, `rediss://localhost:${redis.port}`, { caFile, certFile, keyFile })
  await eventually(works(good.store))

  const stranger = createAuthority(t, 'Another CA').issue({ purpose: 'clientAuth' })
  const own = {
    caFile,
    certFile: await files.write('own.crt', stranger.cert),
    keyFile: await files.write('own.key', stranger.key),
  }
  const bad = await open(t, `rediss://localhost:${redis.port}`, own)
  await eventually(() => bad.causes().has('client_certificate_refused'))
  const { cert, key } = files.issueClient()
  await files.write('own.crt', cert)
  await eventually(() => bad.causes().has('settings_unreadable'))
  await files.write('own.key', key)
  await eventually(works(bad.store))
})

t.test('proves itself to Sentinels and to nodes of a Cluster', async (t) => {
  const files = await tlsFiles(t, 'DNS:localhost,IP:127.0.0.1')
  const { certFile, keyFile } = await files.client()
  const proof = { caFile: files.caFile, certFile, keyFile }
  const masters = await startMasters(t, { tls: files })
  const { store } = await open(t, `rediss+cluster://localhost:${masters.ports[0]}`, proof)
  await eventually(works(store))

  const redis = await startRedis({ args: async (port) => files.serverArgs(port) })
  t.teardown(() => redis.stop())
  const config = join(await folder(t), 'sentinel.conf')
  await writeFile(config, `sentinel monitor main 127.0.0.1 ${redis.port} 1\n`)
  const sentinel = await startRedis({
    config,
    args: async (port) => [...files.serverArgs(port), '--sentinel'],
  })
  t.teardown(() => sentinel.stop())
  const behind = await open(t, `rediss+sentinel://localhost:${sentinel.port}/main`, proof)
  await eventually(works(behind.store))
})

t.test('reads the URL again at each connection', async (t) => {
  const redis = await startRedis({ args: ['--requirepass', 'first'] })
  t.teardown(() => redis.stop())
  const urlFile = join(await folder(t), 'url')
  const write = async (password: string) => {
    await writeFile(`${urlFile}.new`, `redis://:${password}@127.0.0.1:${redis.port}\n`)
    await rename(`${urlFile}.new`, urlFile)
  }
  await write('first')
  const { store, causes } = await open(t, `redis://:first@127.0.0.1:${redis.port}`, { urlFile })
  await eventually(works(store))
  await tell(redis, 'first', 'CONFIG', 'SET', 'requirepass', 'second')
  await write('second')
  await tell(redis, 'second', 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await eventually(works(store))
  t.notOk(causes().has('password_wrong'))

  for (const [bad, cause] of [
    ['nonsense', 'settings_unreadable'],
    ['redis+cluster://127.0.0.1:1', 'settings_other_kind'],
  ] as const) {
    await writeFile(urlFile, bad)
    await tell(redis, 'second', 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await eventually(() => causes().has(cause))
    await eventually(works(store))
  }
})

t.test('the nodes of a Cluster are opened by what the file says now', async (t) => {
  const masters = await startMasters(t, { args: ['--requirepass', 'first'], password: 'first' })
  const urlFile = join(await folder(t), 'url')
  const seeds = masters.ports.map((port) => `127.0.0.1:${port}`).join(',')
  const urlWith = (password: string) => `redis+cluster://:${password}@${seeds}`
  await writeFile(urlFile, urlWith('first'))
  const { store } = await open(t, urlWith('first'), { urlFile })
  await eventually(works(store))
  for (const node of masters.nodes) {
    await tell(node, 'first', 'CONFIG', 'SET', 'requirepass', 'second')
  }
  await writeFile(urlFile, urlWith('second'))
  for (const node of masters.nodes) {
    await tell(node, 'second', 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await eventually(works(store))
  }
})

t.test('a server elsewhere is found once the file names it', async (t) => {
  const [one, other] = await Promise.all([startRedis(), startRedis()])
  t.teardown(() => Promise.all([one.stop(), other.stop()]))
  const urlFile = join(await folder(t), 'url')
  await writeFile(urlFile, one.url)
  const { store } = await open(t, one.url, { urlFile })
  const { id } = await store.identity()
  await writeFile(urlFile, other.url)
  await one.kill('SIGKILL')
  await eventually(works(store))
  t.not((await store.identity()).id, id)
})

t.test('works over a unix socket, in the database that is named', async (t) => {
  const path = join(await folder(t), 'redis.sock')
  const redis = await startRedis({ args: ['--unixsocket', path] })
  t.teardown(() => redis.stop())
  const { store } = await open(t, `redis+unix://${path}?db=3`)
  await store.documents.write('k', 'd', '', { expected: 'any' })
  t.match(await ask(redis.port, (client) => client.info('keyspace')), /^db3:/m)
  t.notMatch(await ask(redis.port, (client) => client.info('keyspace')), /^db0:/m)
})

t.test('a database is what the server says, at each connection', async (t) => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  await t.rejects(open(t, `${redis.url}/16`), /database of the URL/)
  const user = (...rights: readonly string[]) =>
    ask(redis.port, (client) =>
      client.call('ACL', 'SETUSER', 'u', 'on', '>p', '~*', '+@all', ...rights),
    )
  await user()
  const url = `redis://u:p@127.0.0.1:${redis.port}/5`
  const { store, causes } = await open(t, url)
  await store.documents.write('k', 'd', '', { expected: 'any' })
  await user('-select')
  await tell(redis, '', 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await eventually(() => causes().has('database'))
  await t.rejects(store.documents.write('k', 'e', '', { expected: 'any' }), {
    code: 'store_unavailable',
  })
  t.match(store.trouble(), /database/)
  t.notMatch(await ask(redis.port, (client) => client.info('keyspace')), /^db0:/m)
  await user('+select')
  await eventually(works(store))
  // All of its connections.
  await eventually(() => store.trouble() === undefined)
})

t.test('a server that says yes to SELECT and stays where it is, is found out', async (t) => {
  const fake = await startFakeRedis((command) => {
    const [name = '', sub = ''] = command
    if (name === 'client' && sub.toUpperCase() === 'INFO') return bulk('id=3 addr=a:1 db=0 sub=0')
    return handshake(command) ?? '-ERR\r\n'
  })
  t.teardown(() => fake.stop())
  await t.rejects(open(t, `${fake.url}/5`), /database of the URL/)
})

t.test('a Cluster without such a database is no other one', async (t) => {
  const masters = await startMasters(t, { count: 1 })
  const url = `redis+cluster://127.0.0.1:${masters.nodes[0]?.port}/3`
  await t.rejects(open(t, url), /database of the URL/)
})

t.test('INFO may be missing, and then nobody says that all is well', async (t) => {
  const renamed = await startRedis({ args: ['--rename-command', 'INFO', ''] })
  const forbidden = await startRedis()
  t.teardown(() => Promise.all([renamed.stop(), forbidden.stop()]))
  await ask(forbidden.port, (client) =>
    client.call('ACL', 'SETUSER', 'u', 'on', '>p', '~*', '+@all', '-info'),
  )
  for (const url of [renamed.url, `redis://u:p@127.0.0.1:${forbidden.port}`]) {
    const { store, events, causes } = await open(t, url)
    await store.documents.write('k', 'd', '', { expected: 'any' })
    await eventually(() => events.some(({ type }) => type === 'eviction_unknown'))
    t.equal(store.evictionPolicy(), undefined)
    t.same(causes(), new Set(), 'which is no trouble')
  }
  const { store } = await open(t, forbidden.url)
  await eventually(() => store.evictionPolicy() === 'noeviction')
})

t.test('files that cannot be used are refused at once', async (t) => {
  const files = await tlsFiles(t, 'IP:127.0.0.1')
  const { certFile, keyFile } = await files.client()
  const url = `rediss://127.0.0.1:${await freePort()}`
  await t.rejects(open(t, url, { certFile: '/nowhere/cert.pem', keyFile }), /certificate.*ENOENT/)
  await t.rejects(open(t, url, { certFile, keyFile: certFile }), /cannot be used/)
  await t.rejects(open(t, url, { caFile: keyFile, certFile, keyFile: files.caFile }), /cannot be/)
})

t.test('is reached when each of its connections is', async (t) => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const admin = new Redis({ port: redis.port, host: '127.0.0.1' })
  t.teardown(() => admin.disconnect())
  // One more.
  await admin.config('SET', 'maxclients', 2)
  const { store, causes } = await open(t, redis.url)
  await eventually(() => causes().has('clients_full'))
  t.notOk(store.wasReached())
  await admin.config('SET', 'maxclients', 100)
  await eventually(() => store.wasReached())
  await eventually(works(store))
})
