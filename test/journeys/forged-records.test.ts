/** Somebody who can write the store, and has no key of the keyring. */
import { createHash, randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateApiKey } from '../../src/callers/api-key.ts'
import { generateKeyring, type Keyring, keyringOf } from '../../src/crypto/keyring.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { type BrokerOptions, newAdminKey, startBroker, type TestBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins

type Test = { teardown(end: () => unknown): void }

async function world(t: Test) {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const raw = new Redis(redis.url)
  t.teardown(() => raw.disconnect())
  const options: BrokerOptions = {
    loginHosts: [myDomain],
    redisUrl: redis.url,
    keyring: generateKeyring(Date.now()).reveal(),
    adminKey: newAdminKey(),
  }
  const start = (env: NonNullable<BrokerOptions['env']> = {}) => startBroker(t, { ...options, env })
  const keyring = keyringOf(new Secret(options.keyring ?? ''))
  /** The replica that says that every record has its code. */
  const settled = async (broker: TestBroker) => {
    await eventually(async () => (await checkOf(broker, 'store_macs')).ok)
    return broker
  }
  return { raw, keyring, start, settled }
}

const base = 'vk:{vk}:'

const checkOf = async ({ call }: TestBroker, name: string) => {
  const { body } = await call('GET', '/readyz')
  return body.checks.find((check: { name: string }) => check.name === name) as {
    ok: boolean
    detail: string
  }
}

function integration(labels = {}) {
  const app = simulator.addClientCredentialsApp()
  return {
    login_url: myDomain,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
    labels,
  }
}

async function integrate({ call }: TestBroker, name: string, labels = {}) {
  const body = integration(labels)
  // A busy machine lets Redis answer late, and sending it again is safe.
  await eventually(async () => (await call('PUT', `/integrations/${name}`, { body })).status < 300)
}

async function makeKey({ call }: TestBroker, name: string, labels = {}) {
  const body = { name, permissions: ['tokens:read'], integrations: ['*'], labels }
  const made = await call('POST', '/api-keys', { body })
  return made.body as { id: string; key: string }
}

/** With every permission. */
function forgedKey() {
  const made = generateApiKey(randomBytes)
  const body = {
    name: 'forged',
    permissions: ['tokens:read', 'integrations:write', 'api-keys:write', 'service:manage'],
    integrations: ['*'],
    labels: {},
    createdAt: Date.now(),
    expiresAt: Date.now() + 3_600_000,
    createdBy: 'admin',
    digest: createHash('sha256').update(made.key.reveal()).digest('base64url'),
  }
  return { id: made.id, key: made.key.reveal(), body: JSON.stringify(body) }
}

const CORRUPT = { status: 503, body: { code: 'record_corrupt' } }

t.test('an API key that was forged opens nothing, listed or not', async (t) => {
  const { raw, start, settled } = await world(t)
  const broker = await settled(await start())
  await integrate(broker, 'billing')
  const own = await makeKey(broker, 'own')
  t.equal((await broker.call('GET', '/tokens/billing', { key: own.key })).status, 200)

  const hidden = forgedKey()
  await raw.hset(`${base}d:api-key:${hidden.id}`, { version: 1, body: hidden.body, schema: 1 })
  const listed = forgedKey()
  await raw.hset(`${base}d:api-key:${listed.id}`, { version: 1, body: listed.body, schema: 1 })
  await raw.zadd(`${base}documents:api-key`, 0, listed.id)
  const pasted = forgedKey()
  const fields = await raw.hgetall(`${base}d:api-key:${own.id}`)
  await raw.hset(`${base}d:api-key:${pasted.id}`, { ...fields, body: pasted.body })
  const copied = forgedKey()
  const digest = createHash('sha256').update(copied.key).digest('base64url')
  const body = JSON.stringify({ ...JSON.parse(fields.body ?? '{}'), digest })
  await raw.hset(`${base}d:api-key:${copied.id}`, { ...fields, body })
  for (const [what, { key }] of Object.entries({ hidden, listed, pasted, copied })) {
    t.match(await broker.call('GET', '/tokens/billing', { key }), { status: 401 }, what)
    t.match(await broker.call('POST', '/store/accept', { key }), { status: 401 }, what)
  }

  const list = await broker.call('GET', '/api-keys')
  t.equal(list.status, 200)
  t.same(
    list.body.items.map(({ id }: { id: string }) => id),
    [own.id],
  )
  t.same(list.body.corrupt, [listed.id])
  t.match(await checkOf(broker, 'store_records'), { ok: false })
  const lines = broker
    .logs()
    .split('\n')
    .filter((line) => line.includes(listed.id))
  t.equal(lines.filter((line) => /a record is not used/.test(line)).length, 1, 'said once')
  t.equal((await broker.call('DELETE', `/api-keys/${listed.id}`)).status, 204)
  t.equal((await broker.call('GET', '/api-keys')).body.corrupt, undefined)
  t.equal((await broker.call('GET', '/tokens/billing', { key: own.key })).status, 200)

  const more = JSON.stringify({
    ...JSON.parse(fields.body ?? '{}'),
    permissions: ['tokens:read', 'integrations:write'],
  })
  await raw.hset(`${base}d:api-key:${own.id}`, { body: more })
  const late = await start()
  t.match(await late.call('GET', '/tokens/billing', { key: own.key }), { status: 401 }, 'widened')
})

