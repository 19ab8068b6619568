/** The process as it runs in production: how it starts, refuses to start, stops, dies and comes back. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import type { Environment } from '../../src/config/config.ts'
import {
  type BrokerProcess,
  newAdminKey,
  spawnValetkey,
  startBrokerProcess,
  startUnreadyProcess,
} from '../support/broker.ts'
import { createCaller } from '../support/caller.ts'
import { eventually } from '../support/eventually.ts'
import { openRaw } from '../support/raw-http.ts'
import { startRedis } from '../support/redis.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'valetkey-process-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Whether nobody listens there. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    return false
  }
  await new Promise((resolve) => server.close(resolve))
  return true
}

/** Runs a command to its end. */
async function run(args: readonly string[], env: Environment = {}) {
  const child = spawnValetkey(args, env)
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (text) => {
    stdout += text
  })
  child.stderr?.on('data', (text) => {
    stderr += text
  })
  const [code] = await once(child, 'close')
  return { code, stdout, stderr }
}

/** An integration of an app that the simulator knows. */
async function register({ call }: Pick<BrokerProcess, 'call'>, name = 'billing') {
  const app = simulator.addClientCredentialsApp()
  return call('PUT', `/integrations/${name}`, {
    body: {
      login_url: myDomain,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    },
  })
}

const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)

t.test('a first start makes its folder, keyring and admin key, for itself alone', async (t) => {
  const dataDir = join(await folder(t), 'data')
  const env = { VALETKEY_DATA_DIR: dataDir, VALETKEY_ADMIN_KEY: undefined }
  const broker = await startBrokerProcess(t, { adminKey: '', env })
  t.equal(await mode(dataDir), '700')
  for (const name of await readdir(dataDir)) t.equal(await mode(join(dataDir, name)), '600', name)
  const path = join(dataDir, 'admin.key')
  t.match(broker.output(), JSON.stringify(path))
  const adminKey = (await readFile(path, 'utf8')).trim()
  t.notMatch(broker.output(), adminKey)
  t.notMatch(
    broker.output(),
    (await readFile(join(dataDir, 'keyring'), 'utf8')).trim().split(':')[1],
  )
  t.equal((await createCaller(broker.url, adminKey)('GET', '/integrations')).status, 200)
  t.equal((await broker.call('GET', '/integrations', { key: null })).status, 401)
})

t.test('every mistake in the settings is said at once, and no secret', async (t) => {
  const secret = randomBytes(12).toString('hex')
  const { code, stdout, stderr } = await run(['serve'], {
    VALETKEY_PORT: secret,
    VALETKEY_ADMIN_KEY: secret,
    VALETKEY_KEYRING: `a:${secret}`,
    VALETKEY_REDIS_URL: `redis://:${secret}@host:1:2`,
    VALETKEY_LOGIN_HOSTS: 'a b',
    VALETKEY_WEBHOOK_SECRET_FILE: `/nowhere/${secret}`,
    VALETKEY_PROT: '1',
  })
  t.equal(code, 78)
  t.equal(stdout, '')
  for (const variable of [
    ...['PORT', 'ADMIN_KEY', 'KEYRING', 'REDIS_URL', 'LOGIN_HOSTS', 'WEBHOOK_SECRET_FILE', 'PROT'],
  ]) {
    t.match(stderr, `valetkey: VALETKEY_${variable}: `)
  }
  t.notMatch(stderr, secret)
})

t.test('a folder that another process holds, or that cannot be, ends the start', async (t) => {
  const dataDir = await folder(t)
  await startBrokerProcess(t, { adminKey: newAdminKey(), env: { VALETKEY_DATA_DIR: dataDir } })
  const port = { VALETKEY_PORT: '0', VALETKEY_METRICS_PORT: '0' }
  const second = await run(['serve'], { ...port, VALETKEY_DATA_DIR: dataDir })
  t.match(second, { code: 78, stdout: '', stderr: `VALETKEY_DATA_DIR: The data folder ${dataDir}` })
})

