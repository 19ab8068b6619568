/** `POST /integrations/{name}/test` finds out in one call what is wrong. */
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import { newSigningKey } from '../support/signing-key.ts'
import { checksOf, examine, failures } from './examination.ts'
import {
  assertNoBug,
  clientCredentials,
  credentialOf,
  type Definition,
  jwtBearer,
  key,
  MINUTE_MS,
  register,
  type Way,
  world,
} from './salesforce-world.ts'

t.test('a healthy integration passes, with one login, and has a lease then', async (t) => {
  const here = await world(t)
  for (const way of [jwtBearer, clientCredentials]) {
    const { name } = await register(here, way)
    const answer = await examine(here, name)
    const checks = checksOf(t, answer)
    t.match(answer.body, { integration: name, ok: true, logins_used: 1 })
    const isKey = way === jwtBearer
    t.strictSame(Object.keys(checks), [
      'definition',
      ...(isKey ? ['key_pair', 'certificate'] : []),
      ...['login_host', 'tls', 'clock'],
      ...(isKey ? ['audience'] : []),
      ...['mint', 'identity', 'scopes', 'instance_url', 'permissions'],
      ...(isKey ? [] : ['introspection']),
    ])
    const { body } = await here.broker.call('GET', `/integrations/${name}`)
    t.match(body.status, { state: 'ready', lease: { token_id: String }, logins_last_hour: 1 })
    const before = here.simulator.tokenRequests().length
    t.equal((await here.broker.call('GET', `/tokens/${name}`)).status, 200)
    t.equal(here.simulator.tokenRequests().length, before, 'the token of the doctor is served')
  }
  const tested = await eventually(() => {
    const found = here.broker.audit().filter(({ action }) => action === 'integration.tested')
    return found.length === 2 ? found : undefined
  })
  t.match(tested, [{ principal: 'admin', outcome: 'success' }, { outcome: 'success' }])
  assertNoBug(t, here.broker)
})

t.test('what is missing, and what is turned off, is told without a login', async (t) => {
  const here = await world(t)
  const { broker, simulator } = here
  const { app } = jwtBearer(simulator)
  const put = async (name: string, body: Definition) => {
    const grant = { type: 'jwt_bearer', username: app.username }
    const put = await broker.call('PUT', `/integrations/${name}`, {
      body: { login_url: app.loginUrl, grant, ...body },
    })
    t.equal(put.status, 201, JSON.stringify(put.body))
    return checksOf(t, await examine(here, name))
  }
  const nothing = await put('nothing', {})
  t.match(nothing.definition, { outcome: 'failed', detail: /no credential/ })
  t.match(nothing.login_host, { ok: true })
  t.match(nothing.mint, { outcome: 'skipped' })
  const grant = { type: 'jwt_bearer', client_id: app.clientId, username: app.username }
  const keyed = await put('keyed', { credential: { generate: {} } })
  t.match(keyed.definition, { outcome: 'failed', detail: /no client_id/ })
  t.match(keyed.key_pair, { ok: true })
  const off = await put('off', { grant, credential: { generate: {} }, enabled: false })
  t.match(off.definition, { outcome: 'failed', detail: /disabled/ })
  t.equal(simulator.tokenRequests().length, 0)
  assertNoBug(t, broker)
})

t.test('a wrong audience, and a wrong host: the pair that works is named', async (t) => {
  const here = await world(t)
  const { simulator, broker } = here
  const grantWith = (more: Definition) => (body: Definition) => ({
    ...body,
    grant: { ...(body.grant as Definition), ...more },
  })
  const wrongAudience = grantWith({ audience: 'https://test.salesforce.com' })
  const { name, app } = await register(here, jwtBearer, wrongAudience)
  const answer = await examine(here, name)
  const checks = checksOf(t, answer)
  const works = { login_url: app.loginUrl, audience: 'https://login.salesforce.com' }
  t.match(checks.audience, { outcome: 'failed', works })
  t.match(checks.audience?.remedy, /^Set grant\.audience to https:\/\/login\.salesforce\.com/)
  t.match(checks.mint?.refusal, { reason: 'audience_invalid', setup_path: null })
  t.equal(answer.body.logins_used, 2)
  t.equal(simulator.tokenRequests().length, 2)

  const elsewhere = await register(here, jwtBearer, (body) => ({
    ...body,
    login_url: simulator.origins.test,
  }))
  const lost = await examine(here, elsewhere.name)
  const { login_url } = checksOf(t, lost).audience?.works ?? {}
  t.ok([simulator.origins.myDomain, simulator.origins.login].includes(login_url), login_url)
  const body = { login_url, credential: credentialOf(key) }
  const headers = { 'if-match': '*' }
  await broker.call('PATCH', `/integrations/${elsewhere.name}`, { body, headers })
  t.match(await examine(here, elsewhere.name), { body: { ok: true } })

  const unassigned = await register(here, jwtBearer)
  simulator.updateApp(unassigned.app.clientId, { approvedUsernames: [] })
  simulator.clear()
  const refused = await examine(here, unassigned.name)
  t.match(checksOf(t, refused).audience, { ok: true, detail: /another cause/ })
  t.equal(refused.body.logins_used, 5, 'no more than that')
  t.equal(simulator.tokenRequests().length, 5)
  t.ok(
    simulator.tokenRequests().every(({ host }) => host.startsWith('127.0.0.')),
    'and from loopback to nowhere else',
  )
  assertNoBug(t, broker)
})

