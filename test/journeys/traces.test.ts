/** Traces of real replicas, sent to a real receiver over HTTP. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { spawnValetkey } from '../support/broker.ts'
import { canary, findLeaks } from '../support/canaries.ts'
import { eventually } from '../support/eventually.ts'
import { startFleet } from '../support/fleet.ts'
import { type ReceivedSpan, startOtlpReceiver } from '../support/otlp-receiver.ts'
import { ROOT } from '../support/project-root.ts'
import { freePort } from '../support/redis.ts'

t.setTimeout(120_000)

const HEADER_SECRET = randomBytes(24).toString('base64url')

async function world(t: Test, replicas: number, env: Readonly<Record<string, string>> = {}) {
  const receiver = await startOtlpReceiver()
  t.teardown(() => receiver.close())
  const fleet = await startFleet(t, {
    replicas,
    env: {
      VALETKEY_LOG_LEVEL: 'debug',
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${HEADER_SECRET}`,
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
      ...env,
    },
  })
  /** The spans of one trace, once one of this name is among them. */
  const trace = (traceId: string, ...names: readonly string[]) =>
    eventually(() => {
      const spans = receiver.spans().filter((span) => span.traceId === traceId)
      const isThere = names.every((name) => spans.some((span) => span.name === name))
      return isThere ? spans : undefined
    })
  return { receiver, fleet, trace }
}

