/** The keyring as an operator meets it: who may look, what is counted, and what a wrong step does. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, startBroker, type TestBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins

const newKey = () => {
  const text = generateKeyring(Date.now()).reveal()
  return { text, id: text.split(':')[0] ?? '' }
}

async function integrate({ call }: TestBroker, name: string) {
  const app = simulator.addClientCredentialsApp()
  const body = {
    login_url: myDomain,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  }
  // A busy machine lets Redis answer late, and sending it again is safe.
  await eventually(async () => (await call('PUT', `/integrations/${name}`, { body })).status < 300)
}

const checkOf = async ({ call }: TestBroker) => {
  const { status, body } = await call('GET', '/readyz')
  const check = body.checks.find(({ name }: { name: string }) => name === 'keyring')
  return { status, ...check } as { status: number; ok: boolean; detail: string }
}

async function folderOf(t: Test) {
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-keyring-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  return dataDir
}

t.test('a key that was dropped too early is named, with what would be lost', async (t) => {
  const dataDir = await folderOf(t)
  const [old, fresh] = [newKey(), newKey()]
  const start = (keyring: string) =>
    startBroker(t, { loginHosts: [myDomain], dataDir, keyring, adminKey })
  const adminKey = newAdminKey()
  const before = await start(old.text)
  await integrate(before, 'billing')
  t.equal((await before.call('GET', '/tokens/billing')).status, 200)
  await before.stop()

  const broker = await start(fresh.text)
  await eventually(async () => !(await checkOf(broker)).ok)
  const check = await checkOf(broker)
  t.equal(check.status, 200, 'it goes on serving what it can')
  const { body: lost } = await broker.call('GET', '/keyring')
  const { records, by_kind: kinds } = lost.keys[1]
  t.match(kinds, { credentials: 1, leases: 1 })
  t.ok(kinds.macs > 0, 'what proves the rest')
  t.match(check.detail, `records are sealed with a key that is not in the keyring: ${old.id}`)
  const line = broker
    .logs()
    .split('\n')
    .find((one) => /restore the key, otherwise they are lost/.test(one))
  t.match(JSON.parse(line ?? '{}'), {
    ...{ level: 'error', keyId: old.id },
    first: /^credentials billing, leases billing, macs billing/,
  })
  t.match(await broker.call('GET', '/tokens/billing'), {
    status: 503,
    body: { code: 'record_corrupt' },
  })
  const { body } = await broker.call('GET', '/keyring')
  t.match(body.keys, [
    {
      id: fresh.id,
      state: 'sealing',
      by_kind: { credentials: 0, leases: 0 },
      can_be_dropped: false,
    },
    { id: old.id, state: 'missing', records, can_be_dropped: false },
  ])
  t.equal((await broker.call('POST', '/keyring/reseal')).status, 202)
  await eventually(async () => (await broker.call('GET', '/keyring')).body.reseal.state === 'done')
  const failed = (await broker.call('GET', '/keyring')).body
  t.match(failed.reseal, { failed: records })
  t.equal(failed.keys[1].records, records, 'what cannot be opened is left as it is')
  await broker.stop()

  const cured = await start(`${fresh.text},${old.text}`)
  t.equal((await cured.call('GET', '/tokens/billing')).status, 200)
  t.ok((await checkOf(cured)).ok)
  await cured.call('POST', '/keyring/reseal')
  await eventually(
    async () => (await cured.call('GET', '/keyring')).body.keys[1].can_be_dropped === true,
  )
  t.equal((await cured.call('GET', '/tokens/billing')).status, 200)
})

t.test('a new key that is put first too early is refused, and said on both sides', async (t) => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const [old, fresh] = [newKey(), newKey()]
  const shared = { loginHosts: [myDomain], redisUrl: redis.url, adminKey: newAdminKey() }
  const former = await startBroker(t, { ...shared, keyring: old.text })
  await integrate(former, 'billing')
  const early = await startBroker(t, { ...shared, keyring: `${fresh.text},${old.text}` })
  await eventually(async () => !(await checkOf(early)).ok)
  t.match((await checkOf(early)).detail, `lacks the key that this one seals with: ${fresh.id}`)
  t.match(early.logs(), /the keyrings of the replicas are not compatible/)
  await eventually(async () => !(await checkOf(former)).ok, 60_000)
  t.match(
    (await checkOf(former)).detail,
    /seals with a key that this one lacks|is not in the keyring/,
  )
  const refused = await early.call('POST', '/keyring/reseal')
  t.match(refused, { status: 409, body: { code: 'conflict' } })
  t.match(refused.body.detail, 'append it to VALETKEY_KEYRING everywhere first')
  t.equal((await early.call('GET', '/keyring')).body.reseal, null)
  t.equal((await early.call('GET', '/keyring')).body.replicas.length, 2)

  await former.stop()
  t.equal((await early.call('POST', '/keyring/reseal')).status, 202, 'once that one is gone')
  await eventually(
    async () => (await early.call('GET', '/keyring')).body.keys[1].can_be_dropped === true,
  )
  t.equal((await early.call('GET', '/tokens/billing')).status, 200)
})

t.test('the keyring is for those who manage the service', async (t) => {
  const broker = await startBroker(t, { loginHosts: [myDomain] })
  const { call } = broker
  const reader = await call('POST', '/api-keys', {
    body: {
      name: 'reader',
      permissions: ['integrations:read', 'credentials:write', 'audit:read'],
      integrations: ['*'],
    },
  })
  const { key } = reader.body
  for (const [method, path] of [
    ['GET', '/keyring'],
    ['POST', '/keyring/reseal'],
  ] as const) {
    t.match(await call(method, path, { key }), { status: 403, body: { code: 'caller_forbidden' } })
    t.equal((await call(method, path, { key: null })).status, 401)
  }
  const { body } = await call('GET', '/keyring')
  const kinds = { credentials: 0, refresh_tokens: 0, leases: 0, revocations: 0, connections: 0 }
  t.match(body, { keys: [{ state: 'sealing', by_kind: kinds }], unreadable: 0, reseal: null })
})
