/** Those who show a token or ask for one without being a caller: what they may cost. */
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { startRedis } from '../support/redis.ts'
import { monitorLines } from '../support/redis-monitor.ts'
import { doorWorld } from './world.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())
const { ask, call, broker, simulator } = await doorWorld(t, { redisUrl: redis.url })
const { body: token } = await call('GET', '/tokens/billing')
await lifeKnown(call, 'billing')

const STRANGER = { 'x-forwarded-for': '203.0.113.66' }
/** Of the integrations that hold a token, and of one that a stranger names. The broker reads others by itself. */
const READS = /"vk:\{vk\}:(?:t:|i:nowhere-)/
/** Failed authentications of an address that are counted in a minute. */
const COUNTED = 20

const revoke = (value: string, place = '', headers: Readonly<Record<string, string>> = STRANGER) =>
  ask({ path: `${place}/services/oauth2/revoke`, form: { token: value }, headers })
const userinfo = (value: string, place = '') =>
  ask({
    ...{ path: `${place}/services/oauth2/userinfo`, method: 'GET' },
    headers: { ...STRANGER, authorization: `Bearer ${value}` },
  })

t.test('unknown tokens make the store read a limited number of times', async (t) => {
  const lines = await monitorLines(t, redis.port)
  for (let i = 0; i < 2 * COUNTED; i += 1) {
    t.equal((await revoke(`unknown-${i}`)).status, 200)
    t.equal((await revoke(`unknown-${i}`, `/login/nowhere-${i}`)).status, 200)
  }
  const reads = async () =>
    (await lines()).filter((line) => READS.test(line) && !/ lua\]/.test(line)).length
  const first = await reads()
  t.ok(first >= COUNTED && first <= COUNTED + 2, `${first} reads for ${4 * COUNTED} requests`)
  for (let i = 0; i < COUNTED; i += 1) {
    t.equal((await userinfo(`unknown-${i}`)).status, 503)
    t.equal((await userinfo(`unknown-${i}`, `/login/nowhere-${i}`)).status, 503)
  }
  t.equal(await reads(), first)
})

t.test('a token that this replica holds is known to strangers all the same', async (t) => {
  for (const place of ['', '/login/billing']) {
    t.match(await userinfo(token.access_token, place), { status: 200 }, place)
  }
  const before = broker.audit().length
  t.equal((await revoke(token.access_token)).status, 200)
  const told = () =>
    broker
      .audit()
      .slice(before)
      .find(({ detail }) => detail?.reason === 'revoke_ignored')
  await eventually(told)
  t.match(told(), { integration: 'billing', token_id: token.token_id })
  t.match(await userinfo(token.access_token, '/login/shipping'), { status: 503 })
})

t.test('a bound token proves nothing to anybody', async (t) => {
  const app = simulator.addClientCredentialsApp()
  await call('PUT', '/integrations/bound', {
    body: {
      login_url: simulator.origins.myDomain,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
      dpop: { mode: 'on' },
    },
  })
  t.match(await call('GET', '/tokens/bound'), { status: 409, body: { code: 'token_bound' } })
  const { token: bound = '' } = simulator.sessions().find(({ jkt }) => jkt !== undefined) ?? {}
  for (const place of ['', '/login/bound']) {
    const path = `${place}/services/oauth2/userinfo`
    const headers = { authorization: `Bearer ${bound}` }
    t.match(await ask({ path, method: 'GET', headers }), { status: 403 }, place)
    t.match(await userinfo(bound, place), { status: 503 }, `${place}, from memory`)
  }
})