const newTrace = () => {
  const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')]
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` }
}

const named = (spans: readonly ReceivedSpan[], name: string): ReceivedSpan => {
  const [span] = spans.filter((one) => one.name === name)
  if (!span) throw new Error(`no span ${name} among ${spans.map((one) => one.name)}`)
  return span
}

const { receiver, fleet, trace } = await world(t, 2)

const REQUEST = 'GET /tokens/:integration'
/** The body follows when the head was read. */
const sendLate = (
  { url, key }: { readonly url: string; readonly key: string },
  traceparent: string,
) =>
  new Promise<number | undefined>((resolve, reject) => {
    const sent = request(`${url}/integrations/billing`, {
      method: 'PATCH',
      headers: {
        authorization: `Bearer ${key}`,
        traceparent,
        'if-match': '*',
        'content-type': 'application/json',
        expect: '100-continue',
      },
    })
    sent.on('continue', () => sent.end('{"description":"it has a body"}'))
    sent.on('response', (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    sent.on('error', reject)
    sent.flushHeaders()
  })

const lines = (output: string) =>
  output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))

t.test(
  'a request is followed to the store and to Salesforce, and nothing secret is in it',
  async (t) => {
    const { receiver, fleet, trace } = await world(t, 2)
    const app = await fleet.integrate('billing', { members: { labels: { environment: 'test' } } })
    const one = newTrace()
    const first = await fleet.call('GET', '/tokens/billing', {
      headers: { traceparent: one.traceparent, tracestate: 'vendor=of-the-caller', baggage: 'a=b' },
    })
    t.equal(first.status, 200)

    const spans = await trace(one.traceId, REQUEST)
    const ofRequest = named(spans, REQUEST)
    const lookup = named(spans, 'lease lookup')
    const mint = named(spans, 'mint')
    t.equal(ofRequest.parentSpanId, one.spanId, 'below the span of the caller')
    t.equal(lookup.parentSpanId, ofRequest.spanId)
    t.equal(mint.parentSpanId, lookup.spanId)
    t.match(ofRequest.attributes, {
      'http.route': '/tokens/:integration',
      'http.response.status_code': 200,
    })
    t.match(lookup.attributes, { 'valetkey.integration': 'billing', 'valetkey.result': 'miss' })
    t.match(mint.attributes, { 'valetkey.grant': 'client_credentials' })
    t.match(ofRequest.resource, {
      'service.name': 'valetkey',
      'deployment.environment.name': 'test',
      'service.version': /^\d/,
    })
    const commands = spans.filter(({ name }) => name.startsWith('store '))
    for (const name of [
      'store budgets.takeUnderLock',
      'store outcomes.save',
      'store integrations.readSealed',
    ]) {
      t.match(named(commands, name).attributes, { 'db.system.name': 'redis' })
    }
    const known = new Set([one.spanId, ...spans.map(({ spanId }) => spanId)])
    t.ok(
      spans.every(({ parentSpanId }) => known.has(parentSpanId ?? '')),
      'one tree',
    )

    const [login] = fleet.simulator.tokenRequests()
    const sent = named(
      spans.filter(({ parentSpanId }) => parentSpanId === mint.spanId),
      'POST',
    )
    t.equal(login?.headers.traceparent, `00-${one.traceId}-${sent.spanId}-01`, 'passed on')
    t.equal(login?.headers.tracestate, undefined)
    t.equal(login?.headers.baggage, undefined)
    t.match(sent.attributes, { 'server.address': '127.0.0.1', 'http.response.status_code': 200 })

    const changing = newTrace()
    t.equal(
      await sendLate({ url: fleet.replica(0).url, key: fleet.key }, changing.traceparent),
      200,
    )
    const ofChange = await trace(changing.traceId, 'PATCH /integrations/:name')
    t.equal(
      named(ofChange, 'store integrations.change').parentSpanId,
      named(ofChange, 'PATCH /integrations/:name').spanId,
      'a body that comes later does not lead astray',
    )
    const wrong = newTrace()
    await fleet.call('PATCH', '/integrations/billing', {
      headers: { traceparent: wrong.traceparent, 'content-type': 'application/json' },
      body: '{"description"',
    })
    const ofWrong = await trace(wrong.traceId, 'PATCH /integrations/:name')
    t.match(named(ofWrong, 'PATCH /integrations/:name').attributes, { 'error.type': /^\w+$/ })

    const hit = newTrace()
    await fleet.call('GET', '/tokens/billing', { headers: { traceparent: hit.traceparent } })
    const ofHit = await trace(hit.traceId, REQUEST)
    t.match(named(ofHit, 'lease lookup').attributes, { 'valetkey.result': 'hit' })
    t.notOk(ofHit.some(({ name }) => name === 'mint'))

    const odd = newTrace()
    const secret = `s3cret${randomBytes(12).toString('hex')}`
    for (const path of [`/tokens/${secret}`, `/${secret}`, `/audit?principal=${secret}`]) {
      await fleet.call('GET', path, { headers: { traceparent: odd.traceparent } })
    }
    const ofOdd = await trace(odd.traceId, REQUEST, 'GET', 'GET /audit')
    t.match(named(ofOdd, 'lease lookup'), {
      isError: true,
      attributes: { 'error.type': 'integration_not_found' },
    })
    t.match(named(ofOdd, 'GET').attributes, { 'error.type': 'not_found' })

    const bad = await fleet.call('GET', '/tokens/billing', {
      headers: { traceparent: `00-${'0'.repeat(32)}-1-01` },
    })
    t.equal(bad.status, 200, 'one that is not valid is none')

    const log = lines(fleet.replica(0).output())
    const answered = log.filter(({ trace_id: id }) => id === one.traceId)
    t.ok(
      answered.some(({ msg }) => msg === 'answered'),
      'log lines carry it',
    )
    t.equal(receiver.headers()[0]?.authorization, `Bearer ${HEADER_SECRET}`)
    t.notOk(receiver.spans().some(({ name }) => /livez|readyz|due\.claim/.test(name)))

    const leaks = findLeaks(
      [
        canary('the token', first.body.access_token),
        canary('the client secret', app.clientSecret),
        canary('the admin key', fleet.key),
        canary('what a path held', secret),
        canary('the headers of the exporter', HEADER_SECRET),
        canary('what the caller told others', 'of-the-caller'),
      ],
      [
        { source: 'traces', content: receiver.texts().join('\n') },
        { source: 'log', content: fleet.replicas.map((replica) => replica.output()).join('\n') },
      ].map(({ source, content }) => ({ source, content })),
    )
    t.same(leaks, [])
  },
)

t.test('who waits for another replica, who is refused, and what nobody asked for', async (t) => {
  await fleet.integrate('orders')
  fleet.simulator.addFault({ kind: 'delay', ms: 700, times: 1 })
  const [one, two] = [newTrace(), newTrace()]
  await Promise.all(
    [one, two].map(({ traceparent }, at) =>
      fleet.replica(at).call('GET', '/tokens/orders', { headers: { traceparent } }),
    ),
  )
  const both = [...(await trace(one.traceId, REQUEST)), ...(await trace(two.traceId, REQUEST))]
  t.equal(both.filter(({ name }) => name === 'mint').length, 1)
  t.match(named(both, 'lock wait').attributes, { 'valetkey.integration': 'orders' })
  const instances = new Set(receiver.spans().map(({ resource }) => resource['service.instance.id']))
  t.equal(instances.size, 2)

  const other = await fleet.integrate('refused')
  fleet.simulator.addFault({
    kind: 'refusal',
    refusal: 'user_inactive',
    clientId: other.clientId,
    times: null,
  })
  const no = newTrace()
  const { status } = await fleet.call('GET', '/tokens/refused', {
    headers: { traceparent: no.traceparent },
  })
  t.equal(status, 424)
  const refused = await trace(no.traceId, REQUEST)
  t.match(named(refused, 'mint'), {
    isError: true,
    attributes: { 'valetkey.refusal': 'user_inactive', 'error.type': 'grant_refused' },
  })
  t.match(named(refused, 'lease lookup').attributes, { 'valetkey.integration': 'refused' })
  t.match(named(refused, REQUEST), {
    isError: false,
    attributes: { 'error.type': 'grant_refused' },
  })

  fleet.simulator.configure({ expiresIn: 2 })
  await fleet.integrate('short', { members: { keep_warm: true } })
  await fleet.call('GET', '/tokens/short')
  const refresh = await eventually(() =>
    receiver.spans().find(({ name }) => name === 'refresh ahead'),
  )
  t.match(refresh, { parentSpanId: undefined, attributes: { 'valetkey.integration': 'short' } })
  const below = await trace(refresh.traceId, 'mint', 'POST')
  t.equal(named(below, 'mint').parentSpanId, refresh.spanId)
})

t.test(
  'a receiver that hangs, is away, and is back: callers feel nothing, and the log says it once',
  async (t) => {
    const port = await freePort()
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}/`,
      OTEL_EXPORTER_OTLP_TIMEOUT: '300',
      VALETKEY_METRICS_PORT: String(await freePort()),
    }
    const { fleet } = await world(t, 1, env)
    await fleet.integrate('billing')
    const said = (text: string) =>
      lines(fleet.replica(0).output()).filter(({ msg }) => msg === text).length
    const call = () => fleet.call('GET', '/tokens/billing')
    const lost = async () => {
      const text = await (
        await fetch(`http://127.0.0.1:${env.VALETKEY_METRICS_PORT}/metrics`)
      ).text()
      return Number(/^valetkey_spans_lost_total (\d+)$/m.exec(text)?.[1])
    }
    // Away.
    await eventually(async () => {
      t.equal((await call()).status, 200)
      return (await lost()) > 0
    })
    const before = await lost()
    await eventually(async () => {
      t.equal((await call()).status, 200)
      return (await lost()) > before
    })
    t.equal(said('traces cannot be sent'), 1)

    const receiver = await startOtlpReceiver(port)
    t.teardown(() => receiver.close())
    await eventually(async () => {
      await call()
      return receiver.spans().length > 0 && said('over: traces cannot be sent') === 1
    })

    // Hanging.
    receiver.set('hang')
    await eventually(async () => {
      await call()
      return receiver.hanging() > 0
    })
    const slowest = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const startedAt = performance.now()
        t.equal((await call()).status, 200)
        return performance.now() - startedAt
      }),
    )
    t.ok(Math.max(...slowest) < 5_000, `${Math.max(...slowest)} ms`)
    await eventually(() => said('traces cannot be sent') === 2)

    // It is given up at the end, too.
    await fleet.replica(0).restart('SIGTERM')
    t.match(fleet.replica(0).output(), '"msg":"stopped"')
    t.notMatch(fleet.replica(0).output(), /still open|exceeded its time limit/)
  },
)

