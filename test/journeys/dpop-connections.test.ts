/** Refresh tokens that are bound to a key: from the authorization to the end of the connection. */
import t, { type Test } from 'tap'
import { DEFAULT_SETTINGS } from '../../simulator/settings.ts'
import { eventually } from '../support/eventually.ts'
import { enterCode } from '../support/salesforce-user.ts'
import { world as connecting } from './connecting-world.ts'

t.setTimeout(120_000)

const ANY = { 'if-match': '*' }
const ON = { dpop: { mode: 'on' } }
const HOUR_MS = 3_600_000

type World = Awaited<ReturnType<typeof connecting>>

async function world(t: Test, { dpopRequired = false, dpop = {}, members = ON as object } = {}) {
  const made = await connecting(t, { app: { dpopRequired } })
  made.simulator.configure({ dpop: { ...DEFAULT_SETTINGS.dpop, ...dpop } })
  const put = await made.put(members)
  if (put.status !== 201) throw new Error(JSON.stringify(put.body))
  return made
}

const patch = ({ call }: World, body: object) =>
  call('PATCH', '/integrations/billing', { body, headers: ANY })

const leaseOf = async ({ call }: World) =>
  (await call('GET', '/integrations/billing')).body.status.lease

const newest = ({ simulator }: World) => simulator.refreshTokens().at(-1)

/** The sessions that Salesforce gives beside bound tokens. */
const twinsOf = ({ simulator }: World) =>
  simulator
    .sessions()
    .filter(({ familyId }) => familyId?.startsWith('ui of '))
    .map(({ token }) => token)

for (const dpopRequired of [false, true]) {
  for (const resourceNonce of ['optional', 'required'] as const) {
    const posture = `${dpopRequired ? 'required' : 'allowed'}, nonces of resources ${resourceNonce}`
    t.test(`a bound connection lives, and ends, where proofs are ${posture}`, async (t) => {
      const salesforce = await world(t, { dpopRequired, dpop: { resourceNonce } })
      const { simulator, broker, connect, token, pass, call } = salesforce
      t.match((await connect()).text, 'billing is connected')
      const jkt = simulator.log.find(({ endpoint }) => endpoint === 'authorize')?.query.dpop_jkt
      t.match(jkt, /^[\w-]{43}$/)
      const twins: string[] = []
      for (let refresh = 0; refresh < 3; refresh += 1) {
        t.match(await token(), { status: 409, body: { code: 'token_bound' } })
        t.match(await leaseOf(salesforce), { bound: true, key_thumbprint: jkt })
        t.match(newest(salesforce), { jkt, state: 'current' }, 'rotation keeps the key')
        twins.push(...twinsOf(salesforce))
        pass(3 * HOUR_MS)
      }
      t.ok(twins.length > 0, 'Salesforce gave sessions without a key')
      const written = broker.logs() + JSON.stringify(broker.audit())
      t.notOk(twins.some((one) => written.includes(one)))
      const spent = simulator.refreshTokens().filter(({ state }) => state === 'rotated')
      t.equal(spent.length, 3, 'a challenge uses no refresh token up')
      const { status } = await call('DELETE', '/integrations/billing/connection')
      t.ok(status < 300, String(status))
      const ended = async () => newest(salesforce)?.state === 'revoked'
      t.ok(await eventually(ended), 'Salesforce ended it')
      const revoked = simulator.log.filter(({ endpoint }) => endpoint === 'revoke')
      t.ok(revoked.length > 0 && revoked.every(({ headers }) => headers.dpop !== undefined))
    })
  }
}

/** A probe calls with the token that is there, and neither its refresh token nor the token is used up. */
async function keepsWhatItProbes(t: Test, salesforce: World): Promise<void> {
  const { simulator, call, token } = salesforce
  const probe = () => call('POST', '/integrations/billing/probes/dpop', { body: {} })
  const [lease, refreshToken] = [await leaseOf(salesforce), newest(salesforce)]
  const asked = simulator.tokenRequests().length
  const { status, body } = await probe()
  t.equal(status, 200, JSON.stringify(body))
  const results = Object.fromEntries(
    body.probes.map(({ probe: name, result }: Record<string, string>) => [name, result]),
  )
  t.match(results, {
    ...{ binds: 'yes', works: 'yes', as_bearer: 'no', replay: 'no', introspection: 'yes' },
    ...{ token_nonce: 'not_run', without_proof: 'not_run', nonce_age: 'not_run' },
    revoke_without_proof: 'not_run',
  })
  t.match(body, { posture: 'unknown', logins_used: 0 })
  t.equal(simulator.tokenRequests().length, asked, 'no token was asked for')
  t.same(newest(salesforce), refreshToken)
  t.match(await leaseOf(salesforce), { token_id: lease.token_id })
  t.match(await token(), { body: { code: 'token_bound' } }, 'and it is served as before')
}

