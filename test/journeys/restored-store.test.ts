/** A store that is put back while nothing runs: no rotating connection ends, and a restart that lost nothing needs nobody. */
import { once } from 'node:events'
import { copyFile, cp, mkdtemp, readdir, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import type { NewAppSeed } from '../../simulator/handle.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, spawnValetkey, startBroker, type TestBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'
import { ageBy, integrateConnected, presentedTo, SETTLE_MS } from '../support/refresh-tokens.ts'

t.setTimeout(120_000)

/** An app of its own, without a secret, may not ask whether a refresh token lives. */
const MAY_NOT_ASK: NewAppSeed = { secretRequiredForRefresh: false }

async function folderOf(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-restored-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

interface Options {
  /** Arguments of Redis; without: the embedded store. */
  readonly redisArgs?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

async function world(t: Test, { redisArgs, env = {} }: Options) {
  let aheadMs = 0
  const now = () => Date.now() + aheadMs
  const simulator = await startSimulator({ now })
  t.teardown(() => simulator.stop())
  const redis = redisArgs && (await startRedis({ args: redisArgs }))
  if (redis) t.teardown(() => redis.stop())
  const folder = await folderOf(t)
  const dataDir = join(folder, 'data')
  const options = {
    ...{ loginHosts: [simulator.origins.myDomain], dataDir, env },
    ...{ keyring: generateKeyring(Date.now()).reveal(), adminKey: newAdminKey() },
    ...(redis ? { redisUrl: redis.url } : { now }),
  }
  let broker: TestBroker = await startBroker(t, options)
  const call: TestBroker['call'] = (...args) => broker.call(...args)
  return {
    ...{ simulator, folder, dataDir, call },
    /** Of commands. */
    env: {
      ...{ VALETKEY_DATA_DIR: dataDir, VALETKEY_KEYRING: options.keyring },
      ...(redis && { VALETKEY_REDIS_URL: redis.url }),
    },
    redis: redis as NonNullable<typeof redis>,
    logs: () => broker.logs(),
    stop: () => broker.stop(),
    another: () => startBroker(t, options),
    async start() {
      broker = await startBroker(t, options)
    },
    async connect(name: string, seed: NewAppSeed = {}) {
      const app = await integrateConnected({ simulator, call }, name, seed)
      if (seed.secretRequiredForRefresh !== false) return
      const { refreshToken } = simulator.approve({ clientId: app.clientId })
      const body = { credential: { refresh_token: refreshToken } }
      const patched = await call('PATCH', `/integrations/${name}`, {
        ...{ body, headers: { 'if-match': '*' } },
      })
      t.equal(patched.status, 200, JSON.stringify(patched.body))
    },
    token: (name: string) => call('GET', `/tokens/${name}`),
    /** Whatever lease there is, the refresh token is used. */
    async use(name: string) {
      const { body } = await call('GET', `/tokens/${name}`)
      simulator.endSessions()
      const query = body.token_id === undefined ? '' : `?rejected=${body.token_id}`
      return call('GET', `/tokens/${name}${query}`)
    },
    async pass(ms: number, names: readonly string[]) {
      if (redis) for (const name of names) await ageBy(redis.url, name, ms)
      else aheadMs += ms
    },
    async age() {
      const { body } = await call('GET', '/readyz')
      return body.checks.find(({ name }: { name: string }) => name === 'store_age')
    },
  }
}

type At = Awaited<ReturnType<typeof world>>

const isKnown = (at: At) => eventually(async () => (await at.age()).ok)
const isDoubted = (at: At) => eventually(async () => (await at.age()).detail.includes('accept'))

const nothingEnded = (t: Test, { simulator }: Pick<At, 'simulator'>) => {
  t.same(presentedTo(simulator).unasked, [])
  t.equal(presentedTo(simulator).replays, 0)
}

const DOUBTED = { status: 503, body: { code: 'refresh_token_doubted' } }

t.test(
  'an hour-old RDB put back: each token is asked about, and none that is used up',
  async (t) => {
    const at = await world(t, { redisArgs: ['--dbfilename', 'now.rdb'] })
    const { redis } = at
    for (const name of ['used', 'unused']) await at.connect(name)
    const raw = new Redis(redis.url)
    await raw.save()
    raw.disconnect()
    await copyFile(join(redis.dir, 'now.rdb'), join(redis.dir, 'then.rdb'))
    for (let times = 0; times < 3; times += 1) t.equal((await at.use('used')).status, 200)

    await at.stop()
    await redis.kill('SIGKILL')
    await copyFile(join(redis.dir, 'then.rdb'), join(redis.dir, 'now.rdb'))
    await redis.restart()
    await at.start()
    await isDoubted(at)
    t.match(at.logs(), /the store may be an old one/)
    t.match(await at.token('used'), DOUBTED)
    t.match((await at.token('unused')).body.remedy, /POST \/store\/accept/)
    await at.pass(SETTLE_MS, ['used', 'unused'])
    await eventually(async () => (await at.token('unused')).status === 200)
    await eventually(async () => (await at.token('used')).status === 409)
    t.match((await at.token('used')).body, { reason: 'store_rewound' })
    await isKnown(at)
    nothingEnded(t, at)
  },
)

t.test('a restart of everything that lost nothing needs nobody, with a witness', async (t) => {
  const folder = await folderOf(t)
  const at = await world(t, {
    redisArgs: ['--appendonly', 'yes', '--appendfsync', 'always'],
    env: { VALETKEY_WITNESS_FILE: join(folder, 'witness') },
  })
  await at.connect('crm', MAY_NOT_ASK)
  for (let restarts = 0; restarts < 2; restarts += 1) {
    t.equal((await at.use('crm')).status, 200)
    await at.stop()
    await at.redis.restart()
    await at.start()
    await isKnown(at)
  }
  t.equal((await at.use('crm')).status, 200)
  t.notMatch(at.logs(), /may be an old one/)
  nothingEnded(t, at)
})

t.test(
  'a truncated AOF is told by the witness, and only an operator goes on with it',
  async (t) => {
    const folder = await folderOf(t)
    const at = await world(t, {
      redisArgs: ['--appendonly', 'yes', '--appendfsync', 'always'],
      env: { VALETKEY_WITNESS_FILE: join(folder, 'witness') },
    })
    await at.connect('crm', MAY_NOT_ASK)
    const aofs = join(at.redis.dir, 'appendonlydir')
    const [name = ''] = (await readdir(aofs)).filter((file) => file.endsWith('.incr.aof'))
    const { size } = await stat(join(aofs, name))
    for (let times = 0; times < 2; times += 1) t.equal((await at.use('crm')).status, 200)

    await at.stop()
    await at.redis.kill('SIGKILL')
    await truncate(join(aofs, name), size)
    await at.redis.restart()
    await at.start()
    await isDoubted(at)
    t.match(at.logs(), /the store went back in time: presentations of refresh tokens are missing/)
    t.match(await at.age(), { ok: false, detail: /it went back in time/ })
    await at.pass(SETTLE_MS, ['crm'])
    t.match(await at.token('crm'), DOUBTED)
    nothingEnded(t, at)

    const accept = (body?: object) => at.call('POST', '/store/accept', body ? { body } : {})
    t.match(await accept({ restored: false }), { status: 409, body: { code: 'conflict' } })
    t.match(await accept({ restored: 1 }), { status: 400, body: { code: 'request_invalid' } })
    t.equal((await accept({ restored: true })).status, 204)
    await isKnown(at)
    t.not((await at.token('crm')).body.code, 'refresh_token_doubted')
  },
)

t.test('without a witness an operator says that nothing was restored', async (t) => {
  const at = await world(t, { redisArgs: ['--appendonly', 'yes', '--appendfsync', 'always'] })
  await at.connect('crm', MAY_NOT_ASK)
  t.equal((await at.use('crm')).status, 200)
  await at.stop()
  await at.redis.restart()
  await at.start()
  await isDoubted(at)
  t.equal((await at.token('crm')).status, 200, 'the lease is good all the while')
  t.match(await at.use('crm'), DOUBTED)
  const { status } = await at.call('POST', '/store/accept', { body: { restored: false } })
  t.equal(status, 204)
  await isKnown(at)
  await eventually(async () => (await at.use('crm')).status === 200)
  nothingEnded(t, at)
})

t.test('a Redis that restarts while replicas live needs nobody', async (t) => {
  const at = await world(t, { redisArgs: ['--appendonly', 'yes', '--appendfsync', 'always'] })
  const other = await at.another()
  await at.connect('crm', MAY_NOT_ASK)
  t.equal((await at.use('crm')).status, 200)
  await at.redis.restart()
  await eventually(async () => (await at.use('crm')).status === 200)
  await isKnown(at)
  t.notMatch(`${at.logs()}${other.logs()}`, /may be an old one|presentations of refresh tokens/)
  nothingEnded(t, at)
})

t.test('after a rewind under living replicas an integration is unsettled once', async (t) => {
  const at = await world(t, { redisArgs: ['--dbfilename', 'now.rdb'] })
  const { redis } = at
  const other = await at.another()
  await at.connect('crm')
  const raw = new Redis(redis.url)
  await raw.save()
  raw.disconnect()
  await copyFile(join(redis.dir, 'now.rdb'), join(redis.dir, 'then.rdb'))
  t.equal((await at.use('crm')).status, 200)
  await redis.kill('SIGKILL')
  await copyFile(join(redis.dir, 'then.rdb'), join(redis.dir, 'now.rdb'))
  await redis.restart()
  await isDoubted(at)
  await at.pass(SETTLE_MS, ['crm'])
  await eventually(async () => (await at.token('crm')).status === 200)
  await isKnown(at)
  // The other one used none since, and still knows of more than the store had.
  for (const call of [other.call, at.call, other.call]) {
    const { body } = await at.token('crm')
    at.simulator.endSessions()
    t.equal((await call('GET', `/tokens/crm?rejected=${body.token_id}`)).status, 200)
  }
  nothingEnded(t, at)
})

t.test('an embedded database that is put back, alone or with its whole folder', async (t) => {
  for (const what of ['file', 'folder']) {
    const at = await world(t, {})
    const { dataDir, folder } = at
    await at.connect('crm', MAY_NOT_ASK)
    await at.stop()
    await cp(dataDir, join(folder, 'then'), { recursive: true })
    await at.start()
    t.equal((await at.use('crm')).status, 200, 'a restart needs nobody')
    await at.stop()
    await at.start()
    t.equal((await at.use('crm')).status, 200)
    await at.stop()
    for (const file of await readdir(dataDir)) {
      if (what === 'folder' || file.startsWith('valetkey.db')) await rm(join(dataDir, file))
    }
    const from = join(folder, 'then', what === 'file' ? 'valetkey.db' : '')
    await cp(from, join(dataDir, what === 'file' ? 'valetkey.db' : ''), { recursive: true })
    await at.start()
    await isDoubted(at)
    t.match(await at.age(), { detail: /it went back in time/ }, what)
    await at.pass(SETTLE_MS, ['crm'])
    t.match(await at.token('crm'), DOUBTED)
    nothingEnded(t, at)
    await at.stop()
  }
})

t.test('a backup that valetkey restore puts back needs nobody', async (t) => {
  for (const redisArgs of [['--appendonly', 'yes', '--appendfsync', 'always'], undefined]) {
    const at = await world(t, redisArgs ? { redisArgs } : {})
    const file = join(at.folder, 'backup')
    const run = async (command: string, ...args: readonly string[]) => {
      const child = spawnValetkey([command, ...args], at.env)
      const [status] = await once(child, 'close')
      t.equal(status, 0, `${command} ${args.join(' ')}`)
    }
    await at.connect('crm', MAY_NOT_ASK)
    t.equal((await at.use('crm')).status, 200)
    await at.stop()
    await run('backup', '--out', file)
    if (redisArgs) await at.redis.restart()
    await run('restore', file, '--force')
    await at.start()
    await isKnown(at)
    t.notMatch(at.logs(), /may be an old one/)
    await at.pass(SETTLE_MS, ['crm'])
    await eventually(async () => (await at.use('crm')).status === 200)
    nothingEnded(t, at)
    await at.stop()
  }
})
