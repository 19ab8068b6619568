/** A replica meets what a newer release wrote: a grant, a state and a member that it does not know. */
import { createHash } from 'node:crypto'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring, keyringOf } from '../../src/crypto/keyring.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { macOf, ofDocument, ofIntegration } from '../../src/store/integrity/record-mac.ts'
import { newAdminKey, startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins
const base = 'vk:{vk}:'
const ANOTHER = { status: 409, body: { code: 'another_version' } }
const ANY = { 'if-match': '*' }

async function world(t: Test) {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const raw = new Redis(redis.url)
  t.teardown(() => raw.disconnect())
  const keyring = generateKeyring(Date.now()).reveal()
  const { macs, open, seal } = keyringOf(new Secret(keyring))
  const options = { loginHosts: [myDomain], redisUrl: redis.url, keyring, adminKey: newAdminKey() }
  const broker = await startBroker(t, options)
  const integrate = async (name: string) => {
    const app = simulator.addClientCredentialsApp()
    const body = {
      login_url: myDomain,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    }
    // A busy machine lets Redis answer late, and sending it again is safe.
    const put = () => broker.call('PUT', `/integrations/${name}`, { body })
    await eventually(async () => (await put()).status < 300)
  }
  /** As a newer release would write it, with its seal and its code. */
  const write = async (name: string, change: (definition: object) => object) => {
    const key = `${base}i:${name}`
    const fields = await raw.hgetall(key)
    const definition = JSON.stringify(change(JSON.parse(fields.definition ?? '{}')))
    const record = ofIntegration({
      ...{ name, uid: fields.uid ?? '', version: Number(fields.version), definition },
      digests: JSON.parse(fields.digests ?? '[]'),
    })
    const sealName = `integration:${name}:${fields.uid}`
    const sealed = JSON.parse(await open(sealName, fields.secrets ?? ''))
    const digest = createHash('sha256').update(definition).digest('base64url')
    const secrets = await seal(sealName, JSON.stringify({ ...sealed, definition: digest }))
    await raw.hset(key, { definition, secrets, mac: macOf(macs, 'b', record) })
    return definition
  }
  const again = () => startBroker(t, options)
  return { raw, macs, broker, integrate, write, again }
}

t.test('a grant that this release does not know is 409, everywhere, and stays', async (t) => {
  const { raw, integrate, write, again } = await world(t)
  await integrate('newer')
  await integrate('fine')
  const definition = await write('newer', (known) => ({
    ...known,
    grant: { type: 'telepathy', brainwaves: 7 },
  }))
  const broker = await again()
  const { call } = broker
  const body = { description: 'x' }
  for (const [method, path, options] of [
    ['GET', '/tokens/newer', {}],
    ['DELETE', '/tokens/newer', {}],
    ['GET', '/integrations/newer', {}],
    ['GET', '/integrations/newer/callers', {}],
    ['GET', '/integrations/newer/credentials', {}],
    ['GET', '/integrations/newer/setup', {}],
    ['POST', '/integrations/newer/test', { body: {} }],
    ['POST', '/integrations/newer/credentials', { body: { generate: {} } }],
    ['PATCH', '/integrations/newer', { body, headers: ANY }],
    ['DELETE', '/integrations/newer', { headers: ANY }],
  ] as const) {
    t.match(await call(method, path, options), ANOTHER, `${method} ${path}`)
  }
  const list = await call('GET', '/integrations')
  t.match(list, { status: 200, body: { items: [{ name: 'fine' }], corrupt: ['newer'] } })
  t.equal((await call('GET', '/tokens/fine')).status, 200)
  t.equal(await raw.hget(`${base}i:newer`, 'definition'), definition)
  t.notMatch(broker.logs(), /"code":"internal"|no grant has the type/)
})

t.test('a member that this release does not know outlives a change by it', async (t) => {
  const { raw, integrate, write, again } = await world(t)
  await integrate('newer')
  await write('newer', (known) => ({ ...known, moonPhase: { full: true } }))
  const { call } = await again()
  const patch = { body: { description: 'x' }, headers: ANY }
  t.match(await call('PATCH', '/integrations/newer', patch), { status: 200 })
  const generated = { body: { client_secret: 'another-secret-of-the-app' } }
  t.equal((await call('POST', '/integrations/newer/credentials', generated)).status, 201)
  const { body: current } = await call('GET', '/integrations/newer')
  t.notOk('moon_phase' in current, 'nobody here can say what it means')
  const replaced = { ...current, description: 'y', status: undefined }
  t.match(await call('PUT', '/integrations/newer', { body: replaced, headers: ANY }), {
    status: 200,
  })
  t.match(JSON.parse((await raw.hget(`${base}i:newer`, 'definition')) ?? ''), {
    description: 'y',
    moonPhase: { full: true },
  })
})

t.test('a deployment in a phase that this release does not know is 409', async (t) => {
  const { raw, macs, integrate, again } = await world(t)
  await integrate('newer')
  const body = JSON.stringify({ id: 'd', phase: 'teleporting' })
  const mac = macOf(macs, 'b', ofDocument('deployment', { id: 'newer', version: 1, body }))
  await raw.hset(`${base}d:deployment:newer`, { version: 1, body, schema: 1, mac })
  await raw.zadd(`${base}documents:deployment`, 0, 'newer')
  const broker = await again()
  const { status } = await broker.call('GET', '/integrations/newer/credentials')
  t.ok([200, 409].includes(status), `${status}`)
  t.equal(await raw.hget(`${base}d:deployment:newer`, 'body'), body)
})
