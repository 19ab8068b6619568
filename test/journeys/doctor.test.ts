/** `POST /integrations/{name}/test` finds out in one call what is wrong, and does no harm. */
import t, { type Test } from 'tap'
import type { Fault } from '../../simulator/faults.ts'
import { CHECKS } from '../../src/doctor/check.ts'
import type { Answer } from '../support/caller.ts'
import { eventually } from '../support/eventually.ts'
import { newSigningKey } from '../support/signing-key.ts'
import {
  assertNoBug,
  assertProblem,
  clientCredentials,
  credentialOf,
  type Definition,
  jwtBearer,
  key,
  MINUTE_MS,
  PROPAGATION_MS,
  register,
  type World,
  world,
} from './salesforce-world.ts'

// One waits for hosts that hang.
t.jobs = 4

// biome-ignore lint/suspicious/noExplicitAny: a test asserts what it reads
type Report = any

const test = ({ broker }: World, name: string) => broker.call('POST', `/integrations/${name}/test`)

/** By name of the check; what holds of every report is asserted. */
function checksOf(t: Test, answer: Answer): Record<string, Report> {
  t.equal(answer.status, 200, JSON.stringify(answer.body))
  const { ok, checks, logins_used, logins_allowed } = answer.body as Report
  t.ok(logins_used <= logins_allowed && logins_allowed === 5)
  t.equal(
    ok,
    checks.every((one: Report) => one.ok),
  )
  const places = checks.map(({ check }: Report) => Object.keys(CHECKS).indexOf(check))
  t.strictSame(
    places,
    [...new Set(places)].sort((a, b) => Number(a) - Number(b)),
    'once, in order',
  )
  for (const { check, ok: isOk, outcome, detail, remedy } of checks) {
    t.match(detail, /^[A-Z\d`a-z].*[.]$/, `${check}: ${detail}`)
    t.equal(isOk, ['passed', 'warning'].includes(outcome))
    t.equal(remedy === null, outcome === 'passed', `${check} says what to do`)
  }
  return Object.fromEntries(checks.map((one: Report) => [one.check, one]))
}

const failures = (checks: Record<string, Report>) =>
  Object.values(checks).flatMap(({ check, outcome }) => (outcome === 'failed' ? [check] : []))

t.test(
  'a healthy integration passes, with one login, and has a lease then',
  { buffered: true },
  async (t) => {
    const here = await world(t)
    for (const way of [jwtBearer, clientCredentials]) {
      const { name } = await register(here, way)
      const answer = await test(here, name)
      const checks = checksOf(t, answer)
      t.match(answer.body, { integration: name, ok: true, logins_used: 1 })
      const isKey = way === jwtBearer
      t.strictSame(Object.keys(checks), [
        'definition',
        ...(isKey ? ['key_pair', 'certificate'] : []),
        ...['login_host', 'tls', 'clock'],
        ...(isKey ? ['audience'] : []),
        ...['mint', 'identity', 'scopes', 'instance_url'],
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
  },
)

t.test(
  'what is missing, and what is turned off, is told without a login',
  { buffered: true },
  async (t) => {
    const here = await world(t)
    const { broker, simulator } = here
    const { app } = jwtBearer(simulator)
    const put = async (name: string, body: Definition) => {
      const grant = { type: 'jwt_bearer', username: app.username }
      const put = await broker.call('PUT', `/integrations/${name}`, {
        body: { login_url: app.loginUrl, grant, ...body },
      })
      t.equal(put.status, 201, JSON.stringify(put.body))
      return checksOf(t, await test(here, name))
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
  },
)

t.test(
  'a wrong audience, and a wrong host: the pair that works is named',
  { buffered: true },
  async (t) => {
    const here = await world(t)
    const { simulator, broker } = here
    const grantWith = (more: Definition) => (body: Definition) => ({
      ...body,
      grant: { ...(body.grant as Definition), ...more },
    })
    const wrongAudience = grantWith({ audience: 'https://test.salesforce.com' })
    const { name, app } = await register(here, jwtBearer, wrongAudience)
    const answer = await test(here, name)
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
    const lost = await test(here, elsewhere.name)
    const { login_url } = checksOf(t, lost).audience?.works ?? {}
    t.ok([simulator.origins.myDomain, simulator.origins.login].includes(login_url), login_url)
    const body = { login_url, credential: credentialOf(key) }
    const headers = { 'if-match': '*' }
    await broker.call('PATCH', `/integrations/${elsewhere.name}`, { body, headers })
    t.match(await test(here, elsewhere.name), { body: { ok: true } })

    const unassigned = await register(here, jwtBearer)
    simulator.updateApp(unassigned.app.clientId, { approvedUsernames: [] })
    simulator.clear()
    const refused = await test(here, unassigned.name)
    t.match(checksOf(t, refused).audience, { ok: true, detail: /another one/ })
    t.equal(refused.body.logins_used, 5, 'no more than that')
    t.equal(simulator.tokenRequests().length, 5)
    t.ok(
      simulator.tokenRequests().every(({ host }) => host.startsWith('127.0.0.')),
      'and from loopback to nowhere else',
    )
    assertNoBug(t, broker)
  },
)

t.test(
  'a refusal that is remembered is forgotten, and what comes is remembered',
  { buffered: true },
  async (t) => {
    const here = await world(t)
    const { simulator, broker, pass } = here
    const { name, app } = await register(here, clientCredentials)
    pass(PROPAGATION_MS + MINUTE_MS)
    simulator.updateApp(app.clientId, { runAsUsername: null })
    t.equal((await broker.call('GET', `/tokens/${name}`)).status, 424)
    const checks = checksOf(t, await test(here, name))
    t.match(checks.mint, {
      outcome: 'failed',
      refusal: { reason: 'run_as_user_missing', class: 'permanent' },
      remedy: /Run As/,
    })
    const asked = simulator.tokenRequests().length
    t.match(await broker.call('GET', `/tokens/${name}`), {
      status: 424,
      body: { refusal: { reason: 'run_as_user_missing' } },
    })
    t.equal(simulator.tokenRequests().length, asked, 'callers get what the doctor found')

    simulator.updateApp(app.clientId, { runAsUsername: app.username })
    t.equal((await broker.call('GET', `/tokens/${name}`)).status, 424)
    t.match(await test(here, name), { body: { ok: true } })
    t.equal((await broker.call('GET', `/tokens/${name}`)).status, 200)
    assertNoBug(t, broker)
  },
)

t.test(
  'the token of another user is kept back from callers, too',
  { buffered: true },
  async (t) => {
    const here = await world(t)
    const { simulator, broker } = here
    const other = simulator.addUser({ username: 'other@acme.com' })
    const { name, app } = await register(here, clientCredentials)
    t.match(await test(here, name), { body: { ok: true } })
    simulator.updateApp(app.clientId, {
      runAsUsername: other.username,
      approvedUsernames: [other.username],
    })
    const checks = checksOf(t, await test(here, name))
    t.strictSame(failures(checks), ['identity'])
    t.match(checks.mint, { ok: true })
    const served = await broker.call('GET', `/tokens/${name}`)
    t.equal(served.status, 200, 'the former lease is good')
    t.not(served.body.user_id, other.id)
    t.match((await broker.call('GET', `/integrations/${name}`)).body.status.identity, {
      seen: { user_id: other.id },
    })
  },
)

t.test('what is poor about a token is told', { buffered: true }, async (t) => {
  const here = await world(t)
  const { simulator } = here
  const full = await register(here, jwtBearer)
  simulator.updateApp(full.app.clientId, { scopes: ['full', 'refresh_token'] })
  const report = await test(here, full.name)
  t.match(checksOf(t, report).scope_full, { outcome: 'warning', ok: true })
  t.equal(report.body.ok, true, 'a warning is no failure')

  const lacking = await register(here, jwtBearer)
  simulator.updateApp(lacking.app.clientId, { scopes: ['id'] })
  const checks = checksOf(t, await test(here, lacking.name))
  t.strictSame(failures(checks), ['scopes', 'instance_url'])

  const inept = await register(here, jwtBearer, (body) => ({
    ...body,
    identity: { expect: { scopes: ['api', 'id'] } },
  }))
  t.match(checksOf(t, await test(here, inept.name)).scopes, { detail: /^The token lacks: id\. / })

  const told = await register(here, clientCredentials)
  const scope = `api ${told.app.clientSecret} \u001b[31m ${'x'.repeat(5_000)}`
  simulator.addFault({ kind: 'members', set: { scope }, clientId: told.app.clientId })
  t.match(checksOf(t, await test(here, told.name)).scopes, {
    detail: 'The token has: api and 3 more.',
  })

  const barred = await register(here, clientCredentials)
  simulator.updateApp(barred.app.clientId, { restApiAllowed: false })
  t.strictSame(failures(checksOf(t, await test(here, barred.name))), ['instance_url'])

  const old = await newSigningKey('old', 5)
  const ending = await register(here, (salesforce) => {
    const { app, body } = jwtBearer(salesforce)
    salesforce.updateApp(app.clientId, { certificatePem: old.certificate })
    return { app, body: { ...body, credential: credentialOf(old) } }
  })
  const near = checksOf(t, await test(here, ending.name))
  t.match(near.certificate, { outcome: 'failed', detail: /^It ends in 4 days/ })
  t.match(near.mint, { ok: true })
  const muted = await register(here, clientCredentials)
  simulator.addFault({
    kind: 'answer',
    endpoint: 'introspect',
    times: null,
    answer: { status: 401, body: '{}' },
  })
  t.match(checksOf(t, await test(here, muted.name)).introspection, { outcome: 'warning', ok: true })
  assertNoBug(t, here.broker)
})

t.test('a host that is ill is told for what it is', { buffered: true }, async (t) => {
  const here = await world(t)
  const { simulator } = here
  const { name } = await register(here, jwtBearer)
  simulator.addFault({ kind: 'html', endpoint: 'any', times: null })
  const down = await test(here, name)
  t.strictSame(failures(checksOf(t, down)), ['login_host', 'mint'])
  t.equal(down.body.logins_used, 1, 'one look, and no retries')
  simulator.clearFaults()
  simulator.addFault({ kind: 'hold', endpoint: 'any', times: null })
  const startedAt = performance.now()
  const hanging = checksOf(t, await test(here, name))
  t.ok(performance.now() - startedAt < 20_000)
  t.match(hanging.login_host, { outcome: 'failed', detail: /did not answer in 5 seconds/ })
  t.match(hanging.mint, { outcome: 'failed' })
  simulator.clearFaults()
  t.match(await test(here, name), { body: { ok: true } }, 'no rest of the host is in the way')
  assertNoBug(t, here.broker)
})

t.test('whatever a host answers, there is a report', { buffered: true }, async (t) => {
  const here = await world(t)
  const { simulator } = here
  const { name } = await register(here, clientCredentials)
  const text = '<script>\u0000\u001b]0;x\u0007</script>'
  const faults: readonly Fault[] = [
    ...(['html', 'empty', 'invalid_json', 'too_many_requests', 'reset', 'truncated'] as const).map(
      (kind) => ({ kind }),
    ),
    ...(['oversize', 'flood', 'foreign_instance_url'] as const).map((kind) => ({ kind })),
    { kind: 'redirect', location: 'http://169.254.169.254/latest/meta-data' },
    { kind: 'redirect', location: 'https://acme-new.my.salesforce.com/' },
    { kind: 'answer', answer: { status: 200, body: '[]' } },
    { kind: 'answer', answer: { status: 200, headers: { date: '275760' }, body: text } },
    { kind: 'answer', answer: { status: 400, body: JSON.stringify({ error: text }) } },
    {
      kind: 'answer',
      answer: { status: 400, body: JSON.stringify({ error: 'x'.repeat(60_000) }) },
    },
    {
      kind: 'members',
      set: { active: 'perhaps', exp: -1, scope: 7, id: text, instance_url: text },
    },
    { kind: 'answer', answer: { status: 999, body: '' } },
  ]
  for (const fault of faults) {
    for (const endpoint of ['discovery', 'token', 'rest', 'introspect'] as const) {
      const ordered = simulator.addFault({ ...fault, endpoint, times: null })
      const answer = await test(here, name)
      ordered.remove()
      checksOf(t, answer)
      t.notMatch(answer.body.checks.map((one: Report) => one.detail).join(), /[\p{Cc}]/u)
      t.ok(JSON.stringify(answer.body).length < 8_000)
      here.pass(10 * MINUTE_MS)
    }
  }
  assertNoBug(t, here.broker)
})

t.test(
  'a clock that is wrong is told, and assertions are good all the same',
  { buffered: true },
  async (t) => {
    const here = await world(t)
    here.simulator.clock.advance(-10 * MINUTE_MS)
    const { name } = await register(here, jwtBearer)
    const checks = checksOf(t, await test(here, name))
    t.strictSame(failures(checks), ['clock'])
    t.match(checks.clock?.detail, /^The clock here is (600|599) seconds ahead of/)
  },
)

t.test(
  'testing in a loop leaves logins for those who need a token',
  { buffered: true },
  async (t) => {
    const here = await world(t)
    const { simulator, broker } = here
    const { name, app } = await register(here, jwtBearer, (body) => ({
      ...body,
      logins_per_hour: 20,
    }))
    simulator.updateApp(app.clientId, { approvedUsernames: [] })
    for (let at = 0; at < 2; at += 1) {
      t.equal((await test(here, name)).body.logins_used, 5)
    }
    const spent = await test(here, name)
    t.equal(spent.body.logins_used, 0)
    t.match(checksOf(t, spent).mint, { outcome: 'failed', detail: /half of logins_per_hour/ })
    t.match(
      await broker.call('GET', `/tokens/${name}`),
      { body: { code: 'grant_refused' } },
      'what is remembered stays',
    )
    simulator.updateApp(app.clientId, { approvedUsernames: [app.username] })
    here.pass(MINUTE_MS)
    t.equal((await broker.call('GET', `/tokens/${name}`)).status, 200)

    const herd = await register(here, clientCredentials)
    simulator.clear()
    const runs = await Promise.all(Array.from({ length: 10 }, () => test(here, herd.name)))
    t.ok(runs.every(({ body }) => body.ok))
    t.equal(simulator.tokenRequests().length, 1, 'at once is once')
  },
)

t.test('only who may test may, and learns nothing else', { buffered: true }, async (t) => {
  const here = await world(t)
  const { broker } = here
  const { name } = await register(here, clientCredentials)
  const keyFor = async (permissions: string[]) => {
    const body = {
      name: `k-${permissions[0]?.replace(':', '-')}`,
      permissions,
      integrations: [name],
    }
    return (await broker.call('POST', '/api-keys', { body })).body.key
  }
  const path = `/integrations/${name}/test`
  const reader = await keyFor(['integrations:read'])
  const refused = await broker.call('POST', path, { key: reader })
  t.match(refused, { status: 403, body: { code: 'caller_forbidden' } })
  assertProblem(t, refused)
  const tester = await keyFor(['integrations:test'])
  const answer = await broker.call('POST', path, { key: tester })
  t.match(answer, { status: 200, body: { ok: true } })
  const { access_token } = (await broker.call('GET', `/tokens/${name}`)).body
  t.notOk(JSON.stringify(answer.body).includes(access_token))
  t.match(await broker.call('POST', '/integrations/nobody/test'), {
    status: 404,
    body: { code: 'integration_not_found' },
  })
  t.match(await broker.call('POST', path, { body: { deep: true } }), { status: 400 })
  t.match(await broker.call('POST', path, { body: {} }), { status: 200 })
})