t.test('a connection without a token, and one without a key, are not called with', async (t) => {
  const salesforce = await world(t, { members: {} })
  const { call, connect, token } = salesforce
  await connect()
  const found = async () => {
    const { body } = await call('POST', '/integrations/billing/probes/dpop', { body: {} })
    const { result, detail } = body.probes.find((one: { probe: string }) => one.probe === 'works')
    return `${result}: ${detail}`
  }
  t.equal((await token()).status, 200)
  t.match(await found(), /^not_run: .*without a proof/)
  await call('DELETE', '/tokens/billing')
  t.match(await found(), /^not_run: no token is there/)
})

t.test('a new connection has a new key, and the former ends with its own', async (t) => {
  const salesforce = await world(t, { dpopRequired: true })
  const { simulator, connect, token } = salesforce
  await connect()
  await token()
  const first = newest(salesforce)
  await connect()
  await token()
  const second = newest(salesforce)
  t.ok(first?.jkt)
  t.ok(second?.jkt)
  t.not(second?.jkt, first?.jkt)
  t.match(await leaseOf(salesforce), { bound: true, key_thumbprint: second?.jkt })
  await keepsWhatItProbes(t, salesforce)
  const familyOf = (id: string | undefined) =>
    simulator.refreshTokens().filter(({ familyId }) => familyId === id)
  const isEnded = async () => familyOf(first?.familyId).every(({ state }) => state !== 'current')
  t.ok(await eventually(isEnded))
})

for (const device of [true, false]) {
  t.test(`the device flow, which binds ${device ? 'tokens' : 'none'}`, async (t) => {
    const dpop = { binds: { ...DEFAULT_SETTINGS.dpop.binds, device } }
    const salesforce = await world(t, { dpop })
    const { begin, token } = salesforce
    const { body } = await begin('device')
    await enterCode(body.verification_uri, body.user_code)
    const isConnected = async () => (await token()).body.code !== 'integration_not_connected'
    t.ok(await eventually(isConnected))
    const { status, body: got } = await token()
    t.equal(status, device ? 409 : 200, JSON.stringify(got))
    t.match(await leaseOf(salesforce), { bound: device })
    t.equal(newest(salesforce)?.jkt !== undefined, device)
  })
}

t.test('a proof that is refused uses no refresh token up, so that nothing waits', async (t) => {
  const salesforce = await world(t)
  const { connect, token, simulator, pass, call } = salesforce
  await connect()
  for (const refusal of ['invalid_dpop_proof', 'use_dpop_nonce', 'dpop_proof_missing'] as const) {
    await token()
    pass(3 * HOUR_MS)
    const fault = simulator.addFault({ kind: 'refusal', refusal, times: null })
    t.match(await token(), { body: { code: 'grant_refused' } }, refusal)
    const { connection } = (await call('GET', '/integrations/billing')).body.status
    t.equal(connection.state, 'connected', refusal)
    fault.remove()
    await patch(salesforce, { description: refusal })
    // A client whose logins were refused for a moment rests for some seconds.
    const isBack = async () => (await token()).body.code === 'token_bound'
    t.ok(await eventually(isBack), refusal)
  }
})

t.test('a connection from before stays unbound until it is renewed, and says so', async (t) => {
  const salesforce = await world(t, { members: {} })
  const { connect, token, simulator } = salesforce
  await connect()
  t.match(await token(), { status: 200, body: { token_type: 'Bearer' } })
  t.equal((await patch(salesforce, ON)).status, 200)
  t.match(await token(), { status: 200, body: { token_type: 'Bearer', bound: false } })
  t.match(await leaseOf(salesforce), { bound: false })
  t.ok(simulator.tokenRequests().every(({ headers }) => headers.dpop === undefined))

  t.equal((await patch(salesforce, { identity: { expect: { dpop: true } } })).status, 200)
  await salesforce.call('DELETE', '/tokens/billing')
  t.match(await token(), { status: 424, body: { code: 'token_not_bound' } })
  t.match(await token(), { status: 424, body: { code: 'token_not_bound' } }, 'it is remembered')
  await connect()
  t.match(await token(), { status: 409, body: { code: 'token_bound' } })
})

t.test('a connection that is not bound as expected is not kept', async (t) => {
  const members = { ...ON, identity: { expect: { dpop: true } } }
  const salesforce = await world(t, { members, dpop: { supported: false } })
  const { connect, read, simulator } = salesforce
  const { id } = await connect()
  t.match(await read(id), { status: 'failed', reason: 'token_not_bound' })
  const isRevoked = async () => simulator.refreshTokens().every(({ state }) => state === 'revoked')
  t.ok(await eventually(isRevoked))
})

t.test(
  'a bound refresh token keeps its key when the rule is off, until it is renewed',
  async (t) => {
    const salesforce = await world(t)
    const { connect, token, pass } = salesforce
    await connect()
    t.match(await token(), { status: 409 })
    t.equal((await patch(salesforce, { dpop: null })).status, 200)
    t.match(await token(), { status: 409, body: { code: 'token_bound' } }, 'Salesforce binds it')
    pass(3 * HOUR_MS)
    t.match(await token(), { status: 409, body: { code: 'token_bound' } })
    await connect()
    t.match(await token(), { status: 200, body: { token_type: 'Bearer' } })
  },
)
