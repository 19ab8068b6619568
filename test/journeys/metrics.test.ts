/** What a real broker says of itself on the port of its metrics. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import {
  newAdminKey,
  spawnValetkey,
  startBroker,
  startBrokerProcess,
  type TestBroker,
} from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { lintExposition, parseExposition } from '../support/exposition.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { freePort } from '../support/redis.ts'
import { scrape } from '../support/scrape.ts'
import { newSigningKey } from '../support/signing-key.ts'

const SECOND_MS = 1_000
const DAY_SECONDS = 86_400

/** The setting is read as on or off; the port itself is the caller's. */
const ON = { VALETKEY_METRICS_PORT: '1' }

/** What the process says of itself has the names of the library. */
const faultsOf = (text: string) =>
  lintExposition(parseExposition(text).filter(({ name }) => name.startsWith('valetkey_')))

const listen = async ({ app }: TestBroker): Promise<number> => {
  if (!app.metrics) throw new Error('The metrics are off')
  return app.metrics.listen({ host: '127.0.0.1', port: 0 })
}

async function world(t: Test) {
  let aheadMs = 0
  const now = () => Date.now() + aheadMs
  const simulator = await startSimulator({ now })
  t.teardown(() => simulator.stop())
  const loginHosts = Object.values(simulator.origins)
  const broker = await startBroker(t, { loginHosts, env: ON, now, random: () => 0 })
  const port = await listen(broker)
  const put = async (name: string, body: object) => {
    const { status } = await broker.call('PUT', `/integrations/${name}`, { body })
    if (status !== 201) throw new Error(`PUT ${name}: ${status}`)
  }
  const integrate = async (name: string, members: object = {}) => {
    const app = simulator.addClientCredentialsApp({ name })
    await put(name, {
      login_url: app.loginUrl,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
      ...members,
    })
    return app
  }
  const pass = (ms: number) => {
    aheadMs += ms
  }
  return { simulator, broker, port, put, integrate, pass, scrape: () => scrape(port) }
}