t.test('what a definition allows is not changed behind its seal', async (t) => {
  const { raw, start, settled } = await world(t)
  const broker = await settled(await start())
  for (const name of ['inside', 'off', 'labelled', 'fine'])
    await integrate(broker, name, { team: 'a' })
  const patch = (name: string, body: object) =>
    broker.call('PATCH', `/integrations/${name}`, { body, headers: { 'if-match': '*' } })
  t.equal((await patch('off', { enabled: false })).status, 200)
  t.equal((await patch('inside', { serve_tokens: false })).status, 200)
  const { key } = await makeKey(broker, 'b', { team: 'b' })
  const lie = async (name: string, change: object) => {
    const place = `${base}i:${name}`
    const definition = JSON.parse((await raw.hget(place, 'definition')) ?? '{}')
    await raw.hset(place, { definition: JSON.stringify({ ...definition, ...change }) })
  }
  await lie('off', { enabled: true })
  await lie('inside', { serveTokens: true })
  await lie('labelled', { labels: { team: 'b' } })

  const other = await start()
  const { call } = other
  for (const name of ['off', 'inside', 'labelled']) {
    t.match(await call('GET', `/tokens/${name}`), CORRUPT, name)
    t.match(await call('GET', `/integrations/${name}`), CORRUPT, name)
    t.match(await call('GET', `/tokens/${name}`, { key }), { status: 403 }, 'and hides it')
  }
  t.equal((await call('GET', '/tokens/fine')).status, 200)
  const list = await call('GET', '/integrations')
  t.equal(list.status, 200)
  t.same(
    list.body.items.map(({ name }: { name: string }) => name),
    ['fine'],
  )
  t.same(list.body.corrupt, ['inside', 'labelled', 'off'])
  const page = await call('GET', '/integrations?limit=1')
  t.same(page.body.items.length, 1)
  t.match(await checkOf(other, 'store_records'), { ok: false, detail: /3 records do not verify/ })
  t.match(other.logs(), /a record is not used/)

  const erase = (name: string, options = {}) =>
    other.call('DELETE', `/store/records/integration/${name}`, options)
  t.match(await erase('off', { key }), { status: 403 })
  t.match(await erase('fine'), { status: 409, body: { code: 'conflict' } })
  t.match(await erase('No%2Fname'), { status: 404, body: { code: 'not_found' } })
  t.match(await erase('nowhere'), { status: 404, body: { code: 'not_found' } })
  t.equal((await erase('off')).status, 204)
  t.match(
    other.audit().filter(({ action }) => action === 'store.record_erased'),
    [{ integration: 'off', detail: { record: 'integration' } }],
  )
  t.match(await checkOf(other, 'store_records'), { detail: /2 records do not verify/ })
  await integrate(other, 'off')
  t.equal((await other.call('GET', '/tokens/off')).status, 200)
})

