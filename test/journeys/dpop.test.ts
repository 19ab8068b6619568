/** Bound integrations: tokens that work only with a proof, for each grant, in both postures. */
import t, { type Test } from 'tap'
import type { AppSeed, Simulator } from '../../simulator/handle.ts'
import { DEFAULT_SETTINGS } from '../../simulator/settings.ts'
import { DOORS, doorRequests } from '../support/door-requests.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { clientCredentials, WAYS, type Way, type World, world } from './salesforce-world.ts'

const ANY = { 'if-match': '*' }
const ON = { mode: 'on' }

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
