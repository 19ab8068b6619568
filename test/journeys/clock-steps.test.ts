/** Clocks that somebody sets while the service runs: no age may be measured by them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'

const HOUR_MS = 3_600_000
const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins

/** Another broker made it: one that makes a key hears of that a moment later, and reads the key once more. */
async function keyIn(t: Test, redisUrl: string) {
  const keyring = generateKeyring(Date.now()).reveal()
  const env = { VALETKEY_KEYRING: keyring }
  const maker = await startBroker(t, { loginHosts: [myDomain], redisUrl, env })
  const body = { name: 'reader', permissions: ['tokens:read'], integrations: ['*'] }
  const { key } = (await maker.call('POST', '/api-keys', { body })).body
  await maker.stop()
  return { keyring, key }
}

t.test('an API key that an outage ended stays ended when the clock is set back', async (t) => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  let aheadMs = 0
  const { keyring, key } = await keyIn(t, redis.url)
  const { call } = await startBroker(t, {
    loginHosts: [myDomain],
    redisUrl: redis.url,
    now: () => Date.now() + aheadMs,
    monotonic: () => performance.now(),
    env: { VALETKEY_KEYRING: keyring, VALETKEY_STORELESS_SECONDS: '2' },
  })
  const whoami = async () => (await call('GET', '/whoami', { key })).status
  t.equal(await whoami(), 200)
  await redis.stop()
  t.equal(await whoami(), 200, 'memory serves for a while')
  await eventually(async () => (await whoami()) === 503)
  aheadMs = -HOUR_MS
  t.equal(await whoami(), 503)
  aheadMs = HOUR_MS
  t.equal(await whoami(), 503)
})

t.test('an API key that memory may serve is served, whatever the clock is set to', async (t) => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  let aheadMs = 0
  const { keyring, key } = await keyIn(t, redis.url)
  const { call } = await startBroker(t, {
    loginHosts: [myDomain],
    redisUrl: redis.url,
    now: () => Date.now() + aheadMs,
    monotonic: () => performance.now(),
    env: { VALETKEY_KEYRING: keyring },
  })
  const whoami = async () => (await call('GET', '/whoami', { key })).status
  t.equal(await whoami(), 200)
  await redis.stop()
  for (const step of [HOUR_MS, -HOUR_MS]) {
    aheadMs = step
    t.equal(await whoami(), 200)
  }
})

t.test(
  'an address that was blocked is free after its minute, however the clock was set',
  async (t) => {
    let aheadMs = 0
    const { call } = await startBroker(t, {
      loginHosts: [myDomain],
      now: () => Date.now() + aheadMs,
      monotonic: () => performance.now(),
    })
    const ask = () => call('GET', '/whoami', { key: 'vk_wrong' })
    await eventually(async () => (await ask()).status === 429)
    aheadMs = -HOUR_MS
    const { status, headers } = await ask()
    t.equal(status, 429)
    t.ok(Number(headers.get('retry-after')) <= 61, `retry after ${headers.get('retry-after')} s`)
  },
)

t.test('what the embedded store holds ends in its time though the clock is set back', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-steps-'))
  const { now: wall } = Date
  let aheadMs = 0
  Date.now = () => wall() + aheadMs
  const store = createEmbeddedStore({ dataDir })
  t.teardown(async () => {
    Date.now = wall
    await store.close()
    await rm(dataDir, { recursive: true, force: true })
  })
  const expiresAt = (await store.now()) + 100
  await store.documents.write('mark', 'short', '{}', { expected: 'any', expiresAt })
  await store.locks.acquire('lock', 'one', 100)
  aheadMs = -HOUR_MS
  await eventually(async () => (await store.documents.read('mark', 'short')) === undefined, 5_000)
  await eventually(() => store.locks.acquire('lock', 'two', 100), 5_000)
  aheadMs = HOUR_MS
  await store.locks.acquire('other', 'one', 100)
  aheadMs = 0
  await eventually(() => store.locks.acquire('other', 'two', 100), 5_000)
})
