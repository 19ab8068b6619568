/** `valetkey backup` and `valetkey restore` as an operator runs them, between engines and beside replicas that run. */
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import type { Environment } from '../../src/config/config.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, spawnValetkey, startBroker, type TestBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'

t.setTimeout(120_000)

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins
const keyring = generateKeyring(Date.now()).reveal()
const adminKey = newAdminKey()
/** Longer than a presentation can take. */
const SETTLED_MS = 120_000

async function newFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-backup-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function run(args: readonly string[], env: Environment) {
  const child = spawnValetkey(args, { VALETKEY_KEYRING: keyring, ...env })
  const chunks = { stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk) => {
    chunks.stdout += chunk
  })
  child.stderr?.on('data', (chunk) => {
    chunks.stderr += chunk
  })
  const [status] = await once(child, 'close')
  return { status: status as number, ...chunks }
}

function definition() {
  const app = simulator.addClientCredentialsApp()
  return {
    login_url: myDomain,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  }
}

async function put({ call }: Pick<TestBroker, 'call'>, name: string, body: object = definition()) {
  const { status } = await call('PUT', `/integrations/${name}`, { body })
  if (status !== 201) throw new Error(`PUT ${name}: ${status}`)
}

const apiKey = {
  name: 'svc',
  permissions: ['tokens:read', 'integrations:read'],
  integrations: ['billing'],
}

/** What an integration is, without what becomes of it. */
const definedIn = ({ body }: { body: Record<string, unknown> }) => {
  const { status: _, version: __, ...defined } = body
  return defined
}

t.test('from the embedded store to Redis, and back', async (t) => {
  const folder = await newFolder(t)
  const [file, again] = [join(folder, 'a.backup'), join(folder, 'b.backup')]
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  const shared = { loginHosts: [myDomain], keyring, adminKey }
  t.match(await run(['backup', '--out', file], { VALETKEY_DATA_DIR: from }), {
    status: 66,
    stderr: /there is no store/,
  })
  const embedded = await startBroker(t, { ...shared, dataDir: from })
  const billing = definition()
  await put(embedded, 'billing', billing)
  await put(embedded, 'other')
  const rotated = simulator.addRefreshTokenApp({ refreshTokenRotation: true })
  const { refreshToken } = simulator.approve({ clientId: rotated.clientId })
  await put(embedded, 'crm', {
    login_url: rotated.loginUrl,
    grant: { type: 'refresh_token', client_id: rotated.clientId },
    credential: { refresh_token: refreshToken, client_secret: rotated.clientSecret },
  })
  t.equal((await embedded.call('GET', '/tokens/crm')).status, 200)
  const { key } = (await embedded.call('POST', '/api-keys', { body: apiKey })).body
  const first = await embedded.call('GET', '/tokens/billing', { key })
  t.equal(first.status, 200)
  const before = await embedded.call('GET', '/integrations/billing')
  const busy = await run(['backup', '--out', file], { VALETKEY_DATA_DIR: from })
  t.match(busy, { status: 78, stderr: /in use by another process/ }, 'stop the service first')
  await embedded.stop()

  const another = `${file}.partial`
  writeFileSync(another, 'of another run')
  const made = await run(['backup', '--out', file], { VALETKEY_DATA_DIR: from })
  t.match(made, { status: 0, stdout: '', stderr: /backed up 3 integrations and 1 API key\n$/ })
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.same(
    readdirSync(folder).filter((name) => name.endsWith('.partial')),
    [basename(another)],
    'its own draft is gone, and no other was taken for it',
  )
  const text = readFileSync(file, 'utf8')
  t.notMatch(text, /billing/)
  t.notOk(text.includes(billing.credential.client_secret))
  t.notOk(text.includes(refreshToken))
  t.match(await run(['backup', '--out', file], { VALETKEY_DATA_DIR: from }), { status: 73 })
  t.equal(readFileSync(file, 'utf8'), text, 'it was not overwritten')

  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const env = { VALETKEY_REDIS_URL: redis.url }
  const client = new Redis(redis.url)
  t.teardown(() => client.disconnect())
  const torn = join(folder, 'torn.backup')
  writeFileSync(torn, text.slice(0, -20))
  t.match(await run(['restore', torn], env), { status: 65, stderr: /altered or cut/ })
  const stranger = { ...env, VALETKEY_KEYRING: generateKeyring(Date.now()).reveal() }
  t.match(await run(['restore', file], stranger), { status: 65, stderr: /keyring lacks/ })
  t.match(await run(['restore', join(folder, 'none')], env), { status: 66 })
  t.match(await run(['restore', '/dev/stdin'], env), { status: 66, stderr: /is not a file/ })
  t.match(await run(['restore', file, file], env), { status: 64 })
  t.match(await run(['restore', '--forse', file], env), { status: 64, stderr: /usage/ })
  t.match(await run(['restore', '--check', file], env), {
    status: 0,
    stderr: /is complete: 3 integr/,
  })
  t.equal(await client.dbsize(), 0, 'and nothing was written')

  t.match(await run(['restore', file], env), { status: 0, stderr: /restored 3 integrations/ })
  t.match(await run(['restore', file], env), { status: 73, stderr: /not empty/ })
  const onRedis = await startBroker(t, { ...shared, redisUrl: redis.url })
  const served = await onRedis.call('GET', '/tokens/billing', { key })
  t.equal(served.status, 200, 'to the caller who had the key')
  t.equal(served.body.user_id, first.body.user_id)
  const after = await onRedis.call('GET', '/integrations/billing')
  t.same(definedIn(after), definedIn(before))
  t.not(after.headers.get('etag'), before.headers.get('etag'), 'no ETag from before fits')
  t.same(after.body.status.identity, before.body.status.identity)
  const bySomebodyElse = await onRedis.call('PATCH', '/integrations/billing', {
    body: { description: 'x' },
    headers: { 'if-match': before.headers.get('etag') ?? '' },
  })
  t.equal(bySomebodyElse.status, 412)

  const unsettled = await onRedis.call('GET', '/tokens/crm')
  t.equal(unsettled.status, 503, 'its refresh token may have been used up since')
  t.match((await onRedis.call('GET', '/integrations/crm')).body.status.connection, {
    state: 'unsettled',
  })

  const piped = await run(['backup'], env)
  t.match(piped, { status: 0, stderr: /3 integrations/ }, 'while the service goes on')
  writeFileSync(again, piped.stdout)
  t.match(await run(['restore', again], { VALETKEY_DATA_DIR: to }), { status: 0 })
  // By then it may be asked about.
  const now = () => Date.now() + SETTLED_MS
  const asked = simulator.log.length
  const back = await startBroker(t, { ...shared, dataDir: to, now })
  t.equal((await back.call('GET', '/tokens/crm')).status, 200)
  // By the request, or in the background before it.
  const [question] = simulator.log.slice(asked)
  t.match(question, { endpoint: 'introspect', form: { token_type_hint: 'refresh_token' } })
  t.equal((await back.call('GET', '/tokens/billing', { key })).status, 200)
  t.same(definedIn(await back.call('GET', '/integrations/billing')), definedIn(before))
  const { body } = await back.call('GET', '/readyz')
  t.ok(body.checks.every(({ ok }: { ok: boolean }) => ok))
})

