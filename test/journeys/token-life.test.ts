import t, { type Test } from 'tap'
import type { EndpointName } from '../../simulator/faults.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker, type TestBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'
import { newSigningKey } from '../support/signing-key.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())
const key = await newSigningKey()

const ENGINES = { embedded: {}, redis: { redisUrl: redis.url } }

let prefixes = 0

async function world(t: Test, engine: keyof typeof ENGINES) {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const broker = await startBroker(t, {
    loginHosts: [simulator.origins.myDomain],
    redisPrefix: `life-${prefixes++}:`,
    ...ENGINES[engine],
  })
  return { simulator, broker }
}
type World = Awaited<ReturnType<typeof world>>

/** Two grants, and the endpoint that tells the life of their tokens. */
const GRANTS = {
  client_credentials: {
    endpoint: 'introspect',
    source: 'introspection',
    input: ({ simulator }: World) => {
      const app = simulator.addClientCredentialsApp()
      return {
        grant: { type: 'client_credentials', client_id: app.clientId },
        credential: { client_secret: app.clientSecret },
      }
    },
  },
  jwt_bearer: {
    endpoint: 'rest',
    source: 'configured',
    input: ({ simulator }: World) => {
      const app = simulator.addJwtApp({ certificatePem: key.certificate })
      return {
        grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
        credential: { private_key: key.privateKey, certificate: key.certificate },
      }
    },
  },
} as const satisfies Record<string, { endpoint: EndpointName; source: string; input: unknown }>

const register = async (at: World, grant: keyof typeof GRANTS, members = {}) => {
  const body = { login_url: at.simulator.origins.myDomain, ...GRANTS[grant].input(at), ...members }
  t.equal((await at.broker.call('PUT', '/integrations/billing', { body })).status, 201)
}

const leaseOf = async ({ broker }: World) =>
  (await broker.call('GET', '/integrations/billing')).body.status.lease

for (const engine of ['embedded', 'redis'] as const) {
  for (const [grant, { endpoint, source }] of Object.entries(GRANTS)) {
    t.test(`${engine}, ${grant}: the first answer waits for one call alone`, async (t) => {
      const at = await world(t, engine)
      await register(at, grant as keyof typeof GRANTS)
      const held = at.simulator.addFault({ kind: 'hold', endpoint, times: null })
      const first = await at.broker.call('GET', '/tokens/billing')
      t.equal(first.status, 200)
      t.equal(first.body.expiry_source, 'configured')
      t.ok(first.body.expires_in <= 450, 'half of token_lifetime')
      t.equal(at.simulator.tokenRequests().length, 1)
      await eventually(() => held.holding() === 1)
      t.equal((await at.broker.call('GET', '/tokens/billing')).body.token_id, first.body.token_id)
      held.remove()
      await eventually(async () => {
        const { expiry_source, proof } = await leaseOf(at)
        return expiry_source === source && (source === 'introspection' || proof === 'live')
      })
      const { body } = await at.broker.call('GET', '/tokens/billing')
      t.match(body, { token_id: first.body.token_id, expiry_source: source })
      if (source === 'introspection') t.ok(body.expires_in > 3_600, 'as long as the session lives')
      t.equal(held.hits(), 1, 'Salesforce is asked once')
      t.equal(at.simulator.tokenRequests().length, 1)
    })
  }

  t.test(`${engine}: who asks for more than the assumption waits for the life`, async (t) => {
    const at = await world(t, engine)
    await register(at, 'client_credentials')
    const { body } = await at.broker.call('GET', '/tokens/billing?min_ttl=3600')
    t.match(body, { expiry_source: 'introspection' })
    t.ok(body.expires_in > 3_600)
  })

  t.test(`${engine}: a life that is shorter than the assumption is heard of`, async (t) => {
    const at = await world(t, engine)
    at.simulator.configure({ sessionTimeoutMs: 900_000 })
    await register(at, 'client_credentials', { token_lifetime: 86_400 })
    const { body } = await at.broker.call('GET', '/tokens/billing')
    t.ok(body.expires_in > 40_000)
    await eventually(async () => (await leaseOf(at)).expiry_source === 'introspection')
    const later = (await at.broker.call('GET', '/tokens/billing')).body
    t.equal(later.token_id, body.token_id)
    t.ok(later.expires_in <= 900)
    const { refresh_at } = await leaseOf(at)
    t.ok(Date.parse(refresh_at) < Date.now() + 900_000)
  })

  t.test(`${engine}: a token that is dead when it is issued is replaced at once`, async (t) => {
    const at = await world(t, engine)
    await register(at, 'jwt_bearer')
    at.simulator.addFault({ kind: 'answer', endpoint: 'rest', answer: SESSION_OVER })
    const first = (await at.broker.call('GET', '/tokens/billing')).body
    await eventually(async () => (await leaseOf(at))?.proof === 'live')
    const second = (await at.broker.call('GET', '/tokens/billing')).body
    t.not(second.token_id, first.token_id)
    t.equal(second.expiry_source, 'configured')
    t.match(revocations(at.broker), [
      { token_id: first.token_id, detail: { reason: 'proven_dead' } },
    ])
    t.equal(at.simulator.tokenRequests().length, 2)
    const rejected = await at.broker.call('GET', `/tokens/billing?rejected=${first.token_id}`)
    t.equal(rejected.body.token_id, second.token_id, 'no login for who learns it by a 401')
    t.equal(at.simulator.tokenRequests().length, 2)
  })

  t.test(`${engine}: where all tokens are dead, callers are told so`, async (t) => {
    const at = await world(t, engine)
    await register(at, 'jwt_bearer')
    at.simulator.addFault({ kind: 'answer', endpoint: 'rest', times: null, answer: SESSION_OVER })
    t.equal((await at.broker.call('GET', '/tokens/billing')).status, 200)
    await eventually(async () => (await at.broker.call('GET', '/tokens/billing')).status === 502)
    const { body } = await at.broker.call('GET', '/tokens/billing')
    t.equal(body.code, 'token_response_invalid')
    t.equal(at.simulator.tokenRequests().length, 3, 'one that is found dead late, and two tries')
  })
}

t.test('what a rejected token is repeated with is proven before the answer', async (t) => {
  const at = await world(t, 'embedded')
  await register(at, 'jwt_bearer')
  const first = (await at.broker.call('GET', '/tokens/billing')).body
  await eventually(async () => (await leaseOf(at)).proof === 'live')
  at.simulator.addFault({ kind: 'answer', endpoint: 'rest', answer: SESSION_OVER })
  const { status, body } = await at.broker.call('GET', `/tokens/billing?rejected=${first.token_id}`)
  t.equal(status, 200)
  t.not(body.token_id, first.token_id, 'it is dead, so it is revoked and another one is minted')
})

const SESSION_OVER = {
  status: 401,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify([
    { message: 'Session expired or invalid', errorCode: 'INVALID_SESSION_ID' },
  ]),
}

const revocations = (broker: Pick<TestBroker, 'audit'>) =>
  broker.audit().filter(({ action }) => action === 'token.revoked')
