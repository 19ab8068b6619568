/** A token of another org or user is kept back until an operator accepts it. */
import t, { type Test } from 'tap'
import type { Simulator } from '../../simulator/handle.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { problemFaults } from '../support/problem.ts'
import { scrape } from '../support/scrape.ts'
import { newSigningKey } from '../support/signing-key.ts'

const MINUTE_MS = 60_000
/** Longer than a session of the simulator. */
const ENDED_MS = 130 * MINUTE_MS
const key = await newSigningKey()

async function world(t: Test) {
  let aheadMs = 0
  const now = () => Date.now() + aheadMs
  const simulator = await startSimulator({ now })
  t.teardown(() => simulator.stop())
  const north = simulator.addOrg({ myDomain: 'north' })
  simulator.addUser({ username: 'billing@north.com', orgId: north.id })
  const { myDomain, sandbox, login, test } = simulator.origins
  const northUrl = simulator.addClientCredentialsApp({ orgId: north.id }).loginUrl
  const broker = await startBroker(t, {
    loginHosts: [myDomain, sandbox, login, test, northUrl],
    now,
    random: () => 0,
    env: { VALETKEY_METRICS_PORT: '1' },
  })
  const put = async (name: string, body: object) => {
    const path = `/integrations/${name}`
    const there = await broker.call('GET', path)
    const etag = there.headers.get('etag')
    return broker.call('PUT', path, { body, headers: etag === null ? {} : { 'if-match': etag } })
  }
  return {
    simulator,
    broker,
    call: broker.call,
    put,
    get: (name: string) => broker.call('GET', `/tokens/${name}`),
    statusOf: async (name: string) =>
      (await broker.call('GET', `/integrations/${name}`)).body.status,
    /** Lines follow within 100 ms: waits for so many. */
    audited: async (action: string, count: number) => {
      const found = () => broker.audit().filter((event) => event.action === action)
      await eventually(() => found().length >= count)
      return found()
    },
    north,
    pass: (ms: number) => {
      aheadMs += ms
    },
  }
}

/** Client credentials: whoever runs the app is changed in Salesforce alone. */
async function runAs(here: Awaited<ReturnType<typeof world>>, name: string, more: object = {}) {
  const app = here.simulator.addClientCredentialsApp({
    approvedUsernames: ['billing@acme.com', 'other@acme.com'],
  })
  const put = await here.put(name, {
    login_url: app.loginUrl,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
    ...more,
  })
  if (put.status !== 201) throw new Error(JSON.stringify(put.body))
  return app
}

const otherUser = (simulator: Simulator) => simulator.addUser({ username: 'other@acme.com' })
const accept = { body: { accept: true } }

t.test('another user is kept back, shown, and accepted', async (t) => {
  const here = await world(t)
  const { simulator, get, call, statusOf, audited, pass } = here
  const other = otherUser(simulator)
  const app = await runAs(here, 'billing')
  const first = await get('billing')
  t.equal(first.status, 200)

  simulator.updateApp(app.clientId, { runAsUsername: 'other@acme.com' })
  pass(ENDED_MS)
  const refused = await get('billing')
  t.match(refused, {
    status: 424,
    body: {
      code: 'identity_changed',
      identity: {
        expected: { user_id: first.body.user_id },
        seen: { org_id: first.body.org_id, user_id: other.id },
      },
    },
  })
  t.same(
    problemFaults({
      status: refused.status,
      contentType: refused.headers.get('content-type'),
      requestId: refused.headers.get('x-request-id'),
      body: refused.body,
    }),
    [],
  )
  t.notMatch(JSON.stringify(refused.body), 'access_token')
  t.match(await statusOf('billing'), {
    state: 'identity_changed',
    lease: null,
    identity: { user_id: first.body.user_id, seen: { user_id: other.id } },
    last_refusal: { code: 'identity_changed' },
  })
  t.equal((await call('GET', '/integrations?state=identity_changed')).body.items.length, 1)

  const before = simulator.tokenRequests().length
  for (let at = 0; at < 3; at += 1) t.equal((await get('billing')).status, 424)
  t.equal(simulator.tokenRequests().length, before, 'and Salesforce is left alone')
  pass(MINUTE_MS)
  t.equal((await get('billing')).status, 424)
  t.equal((await audited('identity.changed', 1)).length, 1, 'it is told once')

  const accepted = await call('POST', '/integrations/billing/identity', accept)
  t.match(accepted, {
    status: 200,
    body: {
      accepted: true,
      former: { user_id: first.body.user_id },
      identity: { user_id: other.id },
    },
  })
  t.match(await audited('identity.accepted', 1), [{ principal: 'admin', integration: 'billing' }])
  t.match(await get('billing'), { status: 200, body: { user_id: other.id } })
  const status = await statusOf('billing')
  t.match(status, { state: 'ready', identity: { user_id: other.id } })
  t.notOk('seen' in status.identity)
  t.match(await call('POST', '/integrations/billing/identity', accept), {
    status: 200,
    body: { accepted: false },
  })
})