t.test('replicas that run take a restored store as it is', async (t) => {
  const folder = await newFolder(t)
  const file = join(folder, 'a.backup')
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const env = { VALETKEY_REDIS_URL: redis.url }
  const shared = { loginHosts: [myDomain], keyring, adminKey, redisUrl: redis.url }
  const [one, other] = [await startBroker(t, shared), await startBroker(t, shared)]
  await put(one, 'billing')
  await put(one, 'deleted-since')
  const { key, id } = (await one.call('POST', '/api-keys', { body: apiKey })).body
  await one.call('GET', '/tokens/billing', { key })
  t.match(await run(['backup', '--out', file], env), { status: 0 })

  await put(one, 'made-since')
  await one.call('DELETE', '/integrations/deleted-since', { headers: { 'if-match': '*' } })
  await one.call('DELETE', `/api-keys/${id}`)
  const changed = await one.call('PATCH', '/integrations/billing', {
    body: { description: 'changed since' },
    headers: { 'if-match': '*' },
  })
  t.equal(changed.status, 200)
  t.equal((await other.call('GET', '/tokens/made-since')).status, 200)
  t.match(await run(['restore', file], env), { status: 73 })
  t.match(await run(['restore', '--force', file], env), { status: 0 })
  for (const { call } of [one, other]) {
    await eventually(async () => (await call('GET', '/tokens/made-since')).status === 404)
    await eventually(async () => (await call('GET', '/tokens/billing', { key })).status === 200)
    t.equal((await call('GET', '/integrations/billing')).body.description, '')
    t.equal((await call('GET', '/tokens/deleted-since')).status, 200)
  }

  const raw = new Redis(redis.url)
  t.teardown(() => raw.disconnect())
  await raw.flushall()
  const lost = await other.call('GET', '/integrations/billing')
  t.match(lost, { status: 503, body: { code: 'store_reset' } })
  const wiped = async ({ call }: TestBroker) => {
    const { body } = await call('GET', '/readyz')
    return body.checks.some(
      ({ name, ok }: { name: string; ok: boolean }) => name === 'store_content' && !ok,
    )
  }
  await eventually(async () => (await wiped(one)) && (await wiped(other)))
  const empty = await run(['backup'], env)
  t.match(empty, { status: 69, stdout: '', stderr: /lost its content/ }, 'no empty backup')
  t.match(await run(['restore', file], env), { status: 0 })
  for (const broker of [one, other]) {
    await eventually(async () => !(await wiped(broker)))
    t.equal((await broker.call('GET', '/tokens/billing', { key })).status, 200)
    t.equal((await broker.call('GET', '/tokens/made-since')).status, 404, 'nothing to accept')
  }

  await redis.kill('SIGKILL')
  const away = await run(['backup'], env)
  t.match(away, { status: 69, stdout: '' })
  t.notMatch(away.stderr, /at .*\.ts:/, 'in a sentence')
})

t.test('a restored integration goes on with the key that its tokens are bound to', async (t) => {
  const folder = await newFolder(t)
  const file = join(folder, 'bound.backup')
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  const shared = { loginHosts: [myDomain], keyring, adminKey }
  const keyOf = async ({ call }: Pick<TestBroker, 'call'>, name: string) => {
    t.match(await call('GET', `/tokens/${name}`), { status: 409, body: { code: 'token_bound' } })
    return (await call('GET', `/integrations/${name}`)).body.status.lease.key_thumbprint
  }
  const before = await startBroker(t, { ...shared, dataDir: from })
  await put(before, 'bound', { ...definition(), dpop: { mode: 'on' } })
  const jkt = await keyOf(before, 'bound')
  await before.stop()
  t.match(await run(['backup', '--out', file], { VALETKEY_DATA_DIR: from }), { status: 0 })
  t.notMatch(readFileSync(file, 'utf8'), /PRIVATE KEY/)
  t.match(await run(['restore', file], { VALETKEY_DATA_DIR: to }), { status: 0 })
  const after = await startBroker(t, { ...shared, dataDir: to })
  t.equal(await keyOf(after, 'bound'), jkt)
})