t.test('what is poor about a token is told', async (t) => {
  const here = await world(t)
  const { simulator } = here
  const full = await register(here, jwtBearer)
  simulator.updateApp(full.app.clientId, { scopes: ['full', 'refresh_token'] })
  const report = await examine(here, full.name)
  t.match(checksOf(t, report).scope_full, { outcome: 'warning', ok: true })
  t.equal(report.body.ok, true, 'a warning is no failure')

  const lacking = await register(here, jwtBearer)
  simulator.updateApp(lacking.app.clientId, { scopes: ['id'] })
  const checks = checksOf(t, await examine(here, lacking.name))
  t.strictSame(failures(checks), ['scopes', 'instance_url'])

  const inept = await register(here, jwtBearer, (body) => ({
    ...body,
    identity: { expect: { scopes: ['api', 'id'] } },
  }))
  t.match(checksOf(t, await examine(here, inept.name)).scopes, {
    detail: /^The token lacks: id\. /,
  })

  const told = await register(here, clientCredentials)
  const scope = `api ${told.app.clientSecret} \u001b[31m ${'x'.repeat(5_000)}`
  simulator.addFault({ kind: 'members', set: { scope }, clientId: told.app.clientId })
  t.match(checksOf(t, await examine(here, told.name)).scopes, {
    detail: 'The token has: api and 3 more.',
  })

  const barred = await register(here, clientCredentials)
  simulator.updateApp(barred.app.clientId, { restApiAllowed: false })
  t.strictSame(failures(checksOf(t, await examine(here, barred.name))), ['instance_url'])

  const old = await newSigningKey('old', 5)
  const ending = await register(here, (salesforce) => {
    const { app, body } = jwtBearer(salesforce)
    salesforce.updateApp(app.clientId, { certificatePem: old.certificate })
    return { app, body: { ...body, credential: credentialOf(old) } }
  })
  const near = checksOf(t, await examine(here, ending.name))
  t.match(near.certificate, { outcome: 'failed', detail: /^It expires in 4 days/ })
  t.match(near.mint, { ok: true })
  const muted = await register(here, clientCredentials)
  simulator.addFault({
    kind: 'answer',
    endpoint: 'introspect',
    times: null,
    answer: { status: 401, body: '{}' },
  })
  t.match(checksOf(t, await examine(here, muted.name)).introspection, {
    outcome: 'warning',
    ok: true,
  })
  assertNoBug(t, here.broker)
})

t.test('a clock that is wrong is told, and assertions are good all the same', async (t) => {
  const here = await world(t)
  here.simulator.clock.advance(-10 * MINUTE_MS)
  const { name } = await register(here, jwtBearer)
  const checks = checksOf(t, await examine(here, name))
  t.strictSame(failures(checks), ['clock'])
  t.match(checks.clock?.detail, /^The clock here is (600|599) seconds ahead of/)
})

t.test('a connection: used once at a time, and told when it is lost', async (t) => {
  const here = await world(t)
  const { simulator, broker } = here
  const connected: Way = (salesforce) => {
    const app = salesforce.addRefreshTokenApp({ refreshTokenRotation: true })
    const { refreshToken } = salesforce.approve({ clientId: app.clientId })
    const grant = { type: 'refresh_token', client_id: app.clientId }
    const credential = { refresh_token: refreshToken, client_secret: app.clientSecret }
    return { app, body: { login_url: app.loginUrl, grant, credential } }
  }
  const { name, app } = await register(here, connected)
  const [report, ...tokens] = await Promise.all([
    examine(here, name),
    ...Array.from({ length: 5 }, () => broker.call('GET', `/tokens/${name}`)),
  ])
  t.strictSame(failures(checksOf(t, report)), [])
  t.ok(tokens.every(({ status }) => status === 200))
  t.ok(simulator.tokenRequests().length <= 2)
  t.match(checksOf(t, await examine(here, name)), { introspection: { ok: true } })

  simulator.addFault({ kind: 'refusal', refusal: 'refresh_token_expired', clientId: app.clientId })
  const lost = checksOf(t, await examine(here, name))
  t.match(lost.mint, { outcome: 'failed', remedy: new RegExp(`/integrations/${name}/connections`) })
  const again = await examine(here, name)
  t.match(checksOf(t, again).mint, { outcome: 'failed' })
  t.equal(again.body.logins_used, 0)

  const open = await register(here, (salesforce) => {
    const { app: client, body } = connected(salesforce)
    salesforce.updateApp(client.clientId, { secretRequiredForRefresh: false })
    const { refresh_token } = body.credential as Definition
    return { app: client, body: { ...body, credential: { refresh_token } } }
  })
  const checks = checksOf(t, await examine(here, open.name))
  t.strictSame([failures(checks), checks.introspection], [[], undefined])
  t.notMatch(broker.logs(), '"code":"internal"')
})