t.test('a port that is taken ends the start, and frees the folder', async (t) => {
  const dataDir = await folder(t)
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const address = taken.address()
  const port = typeof address === 'object' ? String(address?.port) : ''
  const env = { VALETKEY_DATA_DIR: dataDir, VALETKEY_PORT: port, VALETKEY_METRICS_PORT: '0' }
  const { code, stderr } = await run(['serve'], env)
  t.equal(code, 78)
  const where = `127.0.0.1:${port} (EADDRINUSE)`
  const cure = 'another process uses this port; stop it, or set VALETKEY_PORT to a free port'
  t.equal(stderr, `valetkey: VALETKEY_PORT: cannot listen on ${where}: ${cure}\n`)
  const adminKey = newAdminKey()
  await startBrokerProcess(t, { adminKey, env: { VALETKEY_DATA_DIR: dataDir } })
})

t.test('SIGTERM lets the requests in flight end, and takes no more', async (t) => {
  simulator.clear()
  const options = {
    adminKey: newAdminKey(),
    env: { VALETKEY_DATA_DIR: await folder(t), VALETKEY_LOGIN_HOSTS: myDomain },
  }
  const broker = await startBrokerProcess(t, options)
  await register(broker)
  const hold = simulator.addFault({ kind: 'hold' })
  t.teardown(() => hold.remove())
  const { port } = new URL(broker.url)
  const connection = openRaw(Number(port))
  const head = `Host: broker\r\nAuthorization: Bearer ${options.adminKey}\r\n\r\n`
  connection.write(`GET /tokens/billing HTTP/1.1\r\n${head}`)
  await eventually(() => hold.holding() === 1)

  const signalledAt = performance.now()
  const exit = broker.kill('SIGTERM')
  await eventually(() => broker.output().includes('"stopping"'))
  connection.write(`GET /readyz HTTP/1.1\r\n${head}`)
  // Whoever comes anew is told that it stops, and soon is not let in any more. Nobody asks in the instant
  // in which the listener closes: the kernel resets who is in its queue then.
  t.equal((await fetch(`${broker.url}/readyz`)).status, 503)
  await eventually(() => isFree(Number(port)))
  await t.rejects(fetch(`${broker.url}/readyz`), { cause: { code: 'ECONNREFUSED' } })
  hold.remove()
  const token = await connection.answer()
  t.equal(token?.status, 200)
  t.ok(JSON.parse(token?.body ?? '{}').access_token)
  const ready = await connection.answer()
  t.match(
    { status: ready?.status, body: JSON.parse(ready?.body ?? '{}') },
    { status: 503, body: { ready: false } },
  )
  connection.destroy()
  t.equal(await exit, 0)
  t.ok(performance.now() - signalledAt < 10_000)

  const again = await startBrokerProcess(t, options)
  const served = await again.call('GET', '/tokens/billing')
  t.equal(served.status, 200)
  t.match(served.headers.get('cache-status'), /^valetkey; hit/, 'what was minted last was kept')
  t.equal(simulator.tokenRequests().length, 1)
  t.equal(await again.kill('SIGINT'), 0)
})

t.test('a request that never ends does not keep the process', async (t) => {
  const broker = await startBrokerProcess(t, {
    adminKey: newAdminKey(),
    env: { VALETKEY_DATA_DIR: await folder(t) },
  })
  const connection = openRaw(Number(new URL(broker.url).port))
  connection.write('PUT /integrations/a HTTP/1.1\r\nHost: broker\r\nContent-Length: 10\r\n\r\n')
  t.teardown(() => connection.destroy())
  const silent = openRaw(Number(new URL(broker.url).port))
  t.teardown(() => silent.destroy())
  await broker.call('GET', '/livez')
  const signalledAt = performance.now()
  t.equal(await broker.kill('SIGTERM'), 0)
  t.ok(performance.now() - signalledAt < 15_000, 'within 10 s, on a machine that is not busy')
  t.match(broker.output(), '"stopped"', 'and all the rest was stopped in order')
})

