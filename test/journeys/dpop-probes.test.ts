/** What `valetkey probe dpop` finds out of a simulated org, in both settings of what is unknown of the real ones. */
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { DEFAULT_SETTINGS } from '../../simulator/settings.ts'
import { spawnValetkey } from '../support/broker.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { clientCredentials, jwtBearer, type Way, world } from './salesforce-world.ts'

type Knobs = Partial<typeof DEFAULT_SETTINGS.dpop>

const salesforce = await world(t)
const { simulator, broker } = salesforce

const configure = (dpop: Knobs = {}) =>
  simulator.configure({ dpop: { ...DEFAULT_SETTINGS.dpop, ...dpop } })

let count = 0

/** Each an integration of an app of its own. */
async function put(way: Way, changes: object = {}) {
  count += 1
  const name = `probed-${count}`
  const { app, body } = way(simulator)
  const answer = await broker.call('PUT', `/integrations/${name}`, {
    body: { ...body, ...changes },
  })
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
  const sessions = () => simulator.sessions().filter(({ clientId }) => clientId === app.clientId)
  return { name, app, sessions }
}

const placeOf = (name: string) => `/integrations/${name}/probes/dpop`

async function probe(name: string) {
  const { status, body } = await broker.call('POST', placeOf(name), {})
  if (status !== 200) throw new Error(JSON.stringify(body))
  const results: Record<string, string> = {}
  for (const { probe: one, result } of body.probes) results[one] = result
  return { body, results }
}

/** Nothing of a report may name who it is of, or be a secret. */
function holdsNothing(t: Test, text: string): void {
  const { host } = new URL(simulator.origins.myDomain)
  const tokens = simulator.sessions().map(({ token }) => token)
  for (const one of [host, simulator.acme.id, 'probed', ...tokens]) t.notOk(text.includes(one), one)
  t.notMatch(text, /eyJ|00D\w+!|3MVG9|acme/)
}

/** Of the simulator as it is by default, but for the grant. */
const USUAL = {
  token_nonce: 'yes',
  binds: 'yes',
  other_key: 'no',
  without_proof: 'yes',
  same_key: 'yes',
  rs256: 'no',
  eddsa: 'no',
  works: 'yes',
  resource_nonce: 'no',
  as_bearer: 'no',
  htu_slash: 'no',
  htu_port: 'no',
  htu_query: 'no',
  htu_case: 'not_run',
  iat_minus_295: 'yes',
  iat_minus_55: 'yes',
  iat_minus_25: 'yes',
  iat_plus_25: 'yes',
  iat_plus_55: 'yes',
  iat_plus_295: 'yes',
  replay: 'no',
  userinfo: 'yes',
  soap: 'yes',
  revoke_without_proof: 'yes',
  nonce_age: 'not_run',
  bulk_upload: 'not_run',
  pub_sub: 'not_run',
  data_cloud: 'not_run',
}

t.test('it tells what an org does, and leaves no token behind', async (t) => {
  configure()
  const { name, sessions } = await put(clientCredentials)
  const { token_id } = (await broker.call('GET', `/tokens/${name}`)).body
  await lifeKnown(broker.call, name)
  const { body, results } = await probe(name)
  t.match(results, { ...USUAL, introspection: 'yes' }, JSON.stringify(body.probes, null, 1))
  t.match(body, { posture: 'allowed', grant: 'client_credentials', newest_api_version: '67.0' })
  t.ok(body.logins_used <= body.logins_allowed, `${body.logins_used}`)
  holdsNothing(t, JSON.stringify(body))
  t.same(
    sessions().filter(({ jkt }) => jkt !== undefined),
    [],
    'its own have ended',
  )
  const served = (await broker.call('GET', `/tokens/${name}`)).body
  t.equal(served.token_id, token_id, 'and no other one')
  t.ok(sessions().some(({ token }) => token === served.access_token))
  const probed = broker.audit().filter(({ action }) => action === 'integration.probed')
  t.match(probed, [{ integration: name, detail: { reason: 'allowed' } }])
  t.notMatch(broker.logs(), /eyJ|00D\w+!/)
})

for (const [knobs, found] of [
  [
    { tokenNonce: 'optional', refusesReplay: false },
    { token_nonce: 'no', replay: 'yes' },
  ],
  [
    { tokenType: 'dpop', resourceNonce: 'required' },
    { binds: 'yes', resource_nonce: 'yes' },
  ],
  [
    { resourceNonce: 'required', challengeStatus: 401, challengesLate: true },
    { works: 'yes', resource_nonce: 'yes', token_nonce: 'yes', soap: 'yes' },
  ],
  [
    { iatSkewMs: 40_000 },
    { iat_minus_295: 'no', iat_minus_55: 'no', iat_minus_25: 'yes', iat_plus_55: 'no' },
  ],
  [{ otherKey: 'same_token' }, { other_key: 'yes', works: 'yes', revoke_without_proof: 'not_run' }],
  [
    { binds: { ...DEFAULT_SETTINGS.dpop.binds, jwtBearer: false } },
    { binds: 'no', without_proof: 'yes', works: 'not_run', replay: 'not_run' },
  ],
  [{ supported: false }, { token_nonce: 'no', binds: 'no', revoke_without_proof: 'not_run' }],
] as const satisfies readonly (readonly [Knobs, object])[]) {
  t.test(`where Salesforce does ${JSON.stringify(knobs)}`, async (t) => {
    configure(knobs)
    const { name } = await put(jwtBearer)
    const { body, results } = await probe(name)
    t.match(results, { introspection: 'not_run', ...found }, JSON.stringify(body.probes, null, 1))
    holdsNothing(t, JSON.stringify(body))
  })
}