t.test('a record that is put back is met by every replica that saw it go', async (t) => {
  const { raw, start, settled } = await world(t)
  const broker = await settled(await start())
  await integrate(broker, 'billing')
  await integrate(broker, 'quiet')
  const revoked = await makeKey(broker, 'revoked')
  t.equal((await broker.call('GET', '/tokens/billing', { key: revoked.key })).status, 200)
  const copy = async (key: string) => raw.hgetall(key)
  const [key, off] = [`${base}d:api-key:${revoked.id}`, `${base}i:billing`]
  const [former, open] = [await copy(key), await copy(off)]
  t.equal((await broker.call('DELETE', `/api-keys/${revoked.id}`)).status, 204)
  const body = { enabled: false }
  await broker.call('PATCH', '/integrations/billing', { body, headers: { 'if-match': '*' } })

  await raw.hset(key, former)
  await raw.hset(off, open)
  // As the store says that something changed: nobody reads it otherwise.
  const rev = Number(await raw.hincrby(off, 'rev', 10))
  const seq = await raw.hincrby(`${base}meta`, 'seq', 1)
  const change = ['type', 'integration', 'name', 'billing', 'rev', String(rev)]
  await raw.xadd(`${base}chg`, '*', 'seq', String(seq), ...change)
  await eventually(async () => {
    const { status } = await broker.call('GET', '/tokens/billing', { key: revoked.key })
    return status === 401
  })
  await eventually(async () => (await broker.call('GET', '/tokens/billing')).status === 503)
  t.match(await broker.call('GET', '/tokens/billing'), CORRUPT)
  t.equal((await broker.call('GET', '/tokens/quiet')).status, 200)
  t.match(await checkOf(broker, 'store_records'), { ok: false })
  t.match(broker.logs(), /an older version than this replica has seen/)

  t.equal((await broker.call('POST', '/store/accept')).status, 204)
  await eventually(async () => (await broker.call('GET', '/tokens/billing')).status === 200)
  t.match(
    broker.audit().filter(({ action }) => action === 'store.accepted'),
    [{ detail: { reason: 'rolled_back' } }],
  )
})

t.test('the mark that codes are required cannot be taken away', async (t) => {
  const { raw, start, settled } = await world(t)
  const broker = await settled(await start())
  await integrate(broker, 'billing')
  await broker.stop()
  const marks = await raw.keys(`${base}d:store:*`)
  t.ok(marks.length > 0)
  await raw.del(...marks)
  const forged = forgedKey()
  await raw.hset(`${base}d:api-key:${forged.id}`, { version: 1, body: forged.body, schema: 1 })
  await raw.zadd(`${base}documents:api-key`, 0, forged.id)
  const late = await start()
  t.match(await late.call('GET', '/tokens/billing', { key: forged.key }), { status: 401 })
  await settled(late)
  t.match(await late.call('GET', '/tokens/billing', { key: forged.key }), { status: 401 })
  t.equal((await late.call('GET', '/tokens/billing')).status, 200)
})

/** What somebody without the keyring can do, to make the store look like one of a release without codes. */
async function takeCodesOut(raw: Redis): Promise<void> {
  for (const key of await raw.keys(`${base}[id]:*`)) await raw.hdel(key, 'mac')
  const marks = await raw.keys(`${base}d:store:*`)
  if (marks.length > 0) await raw.del(...marks, `${base}documents:store`)
}

/** As releases without codes leave the store. */
async function withoutCodes(raw: Redis, keyring: Keyring): Promise<void> {
  await takeCodesOut(raw)
  for (const key of await raw.keys(`${base}i:*`)) {
    const { uid = '', secrets = '' } = await raw.hgetall(key)
    const name = `integration:${key.slice(`${base}i:`.length)}:${uid}`
    const { requiresCodes: _, ...sealed } = JSON.parse(await keyring.open(name, secrets))
    await raw.hset(key, { secrets: await keyring.seal(name, JSON.stringify(sealed)) })
  }
}

t.test('codes that are taken out of every record are required all the same', async (t) => {
  const { raw, keyring, start, settled } = await world(t)
  const before = await start()
  await integrate(before, 'early')
  await settled(before)
  // Its seal says by then that codes are required.
  await eventually(async () => /^b:/.test((await raw.hget(`${base}i:early`, 'mac')) ?? ''))
  await integrate(before, 'late')
  await before.stop()
  const rounds = [
    () => takeCodesOut(raw),
    // One that was there before codes were required, and got its own then.
    async () => {
      await raw.del(`${base}i:late`)
      await raw.zrem(`${base}integrations`, 'late')
    },
  ]
  for (const meddle of rounds) {
    await meddle()
    const forged = forgedKey()
    await raw.hset(`${base}d:api-key:${forged.id}`, { version: 1, body: forged.body, schema: 1 })
    await raw.zadd(`${base}documents:api-key`, 0, forged.id)
    const late = await start()
    const { key } = forged
    t.match(await late.call('GET', '/tokens/early', { key }), { status: 401 })
    await settled(late)
    t.match(await late.call('GET', '/tokens/early', { key }), { status: 401 })
    t.match(await late.call('GET', '/tokens/early'), CORRUPT)
    await late.stop()
    await takeCodesOut(raw)
  }

  await withoutCodes(raw, keyring)
  const updated = await settled(await start())
  t.equal((await updated.call('GET', '/tokens/early')).status, 200)
  await eventually(async () => /^b:/.test((await raw.hget(`${base}i:early`, 'mac')) ?? ''))
  await updated.stop()
  await takeCodesOut(raw)
  const strict = await start()
  t.match(await strict.call('GET', '/tokens/early'), CORRUPT, 'its seal was renewed with its code')
})

