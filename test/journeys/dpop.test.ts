/** Bound integrations: tokens that work only with a proof, for each grant, in both postures. */
import t, { type Test } from 'tap'
import type { AppSeed, Simulator } from '../../simulator/handle.ts'
import { DEFAULT_SETTINGS } from '../../simulator/settings.ts'
import { deploy, deployable, phaseIs, stageKey } from '../support/deployable.ts'
import { DOORS, doorRequests } from '../support/door-requests.ts'
import { lifeKnown } from '../support/lease-life.ts'
import {
  clientCredentials,
  jwtBearer,
  WAYS,
  type Way,
  type World,
  world,
} from './salesforce-world.ts'

const ANY = { 'if-match': '*' }
const ON = { mode: 'on' }
const HOUR_MS = 3_600_000

/** The integration `bound` of this way. */
async function bound(
  { simulator, broker }: World,
  way: Way,
  changes: object = {},
): Promise<AppSeed> {
  const { app, body } = way(simulator)
  const put = await broker.call('PUT', '/integrations/bound', {
    body: { ...body, dpop: ON, ...changes },
  })
  if (put.status !== 201) throw new Error(JSON.stringify(put.body))
  return app
}

const configure = (simulator: Simulator, changes: Partial<typeof DEFAULT_SETTINGS.dpop>) =>
  simulator.configure({ dpop: { ...DEFAULT_SETTINGS.dpop, ...changes } })

async function statusOf({ broker }: World) {
  return (await broker.call('GET', '/integrations/bound')).body.status
}

/** The token is bound: plain doors refuse it, and Salesforce knows its key. */
async function assertBound(t: Test, salesforce: World): Promise<void> {
  const { simulator, broker } = salesforce
  const { status, body } = await broker.call('GET', '/tokens/bound')
  t.match({ status, body }, { status: 409, body: { code: 'token_bound', integration: 'bound' } })
  await lifeKnown(broker.call, 'bound')
  const { lease } = await statusOf(salesforce)
  t.match(lease, { bound: true, key_thumbprint: /^[A-Za-z0-9_-]{43}$/ })
  const session = simulator.sessions().find(({ jkt }) => jkt === lease.key_thumbprint)
  t.ok(session, 'Salesforce bound it to this key')
  const plain = await fetch(`${simulator.origins.myDomain}/services/data/v65.0/`, {
    headers: { authorization: `Bearer ${session?.token}` },
  })
  t.equal(plain.status, 401, 'the token alone opens nothing')
  t.notMatch(broker.logs() + JSON.stringify(broker.audit()), session?.token ?? '')
}

for (const [name, way] of Object.entries(WAYS)) {
  for (const dpopRequired of [false, true]) {
    const posture = dpopRequired ? 'required' : 'allowed'
    t.test(`${name}, where the app has proofs ${posture}`, async (t) => {
      const salesforce = await world(t)
      const { simulator } = salesforce
      const app = await bound(salesforce, way)
      simulator.updateApp(app.clientId, { dpopRequired })
      await assertBound(t, salesforce)
      const [first, second, ...more] = simulator.tokenRequests()
      t.match(first?.outcome, { status: 400, error: 'use_dpop_nonce' })
      t.match(second?.outcome, { status: 200 })
      t.same(more, [], 'the nonce costs one request')
      const { logins_last_hour: logins } = await statusOf(salesforce)
      t.equal(logins, 1, 'and no login')
    })
  }
}

