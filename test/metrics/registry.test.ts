/** Metrics in memory, their text, their listener, and the table of the service. */
import { request } from 'node:http'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { createMetricsListener } from '../../src/metrics/listener.ts'
import { createMetrics, type MetricRow } from '../../src/metrics/registry.ts'
import { METRICS } from '../../src/metrics/table.ts'
import { readDocument } from '../support/document.ts'
import { eventually } from '../support/eventually.ts'
import { lintExposition, parseExposition } from '../support/exposition.ts'
import { openRaw } from '../support/raw-http.ts'

const TABLE = {
  tries_total: { type: 'counter', help: 'Tries.', labels: { end: { values: ['good', 'bad'] } } },
  wait_seconds: { type: 'histogram', help: 'Waits.', buckets: [0.1, 1] },
  by_route_total: {
    type: 'counter',
    help: 'Routes.',
    labels: { route: { text: 'It' } },
    atMost: 2,
  },
  depth: { type: 'gauge', help: 'A\\B\nC.', labels: { name: { text: 'It' } }, atMost: 2 },
} as const

t.test('counters and histograms are written as Prometheus reads them', async (t) => {
  const metrics = createMetrics(TABLE)
  const good = metrics.counter('tries_total', { end: 'good' })
  good.add()
  good.add(2)
  metrics.counter('tries_total', { end: 'good' }).add()
  const wait = metrics.histogram('wait_seconds')
  for (const seconds of [0.1, 0.5, 7]) wait.observe(seconds)
  t.equal(
    metrics.render(),
    [
      '# HELP tries_total Tries.',
      '# TYPE tries_total counter',
      'tries_total{end="good"} 4',
      'tries_total{end="bad"} 0',
      '# HELP wait_seconds Waits.',
      '# TYPE wait_seconds histogram',
      'wait_seconds_bucket{le="0.1"} 1',
      'wait_seconds_bucket{le="1"} 2',
      'wait_seconds_bucket{le="+Inf"} 3',
      'wait_seconds_sum 7.6',
      'wait_seconds_count 3',
      '',
    ].join('\n'),
  )
})

t.test('values of labels are escaped, and so is help', async (t) => {
  const metrics = createMetrics(TABLE)
  metrics.sample('depth', () => [[1.5, { name: 'a"b\\c\nd' }]])
  const [family] = parseExposition(metrics.render()).filter(({ name }) => name === 'depth')
  t.match(metrics.render(), 'depth{name="a\\"b\\\\c\\nd"} 1.5\n')
  t.match(metrics.render(), '# HELP depth A\\\\B\\nC.\n')
  t.match(family?.series[0], { labels: { name: 'a"b\\c\nd' }, value: 1.5 })
})

t.test('what is not in a closed list counts as other', async (t) => {
  const metrics = createMetrics(TABLE)
  for (const end of ['ugly', 'worse']) metrics.counter('tries_total', { end: end as 'good' }).add()
  t.match(metrics.render(), 'tries_total{end="other"} 2\n')
  t.notMatch(metrics.render(), /ugly|worse/)
})

t.test('a metric has no more series than its row allows', async (t) => {
  const metrics = createMetrics(TABLE)
  for (const route of ['/a', '/b', '/c', '/d']) metrics.counter('by_route_total', { route }).add()
  metrics.counter('by_route_total', { route: '/a' }).add()
  metrics.sample('depth', () => ['x', 'y', 'z'].map((name) => [1, { name }] as const))
  const text = metrics.render()
  t.match(text, 'by_route_total{route="/a"} 2\nby_route_total{route="/b"} 1\n')
  t.match(text, 'by_route_total{route="other"} 2\n')
  t.notMatch(text, /\/c|\/d|name="z"/)
  t.strictSame([...metrics.leftOut()], [['depth', 1]])
})

t.test('the table keeps the rules of Prometheus for names, units and labels', async (t) => {
  const metrics = createMetrics(METRICS)
  t.same(lintExposition(parseExposition(metrics.render())), [])
  const rows = Object.entries<MetricRow>(METRICS)
  t.ok(rows.length > 25)
  for (const [name, row] of rows) {
    t.match(name, /^valetkey_[a-z]+(_[a-z]+)*$/)
    t.equal(name.endsWith('_total'), row.type === 'counter', name)
    if (row.type === 'histogram') {
      t.match(name, /_seconds$/)
      t.ok(row.buckets.length > 4, name)
      t.same(
        row.buckets,
        [...new Set(row.buckets)].sort((a, b) => a - b),
        name,
      )
    }
    t.match(row.help, /^[A-Z][^\n]+\.$/, name)
    const labels = Object.entries(row.labels ?? {})
    const isOpen = labels.some(([, label]) => 'text' in label)
    t.equal(row.atMost !== undefined, isOpen, `${name} is bounded where it must be`)
    t.ok((row.atMost ?? 0) <= 1_000, name)
    for (const [label, of] of labels) {
      t.match(label, /^[a-z]+(_[a-z]+)*$/)
      t.notOk(['le', 'quantile', 'job', 'instance'].includes(label), `${name}: ${label}`)
      if ('values' in of) t.equal(new Set(of.values).size, of.values.length, `${name}: ${label}`)
    }
  }
})