t.test('reads, mints, refusals and failures are counted as they were', async (t) => {
  const { simulator, broker, integrate, scrape } = await world(t)
  const { call } = broker
  await integrate('billing')
  const refused = await integrate('refused')
  simulator.addFault({
    kind: 'refusal',
    refusal: 'user_not_admin_approved',
    times: null,
    clientId: refused.clientId,
  })
  const first = await scrape()
  t.same(faultsOf(first.text), [])
  t.equal(first.value('valetkey_token_reads_total', { result: 'hit' }), 0, 'there before it counts')

  t.equal((await call('GET', '/tokens/billing')).status, 200)
  for (let i = 0; i < 3; i += 1) await call('GET', '/tokens/billing')
  for (let i = 0; i < 2; i += 1) {
    t.match(await call('GET', '/tokens/refused'), { body: { code: 'grant_refused' } })
  }
  t.equal((await call('GET', '/tokens/nobody')).status, 404)
  t.equal((await call('GET', '/whoami', { key: null })).status, 401)
  t.equal((await call('GET', '/whoami', { key: 'vk_no' })).status, 401)
  t.equal((await call('GET', '/no/such/path')).status, 404)
  t.equal((await call('HEAD', '/livez')).status, 200)

  const { value, text } = await scrape()
  t.same(faultsOf(text), [])
  const reads = (result: string) => value('valetkey_token_reads_total', { result })
  t.strictSame(
    { hit: reads('hit'), miss: reads('miss'), refused: reads('refused'), denied: reads('denied') },
    { hit: 3, miss: 1, refused: 2, denied: 1 },
  )
  t.equal(value('valetkey_token_reads_total'), 7)
  t.equal(value('valetkey_token_read_duration_seconds_count', { result: 'hit' }), 3)
  const grant = 'client_credentials'
  t.equal(value('valetkey_mints_total', { grant, outcome: 'granted' }), 1)
  t.equal(value('valetkey_mints_total', { grant, outcome: 'refused' }), 1)
  t.equal(value('valetkey_mint_duration_seconds_count', { grant }), 2)
  t.ok((value('valetkey_mint_duration_seconds_sum', { grant }) ?? 0) > 0)
  t.equal(value('valetkey_refusals_total', { reason: 'user_not_admin_approved' }), 1)
  t.equal(value('valetkey_refusals_total'), 1)
  const failures = (reason: string) => value('valetkey_authentication_failures_total', { reason })
  t.equal(failures('CREDENTIAL_MISSING'), 1)
  t.equal(failures('KEY_MALFORMED'), 1)
  t.equal(value('valetkey_problems_total', { code: 'grant_refused' }), 2)
  t.equal(value('valetkey_problems_total', { code: 'not_found' }), 1)
  const tokens = { route: '/tokens/:integration', method: 'GET' }
  t.equal(value('valetkey_http_requests_total', { ...tokens, status: '2xx' }), 4)
  t.equal(value('valetkey_http_requests_total', tokens), 7)
  t.equal(value('valetkey_http_request_duration_seconds_count', tokens), 7)
  t.ok((value('valetkey_http_request_duration_seconds_sum', tokens) ?? 0) > 0)
  const requests = (labels: object) => value('valetkey_http_requests_total', { ...labels })
  t.equal(requests({ route: 'unmatched', method: 'GET', status: '4xx' }), 1)
  t.equal(requests({ route: '/livez', method: 'HEAD' }), 1, 'once')
  t.equal(requests({ route: '/livez', method: 'GET' }), undefined)
  t.equal(value('valetkey_leases', { state: 'usable' }), 1)
  t.equal(value('valetkey_refusals_resting'), 1)
  t.ok((value('valetkey_store_operation_duration_seconds_count') ?? 0) > 10)
  t.equal(value('valetkey_store_errors_total'), 0)
  t.ok((value('valetkey_audit_lines_total') ?? 0) > 5)
  t.strictSame([value('valetkey_ready'), value('valetkey_audit_blocked')], [1, 0])
  t.equal(value('valetkey_readiness_check_ok', { check: 'store' }), 1)
  t.equal(value('valetkey_build_info', { store: 'embedded', version: '0.0.0-test' }), 1)
  t.ok((value('process_resident_memory_bytes') ?? 0) > 1e6)
  t.ok((value('nodejs_heap_size_used_bytes') ?? 0) > 1e6)
})

t.test('a refresh ahead is counted with its lateness', async (t) => {
  const { broker, integrate, pass, scrape } = await world(t)
  await integrate('billing')
  await broker.call('GET', '/tokens/billing')
  await lifeKnown(broker.call, 'billing')
  const before = await scrape()
  t.equal(before.value('valetkey_refresh_ahead_total'), 0)
  const lifetime = before.value('valetkey_lease_expires_in_seconds') ?? 0
  t.ok(lifetime > 100, `${lifetime} s`)
  // Due at 70 %.
  pass(lifetime * 0.75 * SECOND_MS)
  const outcome = { outcome: 'replaced' }
  const after = await eventually(async () => {
    const found = await scrape()
    return found.value('valetkey_refresh_ahead_total', outcome) === 1 ? found : undefined
  })
  t.equal(after.value('valetkey_refresh_ahead_total'), 1)
  t.equal(after.value('valetkey_refresh_ahead_lateness_seconds_count'), 1)
  const late = after.value('valetkey_refresh_ahead_lateness_seconds_sum') ?? 0
  t.ok(late > lifetime * 0.04 && late < lifetime * 0.06 + 30, `${late} s of ${lifetime} s`)
  t.equal(after.value('valetkey_mints_total', { outcome: 'granted' }), 2)
})