t.test('the records of an older release are given their codes, and then need them', async (t) => {
  const { raw, keyring, start, settled } = await world(t)
  const before = await settled(await start())
  for (const name of ['billing', 'cheated']) await integrate(before, name)
  const { key } = await makeKey(before, 'own')
  await before.stop()
  await withoutCodes(raw, keyring)
  const cheated = `${base}i:cheated`
  const definition = JSON.parse((await raw.hget(cheated, 'definition')) ?? '{}')
  await raw.hset(cheated, { definition: JSON.stringify({ ...definition, labels: { of: 'mine' } }) })
  // A replica of that release, which has not ended yet.
  const stranger = { keys: [], seenAt: Date.now() }
  const place = `${base}d:replica-keyring:older`
  await raw.hset(place, { version: 1, body: JSON.stringify(stranger), schema: 1 })
  await raw.zadd(`${base}documents:replica-keyring`, 0, 'older')

  const broker = await start()
  t.equal((await broker.call('GET', '/tokens/billing', { key })).status, 200, 'without a gap')
  await eventually(async () => /replica older/.test((await checkOf(broker, 'store_macs')).detail))
  t.match(await raw.hget(`${base}i:billing`, 'mac'), /^a:/)
  // What that replica writes is used as long as it is there.
  const fields = await raw.hgetall(`${base}i:billing`)
  await raw.hset(`${base}i:billing`, { version: Number(fields.version) + 1 })
  const written = { ...JSON.parse(fields.definition ?? '{}'), description: 'by the older one' }
  await raw.hset(`${base}i:billing`, { definition: JSON.stringify(written) })
  t.match(await broker.call('GET', '/integrations/billing'), {
    status: 200,
    body: { description: 'by the older one' },
  })
  // Its secrets were sealed for another definition, so that it is given no code; as if it had been written by nobody.
  await raw.hset(`${base}i:billing`, { definition: fields.definition ?? '' })

  await raw.del(place)
  await settled(broker)
  await eventually(async () => /^b:/.test((await raw.hget(`${base}i:billing`, 'mac')) ?? ''))
  t.equal((await broker.call('GET', '/tokens/billing', { key })).status, 200)
  const late = await start()
  t.match(await late.call('GET', '/integrations/cheated'), CORRUPT, 'its seal did not open for it')
  t.equal((await late.call('GET', '/tokens/billing', { key })).status, 200)
  t.equal(await raw.hget(cheated, 'mac'), null)
})

t.test('codes can be required from the start, and asked for again', async (t) => {
  const { raw, keyring, start, settled } = await world(t)
  const before = await settled(await start())
  await integrate(before, 'billing')
  await before.stop()
  await withoutCodes(raw, keyring)
  const strict = await start({ VALETKEY_UNPROVEN_RECORDS: 'refuse' })
  t.match(await strict.call('GET', '/tokens/billing'), CORRUPT)
  // What says so to those that start after it.
  await eventually(async () => (await raw.hget(`${base}d:store:macs`, 'mac')) !== null)
  await strict.stop()
  const usual = await start()
  t.match(await usual.call('GET', '/tokens/billing'), CORRUPT, 'and so it stays')
  await usual.stop()
  const accepting = await start({ VALETKEY_UNPROVEN_RECORDS: 'accept' })
  t.equal((await accepting.call('GET', '/tokens/billing')).status, 200)
  await eventually(async () => /^b:/.test((await raw.hget(`${base}i:billing`, 'mac')) ?? ''))
  await accepting.stop()
  t.equal((await (await start()).call('GET', '/tokens/billing')).status, 200)
})