t.test('after SIGKILL everything that was acknowledged is there', async (t) => {
  simulator.clear()
  const options = {
    adminKey: newAdminKey(),
    env: { VALETKEY_DATA_DIR: await folder(t), VALETKEY_LOGIN_HOSTS: myDomain },
  }
  const broker = await startBrokerProcess(t, options)
  const etags = new Map<string, string | null>()
  for (const name of ['a', 'b', 'c']) {
    etags.set(name, (await register(broker, name)).headers.get('etag'))
  }
  await broker.call('DELETE', '/integrations/c', { headers: { 'if-match': '*' } })
  const token = await broker.call('GET', '/tokens/a')
  t.equal(token.status, 200)
  t.equal(await broker.kill('SIGKILL'), 'SIGKILL')

  const again = await startBrokerProcess(t, options)
  for (const name of ['a', 'b']) {
    const read = await again.call('GET', `/integrations/${name}`)
    t.equal(read.headers.get('etag'), etags.get(name), name)
  }
  t.equal((await again.call('GET', '/integrations/c')).status, 404)
  const served = await again.call('GET', '/tokens/a')
  t.equal(served.body.access_token, token.body.access_token)
  t.match(served.headers.get('cache-status'), /^valetkey; hit/)
  t.equal(simulator.tokenRequests().length, 1, 'without a new mint')
})

t.test('a start without Redis waits for it, alive and not ready', async (t) => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  await redis.kill('SIGKILL')
  const keyring = (await run(['keygen'])).stdout.trim()
  const broker = await startUnreadyProcess(t, {
    adminKey: newAdminKey(),
    env: { VALETKEY_REDIS_URL: redis.url, VALETKEY_KEYRING: keyring },
  })
  t.equal((await broker.call('GET', '/livez')).status, 200)
  t.match(await broker.call('GET', '/readyz'), { status: 503, body: { ready: false } })
  t.match(await broker.call('GET', '/integrations'), {
    status: 503,
    body: { code: 'store_unavailable' },
  })
  await redis.restart()
  const startedAt = performance.now()
  await eventually(async () => (await broker.call('GET', '/readyz')).status === 200)
  t.ok(performance.now() - startedAt < 10_000, 'within 2 s, on a machine that is not busy')
  t.equal((await broker.call('GET', '/integrations')).status, 200)
})

t.test('a bug is logged without its words, and ends the process with 70', async (t) => {
  const dir = await folder(t)
  const words = 'the-words-of-a-bug'
  const bugs = {
    unhandledRejection: `Promise.reject(new Error('${words}'))`,
    uncaughtException: `setImmediate(() => { throw new Error('${words}') })`,
  }
  for (const [kind, bug] of Object.entries(bugs)) {
    const hook = join(dir, `${kind}.mjs`)
    await writeFile(hook, `process.on('SIGUSR2', () => { ${bug} })\n`)
    const broker = await startBrokerProcess(t, {
      adminKey: newAdminKey(),
      env: { VALETKEY_DATA_DIR: join(dir, kind) },
      nodeArgs: ['--import', hook],
    })
    t.equal(await broker.kill('SIGUSR2'), 70, kind)
    t.match(broker.output(), new RegExp(`"level":"fatal".*"${kind}"`))
    t.notMatch(broker.output(), words)
  }
})

t.test('SIGUSR1 opens no debugger', async (t) => {
  const broker = await startBrokerProcess(t, {
    adminKey: newAdminKey(),
    env: { VALETKEY_DATA_DIR: await folder(t) },
  })
  broker.child.kill('SIGUSR1')
  await eventually(() => broker.output().includes('SIGUSR1'))
  t.equal((await broker.call('GET', '/livez')).status, 200)
  t.notMatch(broker.output(), /debugger listening/i)
})