t.test('a lease in use that nobody can replace is overdue until somebody does', async (t) => {
  const { simulator, broker, integrate, pass, scrape } = await world(t)
  await integrate('billing', { labels: { environment: 'production' } })
  await integrate('idle')
  await broker.call('GET', '/tokens/billing')
  await lifeKnown(broker.call, 'billing')
  const integration = { integration: 'billing', environment: 'production' }
  const metric = 'valetkey_refresh_ahead_overdue_seconds'
  const before = await scrape()
  t.equal(before.value(metric, integration), 0)
  t.equal(before.value(metric, { integration: 'idle' }), undefined)
  const lifetime = before.value('valetkey_lease_expires_in_seconds', integration) ?? 0
  simulator.addFault({ kind: 'refusal', refusal: 'user_inactive', times: null })
  pass(lifetime * 0.8 * SECOND_MS)
  const failed = { outcome: 'failed' }
  const late = await eventually(async () => {
    const { status } = await broker.call('GET', '/tokens/billing')
    if (status !== 200) throw new Error(`the lease is good, and the answer ${status}`)
    const found = await scrape()
    const isLate = (found.value(metric, integration) ?? 0) > 0
    return isLate && found.value('valetkey_refresh_ahead_total', failed) ? found : undefined
  })
  // Due at 70 %.
  const overdue = late.value(metric, integration) ?? 0
  t.ok(overdue >= lifetime * 0.09 && overdue <= lifetime * 0.11 + 30, `${overdue} s`)
  t.same(faultsOf(late.text), [])
  simulator.clearFaults()
  // The refusal rests, but not for long.
  pass(35 * SECOND_MS)
  await eventually(async () => {
    const found = await scrape()
    return (found.value('valetkey_refresh_ahead_total', { outcome: 'replaced' }) ?? 0) > 0
  })
  t.equal((await scrape()).value(metric, integration), undefined, 'nobody reads the new one yet')
  await broker.call('GET', '/tokens/billing')
  // More scrapes than a few at once get the last answer.
  await eventually(async () => (await scrape()).value(metric, integration) === 0)
})

t.test('single integrations come with their environment and owner', async (t) => {
  const { simulator, broker, put, integrate, pass, scrape } = await world(t)
  const labels = { environment: 'production', owner: 'team-billing', secret_of_mine: 'no' }
  const key = await newSigningKey()
  const app = simulator.addJwtApp({ certificatePem: key.certificate })
  await put('signed', {
    login_url: app.loginUrl,
    labels,
    grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
    credential: { private_key: key.privateKey, certificate: key.certificate },
  })
  const refused = await integrate('refused', { labels: { owner: 'a"b\\c' }, logins_per_hour: 7 })
  await integrate('idle')
  const refusal = { kind: 'refusal', refusal: 'user_inactive', clientId: refused.clientId } as const
  simulator.addFault({ ...refusal, times: null })
  await broker.call('GET', '/tokens/signed')
  await broker.call('GET', '/tokens/refused')
  await broker.call('GET', '/tokens/refused')

  pass(11 * SECOND_MS)
  const found = await eventually(async () => {
    const one = await scrape()
    const isThere = one.value('valetkey_integration_refused', { integration: 'refused' }) === 1
    return isThere ? one : undefined
  })
  const signed = { integration: 'signed', environment: 'production', owner: 'team-billing' }
  const certificate = found.value('valetkey_certificate_expires_in_seconds', signed) ?? 0
  t.ok(certificate > DAY_SECONDS, `${certificate} s`)
  t.equal(
    found.series.filter(({ name }) => name === 'valetkey_certificate_expires_in_seconds').length,
    1,
  )
  t.equal(found.value('valetkey_integration_refused', signed), 0)
  t.equal(found.value('valetkey_logins_last_hour', signed), 1)
  t.equal(found.value('valetkey_logins_per_hour_limit', signed), 120)
  t.equal(found.value('valetkey_connection_lost'), undefined, 'none of these has one')
  const other = { integration: 'refused', environment: '', owner: 'a"b\\c' }
  t.equal(found.value('valetkey_integration_refused', other), 1)
  t.equal(found.value('valetkey_integration_refusal', { ...other, reason: 'user_inactive' }), 1)
  t.equal(found.value('valetkey_integration_refusal', signed), undefined)
  t.equal(found.value('valetkey_logins_per_hour_limit', other), 7)
  t.equal(found.value('valetkey_logins_last_hour', { integration: 'idle' }), undefined, 'not used')
  t.ok((found.value('valetkey_lease_expires_in_seconds', signed) ?? 0) > 300)
  await eventually(async () => (await broker.call('GET', '/integrations/summary')).body.complete)
  pass(11 * SECOND_MS)
  const states = await eventually(async () => {
    const { value } = await scrape()
    const counts = ['ready', 'refused', 'unproven', 'unusable'].map((state) =>
      value('valetkey_integrations', { state }),
    )
    return counts[1] === 1 ? counts : undefined
  })
  t.same(states, [1, 1, 1, 0])
  t.ok((found.value('valetkey_integrations_sample_age_seconds') ?? 60) < 60)
  t.notMatch(found.text, 'secret_of_mine')
  t.same(faultsOf(found.text), [])
})