t.test('a lease that is still good goes on being served', async (t) => {
  const here = await world(t)
  const { simulator, get, call } = here
  otherUser(simulator)
  const app = await runAs(here, 'billing')
  const { body: first } = await get('billing')
  simulator.updateApp(app.clientId, { runAsUsername: 'other@acme.com' })
  t.equal((await call('GET', `/tokens/billing?rejected=${first.token_id}`)).status, 424)
  t.match(await get('billing'), { status: 200, body: { token_id: first.token_id } })
})

t.test('another org, that a change of login_url leads to, is kept back', async (t) => {
  const here = await world(t)
  const { simulator, put, get, call, north } = here
  const app = simulator.addJwtApp({ certificatePem: key.certificate })
  const there = simulator.addJwtApp({ certificatePem: key.certificate, orgId: north.id })
  const credential = { private_key: key.privateKey, certificate: key.certificate }
  const body = (seed: typeof app) => ({
    login_url: seed.loginUrl,
    grant: { type: 'jwt_bearer', client_id: seed.clientId, username: seed.username },
    identity: { pin: 'org_and_user' },
    credential,
  })
  await put('billing', body(app))
  t.equal((await get('billing')).status, 200)
  t.equal((await put('billing', body(there))).status, 200)
  t.match(await get('billing'), { status: 424, body: { code: 'identity_changed' } })
  t.equal((await put('billing', body(app))).status, 200)
  t.match((await call('GET', '/integrations/billing')).body.status, { state: 'ready' })
  t.match(await get('billing'), { status: 200, body: { org_id: app.orgId } })
  await put('billing', body(there))
  await get('billing')
  await call('POST', '/integrations/billing/identity', accept)
  t.match(await get('billing'), { status: 200, body: { org_id: north.id } })
})

t.test('expect ends the trust on first use', async (t) => {
  const here = await world(t)
  const { simulator, get, call, statusOf } = here
  const other = otherUser(simulator)
  await runAs(here, 'strict', { identity: { expect: { user_id: other.id.slice(0, 15) } } })
  t.match(await get('strict'), {
    status: 424,
    body: { code: 'identity_changed', identity: { expected: { user_id: other.id.slice(0, 15) } } },
  })
  t.match(await statusOf('strict'), { state: 'identity_changed' })
  t.match(await call('POST', '/integrations/strict/identity', accept), {
    status: 400,
    body: { code: 'request_invalid' },
  })
  await call('PATCH', '/integrations/strict', {
    body: { identity: { expect: null } },
    headers: { 'if-match': '*' },
  })
  t.equal((await get('strict')).status, 200)
})

t.test('missing scopes and another host are told, and served', async (t) => {
  const here = await world(t)
  const { simulator, broker, get, audited, pass } = here
  await runAs(here, 'scoped', { identity: { expect: { scopes: ['api', 'wave_api'] } } })
  t.equal((await get('scoped')).status, 200)
  t.match(await audited('scope.changed', 1), [
    { integration: 'scoped', detail: { reason: 'scope_changed' } },
  ])
  const unwatched = { watch: false, identity: { expect: { scopes: ['wave_api'] } } }
  await runAs(here, 'unwatched', unwatched)
  t.equal((await get('unwatched')).status, 200)
  await audited('scope.changed', 2)

  await runAs(here, 'moved')
  t.equal((await get('moved')).status, 200)
  pass(ENDED_MS)
  simulator.addFault({ kind: 'foreign_instance_url', instanceUrl: simulator.origins.sandbox })
  t.match(await get('moved'), { status: 200, body: { instance_url: simulator.origins.sandbox } })
  t.match(await audited('instance.changed', 1), [{ integration: 'moved' }])
  t.match(broker.logs(), 'the host of the org changed')
  t.equal((await audited('identity.changed', 0)).length, 0)
  const port = (await broker.app.metrics?.listen({ host: '127.0.0.1', port: 0 })) ?? 0
  const { value } = await scrape(port)
  t.equal(value('valetkey_unusual_total', { action: 'instance.changed' }), 1)
  t.equal(value('valetkey_unusual_total', { action: 'scope.changed' }), 1, 'and not for unwatched')
})

/** What a refresh does: the same host and app, another org id. */
const refreshed = (simulator: Simulator, orgId: string, userId: string) =>
  simulator.addFault({
    kind: 'members',
    set: { id: `${simulator.origins.test}/id/${orgId}/${userId}` },
    times: null,
  })

