import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { DEFAULT_SETTINGS } from '../../simulator/settings.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { newSigningKey } from '../support/signing-key.ts'
import { world } from './salesforce-world.ts'

const ANY = { 'if-match': '*' }

/** `crm` gets tokens with a client secret; others are made of them. */
async function source(t: Test) {
  const salesforce = await world(t)
  const { simulator, broker } = salesforce
  const app = simulator.addClientCredentialsApp({ scopes: ['api', 'cdp_api'] })
  const put = (name: string, body: object, headers = {}) =>
    broker.call('PUT', `/integrations/${name}`, { body, headers })
  const crm = {
    login_url: app.loginUrl,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  }
  t.equal((await put('crm', crm)).status, 201)
  const lake = { login_url: app.loginUrl, grant: { type: 'data_cloud', integration: 'crm' } }
  const token = (name: string, query = '') => broker.call('GET', `/tokens/${name}${query}`)
  return { ...salesforce, app, crm, lake, put, token }
}

/** The header and claims of a JWT that a handler of the simulator takes; nobody looks at its signature. */
const jwtOf = (claims: object): string => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'RS256' })}.${part(claims)}.c2ln`
}

t.test("data_cloud exchanges another integration's token, which its tenant takes", async (t) => {
  const { broker, simulator, lake, put, token } = await source(t)
  const made = await put('lake', lake)
  t.equal(made.status, 201, JSON.stringify(made.body))
  t.equal(made.body.status.state, 'unproven', 'it needs neither a client id nor a credential')
  const { status, body } = await token('lake')
  t.equal(status, 200, body.code)
  t.match(body, { integration: 'lake', expiry_source: 'expires_in', user_id: /^005/ })
  t.ok(body.expires_in > 7_000)
  const used = await fetch(`${body.instance_url}/api/v1/metadata`, {
    headers: { authorization: `Bearer ${body.access_token}` },
  })
  t.equal(used.status, 200)
  t.match(simulator.dataCloudTokens(), [{ token: body.access_token }])
  t.match((await broker.call('GET', '/integrations/lake')).body.status, {
    state: 'ready',
    identity: { user_id: body.user_id },
  })
  t.equal((await token('lake')).body.token_id, body.token_id)
  t.equal(simulator.dataCloudTokens().length, 1, 'and it is kept')
  t.match((await broker.call('POST', '/integrations/lake/test')).body, { ok: true })
  const credential = await put('dried', { ...lake, credential: { client_secret: 'x' } })
  t.match(credential, { status: 422, body: { code: 'credential_invalid' } })
})

t.test('a token of the source that died is replaced, once', async (t) => {
  const { simulator, broker, lake, put, token } = await source(t)
  await put('lake', lake)
  const first = (await token('lake')).body
  const before = (await token('crm')).body.token_id
  for (const name of ['crm', 'lake']) await lifeKnown(broker.call, name)
  simulator.endSessions()
  const { status, body } = await token('lake', `?rejected=${first.token_id}`)
  t.equal(status, 200, body.code)
  t.not(body.token_id, first.token_id)
  t.not((await token('crm')).body.token_id, before, 'for all who hold it')
  t.equal(simulator.dataCloudTokens().length, 2)
})

t.test('a refusal of the exchange is its own, and one of the source says so', async (t) => {
  const { simulator, app, broker, lake, put, token } = await source(t)
  simulator.updateApp(app.clientId, { scopes: ['api'] })
  await put('lake', lake)
  const refused = await token('lake')
  t.match(refused.body, { code: 'grant_refused', refusal: { reason: 'no_valid_scopes' } })
  t.equal(refused.body.source, undefined)
  t.equal((await token('crm')).status, 200, 'the source is none the worse for it')

  simulator.updateApp(app.clientId, { scopes: ['api', 'cdp_api'], clientCredentialsFlow: false })
  await broker.call('DELETE', '/tokens/crm')
  await put('pond', { ...lake, description: 'another' })
  const atSource = await token('pond')
  t.match(atSource.body, {
    code: 'grant_refused',
    source: 'crm',
    refusal: { reason: 'client_credentials_flow_disabled' },
  })
  t.match((await broker.call('GET', '/integrations/crm')).body.status, { state: /refused|propag/ })
  const pond = (await broker.call('GET', '/integrations/pond')).body
  t.equal(pond.status.logins_last_hour, 0, 'what was never asked for costs no login')
  const disabled = await broker.call('PATCH', '/integrations/crm', {
    body: { enabled: false },
    headers: ANY,
  })
  t.equal(disabled.status, 200)
  const isDisabled = async () => (await token('pond')).body.code === 'integration_disabled'
  t.ok(await eventually(isDisabled), 'it asks the source again soon')
})

t.test('what depends on a source follows it, and holds it', async (t) => {
  const { simulator, broker, app, crm, lake, put, token } = await source(t)
  await put('lake', lake)
  const before = (await token('lake')).body.token_id
  const kept = await broker.call('DELETE', '/integrations/crm', { headers: ANY })
  t.match(kept, { status: 409, body: { code: 'credential_state', detail: /lake/ } })

  const same = await broker.call('PATCH', '/integrations/crm', {
    body: { description: 'the same app' },
    headers: ANY,
  })
  t.equal(same.status, 200)
  t.equal((await token('lake')).body.token_id, before, 'a change of another kind drops nothing')
  const other = simulator.addClientCredentialsApp({ scopes: ['api', 'cdp_api'] })
  const moved = {
    ...crm,
    grant: { ...crm.grant, client_id: other.clientId },
    credential: { client_secret: other.clientSecret },
  }
  t.equal((await put('crm', moved, ANY)).status, 200)
  t.not((await token('lake')).body.token_id, before, 'another app makes other tokens')

  const circle = { login_url: app.loginUrl, grant: { type: 'data_cloud', integration: 'lake' } }
  t.match(await put('crm', circle, ANY), { status: 400, body: { code: 'request_invalid' } })
  t.match(await put('self', { ...circle, grant: { ...circle.grant, integration: 'self' } }), {
    status: 400,
  })
  t.match(await put('stray', { ...circle, grant: { ...circle.grant, integration: 'none' } }), {
    status: 400,
  })
  t.equal((await broker.call('DELETE', '/integrations/lake', { headers: ANY })).status, 204)
  t.equal((await broker.call('DELETE', '/integrations/crm', { headers: ANY })).status, 204)
})

t.test('what is made of what was made of a source follows it, too', async (t) => {
  const { simulator, app, crm, put, token } = await source(t)
  const { clientId, clientSecret } = simulator.addTokenExchangeApp()
  const exchanging = (integration: string) => ({
    login_url: app.loginUrl,
    grant: {
      ...{ type: 'token_exchange', client_id: clientId, token_handler: 'Handler' },
      subject_token: { integration },
    },
    credential: { client_secret: clientSecret },
  })
  await put('first', exchanging('crm'))
  await put('second', exchanging('first'))
  const exchanged = () =>
    simulator.tokenRequests().filter(({ form }) => /exchange$/.test(form?.grant_type ?? '')).length
  t.equal((await token('second')).status, 200)
  t.equal(exchanged(), 2)
  const other = simulator.addClientCredentialsApp({ scopes: ['api'] })
  const moved = {
    ...crm,
    grant: { ...crm.grant, client_id: other.clientId },
    credential: { client_secret: other.clientSecret },
  }
  t.equal((await put('crm', moved, ANY)).status, 200)
  t.equal((await token('second')).status, 200)
  t.equal(exchanged(), 4, 'each is made anew')
})

t.test('nobody exchanges a token that they may not read', async (t) => {
  const { broker, lake } = await source(t)
  const made = await broker.call('POST', '/api-keys', {
    body: { name: 'maker', permissions: ['integrations:write'], integrations: ['*'] },
  })
  const { key } = made.body
  const refused = await broker.call('PUT', '/integrations/lake', { body: lake, key })
  t.match(refused, { status: 403, body: { code: 'caller_forbidden' } })
  await broker.call('PUT', '/integrations/lake', { body: lake })
  const kept = await broker.call('PATCH', '/integrations/lake', {
    ...{ body: { description: 'as it was' }, headers: ANY, key },
  })
  t.equal(kept.status, 200, 'what is there already may stay')
  const moved = await broker.call('PATCH', '/integrations/lake', {
    ...{ body: { login_url: 'https://other.my.salesforce.com' }, headers: ANY, key },
  })
  t.match(moved, { status: 403, body: { code: 'caller_forbidden' } }, 'but goes nowhere else')
})

t.test("token_exchange gives a handler another integration's token, or an asset's", async (t) => {
  const { simulator, app, broker, put, token } = await source(t)
  const own = simulator.addTokenExchangeApp()
  const partner = {
    login_url: app.loginUrl,
    grant: {
      ...{ type: 'token_exchange', client_id: own.clientId, token_handler: 'Handler' },
      subject_token: { integration: 'crm' },
    },
    credential: { client_secret: own.clientSecret },
  }
  t.equal((await put('partner', partner)).status, 201)
  const { status, body } = await token('partner')
  t.equal(status, 200, body.code)
  t.not(body.token_id, (await token('crm')).body.token_id)
  const { form } = simulator.tokenRequests().at(-1) ?? {}
  t.match(form, { token_handler: 'Handler', subject_token_type: /:access_token$/ })

  const unknown = { ...partner, grant: { ...partner.grant, token_handler: 'Nobody' } }
  await put('stranger', unknown)
  t.match((await token('stranger')).body, { refusal: { reason: 'token_handler_failed' } })

  const file = { ...partner, grant: { ...partner.grant, subject_token: { file: '/etc/passwd' } } }
  t.match(await put('spy', file), { status: 400, body: { detail: /configuration file/ } })

  const key = await newSigningKey()
  const device = simulator.addTokenExchangeApp({
    ...{ certificatePem: key.certificate, secretRequiredForExchange: false },
  })
  const asset = {
    login_url: app.loginUrl,
    grant: {
      ...{ type: 'token_exchange', client_id: device.clientId },
      subject_token: { integration: 'crm' },
      asset: { device_id: 'pump-17', name: 'Pump 17', serial_number: '17' },
    },
    credential: { private_key: key.privateKey, certificate: key.certificate },
  }
  t.equal((await put('pump', asset)).status, 201)
  const pump = await token('pump')
  t.match(pump, { status: 200, body: { access_token: /^eyJ/, expiry_source: 'token_exp' } })
  t.equal(pump.body.instance_url, app.loginUrl, 'it is for no instance in particular')
  const sent = simulator.tokenRequests().at(-1)?.form ?? {}
  const [, claims = ''] = String(sent.actor_token).split('.')
  t.match(JSON.parse(Buffer.from(claims, 'base64url').toString()), {
    ...{ did: 'pump-17', Name: 'Pump 17', Asset: { SerialNumber: '17' } },
    cnf: { jwk: { kty: 'RSA', n: String, e: String, d: undefined } },
  })
  t.notMatch(broker.logs(), pump.body.access_token)
})

for (const binds of [true, false]) {
  for (const dpopRequired of [true, false]) {
    const how = `${binds ? 'binds' : 'does not bind'}, and the app ${dpopRequired ? 'requires' : 'allows'} proofs`
    t.test(`token_exchange with a key, where Salesforce ${how}`, async (t) => {
      const { simulator, app, broker, put, token } = await source(t)
      const { dpop } = DEFAULT_SETTINGS
      simulator.configure({ dpop: { ...dpop, binds: { ...dpop.binds, tokenExchange: binds } } })
      const own = simulator.addTokenExchangeApp()
      simulator.updateApp(own.clientId, { dpopRequired })
      const made = await put('partner', {
        login_url: app.loginUrl,
        grant: {
          ...{ type: 'token_exchange', client_id: own.clientId, token_handler: 'Handler' },
          subject_token: { integration: 'crm' },
        },
        credential: { client_secret: own.clientSecret },
        dpop: { mode: 'on' },
      })
      t.equal(made.status, 201, JSON.stringify(made.body))
      const answer = await token('partner')
      if (binds) {
        t.match(answer, { status: 409, body: { code: 'token_bound' } })
        await lifeKnown(broker.call, 'partner')
        const { lease } = (await broker.call('GET', '/integrations/partner')).body.status
        t.match(lease, { bound: true, key_thumbprint: /^[A-Za-z0-9_-]{43}$/ })
        t.ok(simulator.sessions().some(({ jkt }) => jkt === lease.key_thumbprint))
      } else if (dpopRequired) {
        t.match(answer.body, { code: 'grant_refused', refusal: { reason: 'dpop_required' } })
      } else {
        t.match(answer, { status: 200, body: { token_type: 'Bearer', bound: false } })
      }
    })
  }
}

t.test('a token in a file is read anew at each mint', async (t) => {
  const { simulator } = await source(t)
  const app = simulator.addTokenExchangeApp()
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-exchange-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const path = (name: string) => join(folder, name)
  await writeFile(path('secret'), app.clientSecret)
  await writeFile(path('token'), `${jwtOf({ sub: app.username, at: 1 })}\n`)
  const kiosk = {
    login_url: app.loginUrl,
    grant: {
      ...{ type: 'token_exchange', client_id: app.clientId },
      subject_token: { file: path('token') },
    },
    credential: { client_secret_file: path('secret') },
  }
  const config = path('valetkey.yaml')
  await writeFile(config, JSON.stringify({ integrations: { kiosk } }))
  const { origins } = simulator
  const broker = await startBroker(t, {
    ...{ loginHosts: [origins.myDomain], env: { VALETKEY_CONFIG: config } },
  })
  const token = () => broker.call('GET', '/tokens/kiosk')
  const first = await eventually(async () => {
    const answer = await token()
    return answer.status === 200 ? answer.body : undefined
  })
  t.ok(first)
  const subjectOf = () => simulator.tokenRequests().at(-1)?.form?.subject_token
  t.equal(subjectOf(), jwtOf({ sub: app.username, at: 1 }))
  t.match(simulator.tokenRequests().at(-1)?.form, { subject_token_type: /:jwt$/ })

  const again = jwtOf({ sub: app.username, at: 2 })
  await writeFile(path('token'), again)
  await lifeKnown(broker.call, 'kiosk')
  simulator.endSessions()
  t.equal((await broker.call('GET', `/tokens/kiosk?rejected=${first?.token_id}`)).status, 200)
  t.equal(subjectOf(), again)

  for (const content of ['', 'no token', 'x'.repeat(70_000)]) {
    await writeFile(path('token'), content)
    await broker.call('DELETE', '/tokens/kiosk')
    t.match(await token(), { status: 422, body: { code: 'credential_invalid' } })
  }
  await rm(path('token'))
  t.match((await token()).body, { code: 'credential_invalid', detail: /ENOENT/ })
  t.notMatch(broker.logs(), again)
})