t.test('integrations of one user share a count of its logins', async (t) => {
  const { simulator, broker, put, pass, scrape } = await world(t)
  const app = simulator.addClientCredentialsApp({ name: 'Shared' })
  for (const name of ['one', 'two']) {
    await put(name, {
      login_url: app.loginUrl,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    })
    t.equal((await broker.call('GET', `/tokens/${name}`)).status, 200)
  }
  // Whose tokens these are is known from the first one on, and counted from then on.
  await broker.call('DELETE', '/tokens/one')
  for (const name of ['one', 'two']) {
    t.equal((await broker.call('GET', `/tokens/${name}`)).status, 200)
  }
  pass(11 * SECOND_MS)
  const { value } = await eventually(async () => {
    const found = await scrape()
    return found.value('valetkey_logins_last_hour') === 4 ? found : undefined
  })
  for (const integration of ['one', 'two']) {
    t.equal(value('valetkey_logins_last_hour', { integration }), 2)
    t.equal(value('valetkey_user_logins_last_hour', { integration }), 2, 'of both, since')
  }
})

t.test('a refresh token that works no more is shown, and one that works', async (t) => {
  const { simulator, broker, put, pass, scrape } = await world(t)
  const connect = async (name: string, labels: object = {}) => {
    const app = simulator.addRefreshTokenApp({ name })
    const { refreshToken } = simulator.approve({ clientId: app.clientId })
    await put(name, {
      login_url: app.loginUrl,
      labels,
      grant: { type: 'refresh_token', client_id: app.clientId },
      credential: { refresh_token: refreshToken, client_secret: app.clientSecret },
    })
    return app
  }
  const lost = await connect('lost', { environment: 'production' })
  await connect('kept')
  simulator.addFault({
    kind: 'refusal',
    refusal: 'refresh_token_expired',
    clientId: lost.clientId,
    times: null,
  })
  t.match(await broker.call('GET', '/tokens/lost'), { status: 409 })
  t.equal((await broker.call('GET', '/tokens/kept')).status, 200)
  pass(11 * SECOND_MS)
  const metric = 'valetkey_connection_lost'
  const labels = { integration: 'lost', environment: 'production' }
  const found = await eventually(async () => {
    await broker.call('GET', '/tokens/lost')
    const one = await scrape()
    return one.value(metric, labels) === 1 ? one : undefined
  })
  t.equal(found.value(metric, { integration: 'kept' }), 0)
  t.equal(found.value('valetkey_connections_lost_total'), 1)
  t.same(faultsOf(found.text), [])
})