t.test('a refreshed sandbox is accepted in one call, as far as one may write', async (t) => {
  const here = await world(t)
  const { simulator, call, get, audited, pass } = here
  const identity = { pin: 'org_and_user' }
  const names = ['crm-a', 'crm-b', 'crm-idle', 'hr-a']
  for (const name of names) await runAs(here, name, { identity })
  const { body: first } = await get('crm-a')
  for (const name of names) await get(name)
  await runAs(here, 'elsewhere', { identity })

  pass(ENDED_MS)
  const toOrgId = '00D0000000000ZZAAA'
  refreshed(simulator, toOrgId, first.user_id)
  for (const name of ['crm-a', 'crm-b', 'hr-a']) t.equal((await get(name)).status, 424, name)

  const made = await call('POST', '/api-keys', {
    body: { name: 'crm', permissions: ['integrations:write'], integrations: ['crm-*'] },
  })
  const move = { from_org_id: first.org_id.slice(0, 15), to_org_id: toOrgId }
  const answer = await call('POST', '/identities/accept', { body: move, key: made.body.key })
  t.equal(answer.status, 200)
  t.match(answer.body.items, [
    { integration: 'crm-a', identity: { org_id: toOrgId, user_id: first.user_id } },
    { integration: 'crm-b', identity: { org_id: toOrgId, user_id: first.user_id } },
    { integration: 'crm-idle', identity: { org_id: toOrgId, user_id: null } },
  ])
  t.equal(answer.body.items.length, 3)
  t.strictSame(
    (await audited('identity.accepted', 3)).map(({ principal, integration }) => [
      principal,
      integration,
    ]),
    [
      ['api-key:crm', 'crm-a'],
      ['api-key:crm', 'crm-b'],
      ['api-key:crm', 'crm-idle'],
    ],
  )
  for (const name of ['crm-a', 'crm-b', 'crm-idle', 'elsewhere']) {
    t.match(await get(name), { status: 200, body: { org_id: toOrgId } }, name)
  }
  t.equal((await get('hr-a')).status, 424)
  t.match((await call('POST', '/identities/accept', { body: move })).body.items, [
    { integration: 'hr-a' },
  ])
  t.equal((await get('hr-a')).status, 200)
})

t.test('by default a sandbox is pinned by its user, and may be refreshed', async (t) => {
  const here = await world(t)
  const { simulator, put, get, pass } = here
  const name = 'sandboxed'
  const app = simulator.addClientCredentialsApp({ orgId: simulator.sandbox.id })
  await put(name, {
    login_url: app.loginUrl,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
    identity: { pin: 'user' },
  })
  const { body: first } = await get(name)
  pass(ENDED_MS)
  refreshed(simulator, '00D0000000000ZZAAA', first.user_id)
  t.match(await get(name), { status: 200, body: { org_id: '00D0000000000ZZAAA' } })
})

t.test('a proof by another user activates nothing', async (t) => {
  const here = await world(t)
  const { simulator, call, put, get } = here
  const app = simulator.addJwtApp({ certificatePem: key.certificate })
  await put('proven', {
    login_url: app.loginUrl,
    grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
    credential: { private_key: key.privateKey, certificate: key.certificate },
  })
  const { body: first } = await get('proven')
  const staged = await call('POST', '/integrations/proven/credentials', { body: { generate: {} } })
  t.equal(staged.status, 201)
  const { body: pem } = await call(
    'GET',
    `/integrations/proven/credentials/${staged.body.id}/certificate`,
  )
  simulator.updateApp(app.clientId, { certificatePem: pem })
  refreshed(simulator, first.org_id, '0050000000000ZZAAA')
  const path = `/integrations/proven/credentials/${staged.body.id}/activate`
  t.match(await call('POST', path), { status: 424, body: { code: 'identity_changed' } })
  const states = (await call('GET', '/integrations/proven/credentials')).body.items
  t.match(states, [{ state: 'active' }, { id: staged.body.id, state: 'staged' }])
})

t.test('a refresh ahead by another user leaves the lease, and is told', async (t) => {
  const here = await world(t)
  const { simulator, get, audited, pass } = here
  otherUser(simulator)
  const app = await runAs(here, 'ahead', { keep_warm: true })
  const { body: first } = await get('ahead')
  await lifeKnown(here.call, 'ahead')
  simulator.updateApp(app.clientId, { runAsUsername: 'other@acme.com' })
  pass(90 * MINUTE_MS)
  t.equal((await audited('identity.changed', 1)).length, 1)
  t.match(await get('ahead'), { status: 200, body: { token_id: first.token_id } })
})