t.test('every plain door refuses a bound token, in its own form', async (t) => {
  const salesforce = await world(t)
  const { broker } = salesforce
  await bound(salesforce, clientCredentials)
  const made = await broker.call('POST', '/api-keys', {
    body: { name: 'everybody', permissions: ['tokens:read'], integrations: ['*'] },
  })
  const requests = doorRequests('bound', made.body.key)
  const FORMS = {
    tokens: { status: 409, text: /"code":"token_bound"/ },
    gateway: { status: 403, text: /"code":"token_bound"/ },
    oauth: { status: 400, text: /"error":"invalid_grant","error_description":"token_bound: / },
    login: { status: 400, text: /"error":"invalid_grant","error_description":"token_bound: / },
    password: { status: 400, text: /"error":"invalid_grant","error_description":"token_bound: / },
    refresh: { status: 400, text: /"error":"invalid_grant","error_description":"token_bound: / },
    root: { status: 400, text: /"error":"invalid_grant","error_description":"token_bound: / },
    soap: { status: 500, text: /<faultstring>.*token_bound: / },
  } as const
  for (const door of DOORS) {
    const { path, ...request } = requests[door]
    const answer = await fetch(`${broker.url}${path}`, request)
    const text = await answer.text()
    t.equal(answer.status, FORMS[door].status, door)
    t.match(text, FORMS[door].text, door)
    t.notMatch(`${text}${answer.headers.get('authorization')}`, /00D\w+!/, `${door} shows no token`)
  }
})

t.test('where Salesforce answers Bearer to a proof, the lease says so and is served', async (t) => {
  const salesforce = await world(t)
  const { simulator, broker } = salesforce
  configure(simulator, { supported: false })
  await bound(salesforce, clientCredentials)
  const { status, body } = await broker.call('GET', '/tokens/bound')
  t.match({ status, body }, { status: 200, body: { token_type: 'Bearer', bound: false } })
  await lifeKnown(broker.call, 'bound')
  const { lease } = await statusOf(salesforce)
  t.match(lease, { bound: false, key_thumbprint: undefined })
  const { body: other } = await broker.call('GET', '/tokens/bound')
  t.equal(other.token_id, body.token_id)
})

t.test('off is the default, and a change asks for another token', async (t) => {
  const salesforce = await world(t)
  const { simulator, broker } = salesforce
  await bound(salesforce, clientCredentials, { dpop: { mode: 'off' } })
  const patch = (dpop: object) =>
    broker.call('PATCH', '/integrations/bound', { body: { dpop }, headers: ANY })
  const { body } = await broker.call('GET', '/tokens/bound')
  t.equal(body.token_type, 'Bearer')
  t.notOk('bound' in body)
  t.equal(simulator.tokenRequests()[0]?.headers.dpop, undefined, 'no proof is sent')
  t.equal((await broker.call('GET', '/integrations/bound')).body.dpop, undefined)
  const on = await patch(ON)
  t.match(on, { status: 200, body: { dpop: { mode: 'on', key_storage: 'broker' } } })
  await assertBound(t, salesforce)
  t.equal((await patch({ mode: 'off' })).status, 200)
  const back = await broker.call('GET', '/tokens/bound')
  t.match(back, { status: 200, body: { token_type: 'Bearer' } })
  t.notMatch(back.body.access_token, /^$/)
})

t.test('bound tokens need the My Domain, and a grant that is known to get them', async (t) => {
  const salesforce = await world(t)
  const { simulator, broker } = salesforce
  const { body } = clientCredentials(simulator)
  const put = (changes: object) =>
    broker.call('PUT', '/integrations/refused', { body: { ...body, dpop: ON, ...changes } })
  const jwt = { type: 'jwt_bearer', client_id: '3MVG9x', username: 'billing@acme.com' }
  const login = { login_url: 'https://login.salesforce.com', grant: jwt, credential: undefined }
  for (const [changes, detail] of [
    [login, /bound tokens need the My Domain/],
    [
      { ...login, login_url: 'https://acme.my.site.com/partners' },
      /bound tokens need the My Domain/,
    ],
    [{ grant: { type: 'data_cloud', integration: 'x' }, credential: undefined }, /data_cloud/],
    [{ dpop: { mode: 'on', key_storage: 'usb' } }, /key_storage/],
    [{ dpop: { mode: 'maybe' } }, /mode/],
  ] as const) {
    const { status, body: problem } = await put(changes)
    t.match({ status, problem }, { status: 400, problem: { code: 'request_invalid' } })
    t.match(problem.detail, detail)
  }
})

t.test('a rotation of the credential rotates the key, without a missed call', async (t) => {
  const salesforce = await world(t)
  const { simulator, broker } = salesforce
  const app = await bound(salesforce, jwtBearer)
  await broker.call('GET', '/tokens/bound')
  await lifeKnown(broker.call, 'bound')
  const { lease: before } = await statusOf(salesforce)
  const staged = await broker.call('POST', '/integrations/bound/credentials', {
    body: { generate: {} },
  })
  t.equal(staged.status, 201, JSON.stringify(staged.body))
  simulator.updateApp(app.clientId, { certificatePem: staged.body.certificate.pem })
  const { lease: during } = await statusOf(salesforce)
  t.equal(during.key_thumbprint, before.key_thumbprint, 'the token goes on with its key')
  const activated = await broker.call(
    'POST',
    `/integrations/bound/credentials/${staged.body.id}/activate`,
    {},
  )
  t.equal(activated.status, 200, JSON.stringify(activated.body))
  await broker.call('DELETE', '/tokens/bound')
  t.match(await broker.call('GET', '/tokens/bound'), { status: 409 })
  const { lease: after } = await statusOf(salesforce)
  t.match(after, { bound: true })
  t.not(after.key_thumbprint, before.key_thumbprint)
})

t.test('a lost key is told, and another is made by turning it off and on', async (t) => {
  const salesforce = await world(t)
  const { broker } = salesforce
  await bound(salesforce, clientCredentials)
  await broker.call('GET', '/tokens/bound')
  const { lease: before } = await statusOf(salesforce)
  for (const mode of ['off', 'on']) {
    const body = { dpop: { mode } }
    t.equal((await broker.call('PATCH', '/integrations/bound', { body, headers: ANY })).status, 200)
  }
  const { lease: kept } = await statusOf(salesforce)
  t.equal(kept.key_thumbprint, before.key_thumbprint, 'the token that is there keeps its key')
  await broker.call('DELETE', '/tokens/bound')
  t.match(await broker.call('GET', '/tokens/bound'), { status: 409 })
  const { lease: after } = await statusOf(salesforce)
  t.match(after, { bound: true })
  t.not(after.key_thumbprint, before.key_thumbprint)
})

t.test('a nonce that is over costs one more request, and no login', async (t) => {
  const salesforce = await world(t)
  const { simulator, broker } = salesforce
  configure(simulator, { nonceLifetimeMs: HOUR_MS / 2 })
  await bound(salesforce, clientCredentials)
  await broker.call('GET', '/tokens/bound')
  salesforce.pass(3 * HOUR_MS)
  simulator.clear()
  t.match(await broker.call('GET', '/tokens/bound'), { status: 409 })
  const outcomes = simulator.tokenRequests().map(({ outcome }) => outcome?.error ?? 'issued')
  t.same(outcomes, ['use_dpop_nonce', 'issued'])
  t.equal((await statusOf(salesforce)).logins_last_hour, 1)
})

const KNOBS: readonly Partial<typeof DEFAULT_SETTINGS.dpop>[] = [
  { tokenType: 'dpop' },
  { tokenNonce: 'optional' },
  { challengesLate: true },
  { nonceChanges: false },
  { resourceNonce: 'required' },
  { resourceNonce: 'required', challengeStatus: 401 },
  { refusesReplay: false },
  { otherKey: 'same_token' },
]

for (const [name, way] of Object.entries(WAYS)) {
  for (const knobs of KNOBS) {
    t.test(`${name}, where Salesforce does ${JSON.stringify(knobs)}`, async (t) => {
      const salesforce = await world(t)
      configure(salesforce.simulator, knobs)
      await bound(salesforce, way)
      await assertBound(t, salesforce)
      t.not((await statusOf(salesforce)).lease.proof, 'dead')
    })
  }

  t.test(`${name}, where Salesforce binds none: bearer where it is allowed`, async (t) => {
    const salesforce = await world(t)
    const { simulator, broker } = salesforce
    const binds = { ...DEFAULT_SETTINGS.dpop.binds, jwtBearer: false, clientCredentials: false }
    configure(simulator, { binds })
    const app = await bound(salesforce, way)
    const allowed = await broker.call('GET', '/tokens/bound')
    t.match(allowed, { status: 200, body: { token_type: 'Bearer', bound: false } })
    const expect = { identity: { expect: { dpop: true } } }
    await broker.call('PATCH', '/integrations/bound', { body: expect, headers: ANY })
    await broker.call('DELETE', '/tokens/bound')
    const unbound = await broker.call('GET', '/tokens/bound')
    t.match(unbound, { status: 424, body: { code: 'token_not_bound' } })
    t.notMatch(JSON.stringify(unbound.body), /00D\w+!/)
    simulator.updateApp(app.clientId, { dpopRequired: true })
    salesforce.pass(HOUR_MS)
    const required = await broker.call('GET', '/tokens/bound')
    t.match(required, { body: { code: 'grant_refused', refusal: { reason: 'dpop_required' } } })
  })
}

t.test('an app that requires a key refuses who has none, and says what to do', async (t) => {
  const salesforce = await world(t)
  const { simulator, broker } = salesforce
  const app = await bound(salesforce, clientCredentials, { dpop: { mode: 'off' } })
  simulator.updateApp(app.clientId, { dpopRequired: true })
  const refused = await broker.call('GET', '/tokens/bound')
  t.match(refused.body, {
    code: 'grant_refused',
    refusal: { reason: 'dpop_required', remedy: /"mode": "on"/ },
  })
})

t.test('the doctor and the check of a token use the proof too', async (t) => {
  const salesforce = await world(t)
  const { broker } = salesforce
  const app = await bound(salesforce, jwtBearer)
  salesforce.simulator.updateApp(app.clientId, { dpopRequired: true })
  const { body } = await broker.call('POST', '/integrations/bound/test')
  t.match(body, { ok: true }, JSON.stringify(body.checks))
})

t.test('a bound token is not exchanged, and opens no identity at the doors', async (t) => {
  const salesforce = await world(t)
  const { simulator, broker } = salesforce
  await bound(salesforce, clientCredentials)
  await broker.call('GET', '/tokens/bound')
  await lifeKnown(broker.call, 'bound')
  const [session] = simulator.sessions()
  const authorization = `Bearer ${session?.token}`
  for (const path of ['/login/bound/services/oauth2/userinfo', '/services/oauth2/userinfo']) {
    const { status } = await fetch(`${broker.url}${path}`, { headers: { authorization } })
    t.equal(status, 403, path)
  }
  const lake = { type: 'data_cloud', integration: 'bound' }
  const body = { login_url: simulator.origins.myDomain, grant: lake }
  t.equal((await broker.call('PUT', '/integrations/lake', { body })).status, 201)
  const { body: problem } = await broker.call('GET', '/tokens/lake')
  t.match(problem, { code: 'token_bound', source: 'bound' })
})

t.test(
  'an integration that signs with the credential of another has a key of its own',
  async (t) => {
    const salesforce = await world(t)
    const { simulator, broker } = salesforce
    const app = await bound(salesforce, jwtBearer)
    simulator.addUser({ username: 'other@acme.com', orgId: app.orgId })
    simulator.updateApp(app.clientId, { approvedUsernames: ['billing@acme.com', 'other@acme.com'] })
    const grant = { type: 'jwt_bearer', client_id: app.clientId, username: 'other@acme.com' }
    const body = { login_url: app.loginUrl, grant, credential: { from: 'bound' }, dpop: ON }
    const put = await broker.call('PUT', '/integrations/follower', { body })
    t.equal(put.status, 201, JSON.stringify(put.body))
    await broker.call('GET', '/tokens/bound')
    t.match(await broker.call('GET', '/tokens/follower'), { status: 409 })
    const { lease } = (await broker.call('GET', '/integrations/follower')).body.status
    t.match(lease, { bound: true })
    t.not(lease.key_thumbprint, (await statusOf(salesforce)).lease.key_thumbprint)
  },
)

t.test('a deployment calls Salesforce with the bound token of another integration', async (t) => {
  const { broker, simulator } = await deployable(t)
  const body = { dpop: ON }
  const patched = await broker.call('PATCH', '/integrations/deployer', { body, headers: ANY })
  t.equal(patched.status, 200)
  const id = await stageKey(broker)
  await deploy(broker, id)
  t.match(await phaseIs(broker, id, 'activated', 'failed'), { phase: 'activated' })
  const calls = simulator.log.filter(({ endpoint }) => endpoint === 'metadata')
  t.ok(calls.length > 0)
  t.ok(calls.every(({ headers }) => headers.authorization?.startsWith('DPoP ')))
})

t.test('the doctor finds another way with a proof, where the app requires one', async (t) => {
  const salesforce = await world(t)
  const { simulator, broker } = salesforce
  const { app, body } = jwtBearer(simulator)
  simulator.updateApp(app.clientId, { dpopRequired: true })
  const grant = { ...(body.grant as object), audience: 'https://test.salesforce.com' }
  const put = await broker.call('PUT', '/integrations/bound', {
    body: { ...body, grant, dpop: ON },
  })
  t.equal(put.status, 201)
  const { body: report } = await broker.call('POST', '/integrations/bound/test')
  const audience = report.checks.find(({ check }: { check: string }) => check === 'audience')
  t.match(audience, { outcome: 'failed', remedy: /https:\/\/login\.salesforce\.com/ })
})
