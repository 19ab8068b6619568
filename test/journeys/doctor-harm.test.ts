/** The doctor does no harm: to logins, to leases, to secrets, to the service. */
import t from 'tap'
import type { Fault } from '../../simulator/faults.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { startRedis } from '../support/redis.ts'
import { checksOf, examine, failures, type Report } from './examination.ts'
import {
  assertNoBug,
  assertProblem,
  clientCredentials,
  jwtBearer,
  MINUTE_MS,
  PROPAGATION_MS,
  register,
  world,
} from './salesforce-world.ts'

// One waits for hosts that hang.
t.jobs = 8

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
    pass(MINUTE_MS)
    t.equal((await broker.call('GET', `/tokens/${name}`)).status, 424)
    const lastRefusal = async () =>
      (await broker.call('GET', `/integrations/${name}`)).body.status.last_refusal
    t.match(await lastRefusal(), { count: 2 })
    const checks = checksOf(t, await examine(here, name))
    t.match(await lastRefusal(), { count: 1, reason: 'run_as_user_missing' }, 'counted anew')
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
    t.match(await examine(here, name), { body: { ok: true } })
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
    t.match(await examine(here, name), { body: { ok: true } })
    simulator.updateApp(app.clientId, {
      runAsUsername: other.username,
      approvedUsernames: [other.username],
    })
    const checks = checksOf(t, await examine(here, name))
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

t.test('a host that is ill is told for what it is', { buffered: true }, async (t) => {
  const here = await world(t)
  const { simulator } = here
  const { name } = await register(here, jwtBearer)
  simulator.addFault({ kind: 'html', endpoint: 'any', times: null })
  const down = await examine(here, name)
  t.strictSame(failures(checksOf(t, down)), ['login_host', 'mint'])
  t.equal(down.body.logins_used, 1, 'one look, and no retries')
  simulator.clearFaults()
  t.match(await examine(here, name), { body: { ok: true } }, 'no rest of the host is in the way')
  assertNoBug(t, here.broker)
})

// Each has its world, so that they wait at the same time.
for (const [endpoint, check] of [
  ['discovery', 'login_host'],
  ['token', 'mint'],
  ['rest', 'instance_url'],
] as const) {
  t.test(
    `a ${endpoint} that hangs holds up no more than its check`,
    { buffered: true },
    async (t) => {
      const here = await world(t)
      const { simulator } = here
      const { name } = await register(here, jwtBearer)
      // How long the token lives is said, so that nothing else asks the REST API.
      simulator.configure({ expiresIn: 'session' })
      const ordered = simulator.addFault({ kind: 'hold', endpoint, times: null })
      const startedAt = performance.now()
      const checks = checksOf(t, await examine(here, name))
      t.ok(performance.now() - startedAt < 20_000)
      t.strictSame(failures(checks), [check])
      t.match(checks[check]?.detail, /5 seconds|in time/)
      ordered.remove()
      t.match(await examine(here, name), { body: { ok: true } })
      assertNoBug(t, here.broker)
    },
  )
}

t.test(
  'a token that is dead at once costs two logins, and both count',
  { buffered: true },
  async (t) => {
    const here = await world(t)
    const { simulator, broker } = here
    const { name } = await register(here, jwtBearer)
    const body = JSON.stringify([
      { message: 'Session expired or invalid', errorCode: 'INVALID_SESSION_ID' },
    ])
    const answer = { status: 401, headers: { 'content-type': 'application/json' }, body }
    simulator.addFault({ kind: 'answer', endpoint: 'rest', times: null, answer })
    const report = await examine(here, name)
    t.match(checksOf(t, report).mint, { outcome: 'failed', detail: /already invalid/ })
    t.equal(report.body.logins_used, 2)
    t.equal(simulator.tokenRequests().length, 2)
    const { status } = (await broker.call('GET', `/integrations/${name}`)).body
    t.equal(status.logins_last_hour, 2)
  },
)

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
      const answer = await examine(here, name)
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
      t.equal((await examine(here, name)).body.logins_used, 5)
    }
    const spent = await examine(here, name)
    t.equal(spent.body.logins_used, 0)
    t.match(checksOf(t, spent).mint, { outcome: 'failed', detail: /half of logins_per_hour/ })
    const asked = simulator.log.length
    for (let at = 0; at < 20; at += 1) await examine(here, name)
    t.ok(simulator.log.length - asked < 20, 'and the host is not bothered each time')
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
    const runs = await Promise.all(Array.from({ length: 10 }, () => examine(here, herd.name)))
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

t.test('without the store it says so, and asks nobody', { buffered: true }, async (t) => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const broker = await startBroker(t, {
    loginHosts: [simulator.origins.myDomain],
    redisUrl: `redis://127.0.0.1:${redis.port}`,
  })
  const { body } = clientCredentials(simulator)
  t.equal((await broker.call('PUT', '/integrations/billing', { body })).status, 201)
  t.match(await broker.call('POST', '/integrations/billing/test'), { body: { ok: true } })
  simulator.clear()
  await redis.kill('SIGKILL')
  const answer = await broker.call('POST', '/integrations/billing/test')
  t.match(answer, { status: 503, body: { code: 'store_unavailable' } })
  assertProblem(t, answer)
  t.equal(simulator.log.length, 0)
  t.equal((await broker.call('GET', '/tokens/billing')).status, 200, 'the lease serves')
})