t.test('a caller who decided against it is not traced, and still found in the log', async (t) => {
  await fleet.integrate('unseen')
  const { traceId, spanId } = newTrace()
  const { status } = await fleet.call('GET', '/tokens/unseen', {
    headers: { traceparent: `00-${traceId}-${spanId}-00` },
  })
  t.equal(status, 200)
  await eventually(() => fleet.replica(0).output().includes(`"trace_id":"${traceId}"`))
  t.notOk(
    fleet.simulator.tokenRequests().some(({ headers }) => headers.traceparent?.includes(traceId)),
  )

  const last = newTrace()
  await fleet.call('GET', '/tokens/unseen', { headers: { traceparent: last.traceparent } })
  await fleet.replica(0).restart('SIGTERM')
  const spans = receiver.spans().filter((span) => span.traceId === last.traceId)
  t.ok(named(spans, REQUEST), 'what is not sent yet is sent at the end')
  t.notOk(receiver.spans().some((span) => span.traceId === traceId))
})

t.test('mistakes in its settings end the start', async (t) => {
  const child = spawnValetkey(['serve'], {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318',
    OTEL_EXPORTER_OTLP_HEADERS: 'nothing',
    OTEL_TRACES_SAMPLER: 'jaeger_remote',
    OTEL_TRACES_SAMPLER_ARG: '2',
  })
  let stderr = ''
  child.stderr?.on('data', (chunk) => {
    stderr += chunk
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  t.equal(code, 78)
  for (const name of ['ENDPOINT', 'HEADERS', 'SAMPLER', 'SAMPLER_ARG']) {
    t.match(stderr, new RegExp(`^valetkey: OTEL_\\w*${name}: `, 'm'))
  }
  t.notMatch(stderr, 'nothing')
})

t.test('nothing of it is loaded where it is off', async (t) => {
  const serve = readFileSync(join(ROOT, 'src/process/serve.ts'), 'utf8')
  t.match(serve, "await import('../tracing/tracing.ts')")
  for (const path of [
    'src/process/serve.ts',
    'src/app/app-dependencies.ts',
    'src/metrics/meters.ts',
  ]) {
    const imports = readFileSync(join(ROOT, path), 'utf8').match(/^import .*tracing\/.*$/gm) ?? []
    t.ok(imports.length > 0)
    for (const line of imports) t.match(line, /^import type /, path)
  }
})