t.test('a later run tells whether the nonce of the one before still works', async (t) => {
  configure({ nonceLifetimeMs: 3_600_000 })
  const { name, sessions } = await put(clientCredentials)
  const ageOf = ({ body }: Awaited<ReturnType<typeof probe>>) =>
    body.probes.find((one: { probe: string }) => one.probe === 'nonce_age')
  t.match(ageOf(await probe(name)), { result: 'not_run', detail: /probe again later/ })
  salesforce.pass(300_000)
  t.match(ageOf(await probe(name)), { result: 'yes', detail: /^after 30\d s 200/ })
  salesforce.pass(2 * 3_600_000)
  const last = await probe(name)
  t.match(ageOf(last), { result: 'no', detail: /^after 720\d s 400 use_dpop_nonce/ })
  t.ok(last.body.logins_used <= last.body.logins_allowed, `${last.body.logins_used}`)
  salesforce.pass(26 * 3_600_000)
  t.match(ageOf(await probe(name)), { result: 'not_run' }, 'it is kept for a day')
  t.same(
    sessions().filter(({ jkt }) => jkt !== undefined),
    [],
    'no run leaves a token',
  )
})

t.test('an integration with bound tokens keeps the one that it has, and its nonce', async (t) => {
  configure({ resourceNonce: 'required' })
  const { name, app, sessions } = await put(clientCredentials, { dpop: { mode: 'on' } })
  simulator.updateApp(app.clientId, { dpopRequired: true })
  await broker.call('GET', `/tokens/${name}`)
  await lifeKnown(broker.call, name)
  const [held] = sessions()
  const { body, results } = await probe(name)
  t.equal(body.posture, 'required')
  t.match(results, { ...USUAL, without_proof: 'no', resource_nonce: 'yes' })
  t.same(
    sessions().map(({ token }) => token),
    [held?.token],
  )
  const made = await broker.call('POST', '/api-keys', {
    body: {
      ...{ name, permissions: ['tokens:prove'], integrations: [name] },
      requests: ['GET /services/data/*/query'],
    },
  })
  const url = `${simulator.origins.myDomain}/services/data/v66.0/query?q=SELECT+Id+FROM+Organization`
  const { body: given } = await broker.call('POST', `/tokens/${name}/proofs`, {
    ...{ key: made.body.key, body: { requests: [{ method: 'GET', url }] } },
  })
  const headers = { authorization: `DPoP ${given.access_token}`, dpop: given.proofs[0] }
  t.equal((await fetch(url, { headers })).status, 200)
})

t.test('what cannot be probed costs no login', async (t) => {
  simulator.clear()
  const { name } = await put(clientCredentials, { enabled: false })
  t.match(await broker.call('POST', placeOf('nobody'), {}), { status: 404 })
  const disabled = await broker.call('POST', placeOf(name), {})
  t.match(disabled, { status: 409, body: { code: 'integration_disabled' } })
  const made = await broker.call('POST', '/api-keys', {
    body: { name: 'reader', permissions: ['integrations:read'], integrations: ['*'] },
  })
  t.match(await broker.call('POST', placeOf(name), { key: made.body.key }), { status: 403 })
  const away = await put((simulated) => {
    const way = jwtBearer(simulated)
    return { ...way, body: { ...way.body, login_url: 'https://login.salesforce.com' } }
  })
  t.match(await broker.call('POST', placeOf(away.name), {}), {
    ...{ status: 400, body: { code: 'request_invalid', detail: /My Domain/ } },
  })
  t.same(simulator.tokenRequests(), [])
})

t.test('the command asks first, and prints a table or JSON', async (t) => {
  configure()
  simulator.clear()
  const { name } = await put(clientCredentials)
  const made = await broker.call('POST', '/api-keys', {
    body: { name: 'prober', permissions: ['integrations:test'], integrations: [name] },
  })
  const run = async (...more: string[]) => {
    const env = { VALETKEY_URL: broker.url, VALETKEY_KEY: made.body.key }
    const child = spawnValetkey(['probe', 'dpop', name, ...more], env)
    const output = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.on('data', (text) => {
        output[stream] += text
      })
    }
    const [status] = await once(child, 'close')
    return { status, ...output }
  }
  t.match(await run(), { status: 64, stdout: '', stderr: /--yes/ })
  t.same(simulator.tokenRequests(), [], 'nobody said yes')
  const table = await run('--yes')
  t.equal(table.status, 0, table.stderr)
  t.match(table.stdout, /posture allowed {2}newest API 67\.0/)
  t.match(table.stdout, /^replay +no +401 INVALID_SESSION_ID/m)
  holdsNothing(t, table.stdout)
  const json = await run('--yes', '--output', 'json')
  t.match(JSON.parse(json.stdout), { posture: 'allowed' })
  holdsNothing(t, json.stdout)
})

t.test('the doctor says which posture the app has', async (t) => {
  configure()
  const { name, app } = await put(jwtBearer, { dpop: { mode: 'on' } })
  const check = async () => {
    const { body } = await broker.call('POST', `/integrations/${name}/test`, {})
    return body.checks.find((one: { check: string }) => one.check === 'dpop')
  }
  t.match(await check(), { outcome: 'warning', detail: /only allows DPoP/, remedy: /Require DPoP/ })
  simulator.updateApp(app.clientId, { dpopRequired: true })
  t.match(await check(), { outcome: 'passed', detail: /requires DPoP/ })
  simulator.updateApp(app.clientId, { dpopRequired: false })
  configure({ supported: false })
  await broker.call('DELETE', `/tokens/${name}`)
  t.match(await check(), { outcome: 'warning', detail: /bearer token/ })
})