t.test('what the linter of these tests must find, it finds', async (t) => {
  const bad = [
    ['requests', 'counter', 'requests 1'],
    ['wait_milliseconds', 'gauge', 'wait_milliseconds 1'],
    ['wait_seconds_long', 'gauge', 'wait_seconds_long 1'],
    ['depth_total', 'gauge', 'depth_total 1'],
    ['depth_gauge', 'gauge', 'depth_gauge 1'],
    ['depth', 'gauge', 'depth{a="b"} 1\ndepth{a="b"} 2'],
    ['wait_seconds', 'histogram', 'wait_seconds_bucket{le="+Inf"} 2\nwait_seconds_count 3'],
  ]
  for (const [name, type, samples] of bad) {
    const text = `# HELP ${name} It.\n# TYPE ${name} ${type}\n${samples}\n`
    t.ok(lintExposition(parseExposition(text)).length > 0, text)
  }
  t.throws(() => parseExposition('# HELP a A.\n# TYPE a gauge\na{b="c} 1\n'))
})

t.test('every metric is documented', async (t) => {
  const { text } = readDocument('docs/metrics.md')
  for (const [name, { type }] of Object.entries(METRICS)) t.match(text, `| \`${name}\` | ${type} |`)
})

async function start(t: Test, render: () => Promise<string>, monotonic = () => 0) {
  const errors: object[] = []
  const log = { error: (bindings: object) => void errors.push(bindings) }
  const listener = createMetricsListener({ render, log, monotonic })
  const port = await listener.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => listener.close())
  const ask = (path: string, method = 'GET') =>
    new Promise<{ status: number; headers: Record<string, unknown>; text: string }>(
      (resolve, reject) => {
        const sent = request({ host: '127.0.0.1', port, path, method }, async (response) => {
          let text = ''
          for await (const chunk of response) text += chunk
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
        })
        sent.on('error', reject)
        sent.end()
      },
    )
  return { listener, port, ask, errors }
}

t.test('the listener serves /metrics to GET and HEAD, and nothing else', async (t) => {
  const { ask } = await start(t, async () => 'depth 1\n')
  t.match(await ask('/metrics'), {
    status: 200,
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'content-length': '8' },
    text: 'depth 1\n',
  })
  t.match(await ask('/metrics?name[]=a'), { status: 200 })
  t.match(await ask('/metrics', 'HEAD'), {
    status: 200,
    headers: { 'content-length': '8' },
    text: '',
  })
  for (const path of ['/', '/metrics/', '/metrics/a', '/readyz', '//metrics', '/a?/metrics']) {
    t.match(await ask(path), { status: 404, headers: { 'content-type': /^text\/plain/ } }, path)
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    t.match(await ask('/metrics', method), { status: 405, headers: { allow: 'GET, HEAD' } })
  }
})

t.test('a scrape that fails is a 500, and stands in the log', async (t) => {
  const { ask, errors } = await start(t, () => Promise.reject(new Error('inner')))
  const { status, text } = await ask('/metrics')
  t.equal(status, 500)
  t.notMatch(text, 'inner')
  t.match(errors, [{ code: 'internal', err: { message: 'inner' } }])
})

t.test('a connection that sends nothing does not keep the listener open', async (t) => {
  const { listener, port } = await start(t, async () => '')
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.write('GET /metrics HTTP/1.1\r\nHost: a\r\n')
  await listener.close()
  socket.destroy()
  t.pass('it closed')
})

t.test('whoever asks all the time gets what was read last', async (t) => {
  let time = 0
  let rendered = 0
  const render = async () => {
    rendered += 1
    return `${rendered}\n`
  }
  const { ask } = await start(t, render, () => time)
  const texts: string[] = []
  for (let scrape = 0; scrape < 200; scrape += 1) texts.push((await ask('/metrics')).text)
  t.equal(rendered, 20)
  t.equal(texts.at(-1), '20\n')
  time += 500
  t.equal((await ask('/metrics')).text, '21\n')
  t.equal((await ask('/metrics')).text, '21\n')
  time += 60_000
  t.equal((await ask('/metrics')).text, '22\n', 'who asks now and then gets what is true')
})

t.test('what is malformed is answered behind the scrape before it', async (t) => {
  const started: (() => void)[] = []
  const { port } = await start(t, async () => {
    await new Promise<void>((resolve) => started.push(resolve))
    return 'first'
  })
  const one = openRaw(port)
  t.teardown(() => one.destroy())
  one.write('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\nNONSENSE\r\n\r\n')
  await eventually(() => started.length === 1)
  started[0]?.()
  t.match(await one.closed(), /^HTTP\/1\.1 200 [\s\S]*firstHTTP\/1\.1 400 /)
})