t.test('10,000 odd requests add nothing that a caller invented', async (t) => {
  const { broker, port } = await world(t)
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  t.teardown(() => agent.destroy())
  const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'PROPFIND', 'PURGE']
  const PLACES = [
    (odd: string) => `/${odd}`,
    (odd: string) => `/tokens/${odd}`,
    (odd: string) => `/tokens/${odd}?rejected=${odd}&min_ttl=1`,
    (odd: string) => `/tokens/a?${odd}=${odd}`,
    (odd: string) => `/integrations/${odd}`,
    (odd: string) => `/integrations/${odd}/credentials/${odd}`,
    (odd: string) => `/problems/${odd}`,
    (odd: string) => `/docs/${odd}`,
    (odd: string) => `/api-keys/${odd}`,
    (odd: string) => `/%zz${odd}`,
    (odd: string) => `/audit?principal=${odd}`,
  ]
  const { port: api } = new URL(broker.url)
  const send = (at: number) =>
    new Promise<void>((resolve, reject) => {
      const odd = `odd-${at}`
      const options = {
        ...{ host: '127.0.0.1', port: api, agent },
        method: METHODS[at % METHODS.length] ?? 'GET',
        path: PLACES[at % PLACES.length]?.(odd) ?? '/',
        headers: {
          'x-request-id': odd,
          'user-agent': odd,
          host: `${odd}.example`,
          ...(at % 2 === 0 && { authorization: `Bearer ${at % 4 ? odd : broker.adminKey}` }),
          ...(at % 3 === 0 && { 'content-type': `application/${odd}` }),
        },
      }
      const sent = request(options, (response) => {
        response.resume()
        response.on('end', resolve)
      })
      sent.on('error', reject)
      sent.end()
    })
  const sendAll = async (from: number, to: number) => {
    let next = from
    const worker = async () => {
      while (next < to) {
        next += 1
        await send(next)
      }
    }
    await Promise.all(Array.from({ length: 16 }, worker))
  }
  const keysOf = async () => {
    const { series, text } = await scrape(port)
    t.notMatch(text, /odd-/)
    return new Set(series.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`))
  }
  await sendAll(0, 1_000)
  const early = await keysOf()
  await sendAll(1_000, 10_000)
  const late = await keysOf()
  const added = [...late].filter((key) => !early.has(key))
  // A refusal that only comes with load, such as too many failed authentications.
  t.ok(added.length < 40, added.join('\n'))
  t.ok(late.size < 3_000, `${late.size} series`)
  const { value } = await scrape(port)
  t.ok((value('valetkey_http_requests_total') ?? 0) > 9_000, 'they were counted')
})

t.test('0 turns it off', async (t) => {
  const broker = await startBroker(t, { loginHosts: [], env: { VALETKEY_METRICS_PORT: '0' } })
  t.equal(broker.app.metrics, undefined)
  t.equal((await broker.call('GET', '/metrics')).status, 404)
})

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'valetkey-metrics-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

t.test('the port is its own, and is free again after the end', async (t) => {
  const metricsPort = await freePort()
  const options = {
    adminKey: newAdminKey(),
    env: { VALETKEY_DATA_DIR: await folder(t), VALETKEY_METRICS_PORT: String(metricsPort) },
  }
  const broker = await startBrokerProcess(t, options)
  const found = await scrape(metricsPort)
  t.equal(found.value('valetkey_ready'), 1)
  t.equal((await broker.call('GET', '/metrics')).status, 404)
  const other = await fetch(`http://127.0.0.1:${metricsPort}/livez`)
  t.equal(other.status, 404)
  await other.text()
  t.equal(await broker.kill('SIGTERM'), 0)
  await t.rejects(scrape(metricsPort), { cause: { code: 'ECONNREFUSED' } })
})

t.test('a port that is taken ends the start with status 78', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as { port: number }
  const env = { VALETKEY_DATA_DIR: await folder(t), VALETKEY_PORT: '0' }
  const child = spawnValetkey(['serve'], { ...env, VALETKEY_METRICS_PORT: String(port) })
  let stderr = ''
  child.stderr?.on('data', (chunk) => {
    stderr += chunk
  })
  const [code] = await once(child, 'close')
  t.equal(code, 78)
  t.equal(
    stderr,
    `valetkey: VALETKEY_METRICS_PORT: cannot listen on 127.0.0.1:${port} (EADDRINUSE): another process uses this port; stop it, or set VALETKEY_METRICS_PORT to a free port\n`,
  )
})
