/** What anybody may ask for is made once, whoever asks how often. */
import fs from 'node:fs'
import t, { type Test } from 'tap'
import { publicAnswer, registerPublicAnswer } from '../../../src/http/pages/public-answer.ts'
import { createServer } from '../../../src/http/server/server.ts'
import { createLogger } from '../../../src/logger/logger.ts'
import { once } from '../../../src/runtime/once.ts'
import { startBroker } from '../../support/broker.ts'
import { sendRaw } from '../../support/raw-http.ts'

/** Every public path whose answer never changes, and the types that it comes in. */
const PUBLIC: Readonly<Record<string, readonly string[]>> = {
  '/openapi.json': ['application/json'],
  '/openapi.yaml': ['application/yaml'],
  '/docs': ['text/html'],
  '/docs/': ['text/html'],
  '/docs/json': ['application/json'],
  '/docs/yaml': ['application/yaml'],
  '/docs/static/swagger-ui-bundle.js': ['application/javascript'],
  '/docs/static/swagger-ui.css': ['text/css'],
  '/docs/static/swagger-initializer.js': ['application/javascript'],
  '/docs/static/favicon-32x32.png': ['image/png'],
  '/problems': ['application/json', 'text/markdown'],
  '/problems/internal': ['application/json', 'text/markdown'],
}

/** How often files are looked at while the work runs. */
async function filesRead(t: Test, work: () => Promise<unknown>): Promise<number> {
  const looks = t.capture(fs, 'stat', fs.stat)
  const reads = t.capture(fs, 'createReadStream', fs.createReadStream)
  await work()
  return looks().length + reads().length
}

t.test('documents and pages are made with the first request, and never again', async (t) => {
  const { url, app } = await startBroker(t, { loginHosts: [] })
  const describe = app.server.swagger
  let described = 0
  app.server.swagger = ((options?: never) => {
    described += 1
    return describe(options)
  }) as typeof describe
  const ask = async (path: string, accept: string) => {
    const answer = await fetch(url + path, { headers: { accept } })
    const text = await answer.text()
    t.equal(answer.status, 200, path)
    if (answer.headers.get('content-encoding') === null) {
      t.equal(answer.headers.get('content-length'), String(Buffer.byteLength(text)), path)
    }
    t.equal(answer.headers.get('content-type')?.split(';')[0], accept, path)
    return text
  }
  const forms = Object.entries(PUBLIC).flatMap(([path, types]) =>
    types.filter((type) => type !== 'image/png').map((type) => [path, type] as const),
  )
  const first = await Promise.all(forms.map(([path, type]) => ask(path, type)))
  const once = described
  const files = await filesRead(t, async () => {
    for (let round = 0; round < 5; round += 1) {
      t.same(await Promise.all(forms.map(([path, type]) => ask(path, type))), first)
    }
    for (const name of ['nothing.js', '..%2findex.js', 'a'.repeat(200)]) {
      t.equal((await fetch(`${url}/docs/static/${name}`)).status, 404)
    }
  })
  t.ok(once <= 2, `the document was rendered ${once} times`)
  t.equal(described, once)
  t.equal(files, 0)
})

t.test('HEAD has the length, and who has the bytes gets none', async (t) => {
  const { url } = await startBroker(t, { loginHosts: [] })
  for (const path of Object.keys(PUBLIC)) {
    const plain = { 'accept-encoding': 'identity' }
    const get = await fetch(url + path, { headers: plain })
    const length = String((await get.arrayBuffer()).byteLength)
    const head = await fetch(url + path, { method: 'HEAD', headers: plain })
    t.match(head, { status: 200 }, path)
    t.equal(head.headers.get('content-length'), length, path)
    const tag = get.headers.get('etag')
    if (tag === null) continue
    const again = await fetch(url + path, { headers: { 'if-none-match': tag } })
    t.equal(again.status, 304, path)
    const other = await fetch(url + path, { headers: { 'if-none-match': '"other"' } })
    t.equal(other.status, 200, path)
    await other.arrayBuffer()
  }
})

t.test('long answers are packed for those who can unpack them', async (t) => {
  const { url } = await startBroker(t, { loginHosts: [] })
  const port = Number(new URL(url).port)
  const sizeOf = async (path: string, coding: string | undefined) => {
    const header = coding === undefined ? '' : `Accept-Encoding: ${coding}\r\n`
    const answer = await sendRaw(port, `GET ${path} HTTP/1.1\r\nHost: a\r\n${header}\r\n`)
    t.equal(answer?.header('vary'), 'accept-encoding', path)
    const length = Number(answer?.header('content-length'))
    return answer?.header('content-encoding') === 'gzip' ? { length, isPacked: true } : { length }
  }
  for (const [path, isUnasked] of [
    ['/openapi.json', false],
    ['/openapi.yaml', false],
    ['/docs/static/swagger-ui-bundle.js', true],
  ] as const) {
    const plain = await sizeOf(path, 'identity')
    t.notOk(plain.isPacked)
    t.notOk((await sizeOf(path, 'gzip;q=0, br')).isPacked, path)
    for (const coding of ['gzip', 'br, gzip;q=0.5', '*']) {
      const packed = await sizeOf(path, coding)
      t.ok(packed.isPacked, coding)
      t.ok(packed.length * 2 < plain.length, path)
    }
    t.equal((await sizeOf(path, undefined)).isPacked ?? false, isUnasked, path)
  }
})

t.test('a page in several types gives the one that is liked best', async (t) => {
  const server = createServer({ logger: createLogger({ level: 'silent' }), trustProxy: [] })
  t.teardown(() => server.close())
  let made = 0
  registerPublicAnswer(server, '/page', {
    schema: {},
    answers: () => {
      made += 1
      return [
        publicAnswer('application/json', '{"a":1}'),
        publicAnswer('text/html; charset=utf-8', '<p>a', {
          headers: { 'x-frame-options': 'DENY' },
        }),
      ]
    },
  })
  registerPublicAnswer(server, '/alone', {
    schema: {},
    answers: () => [publicAnswer('image/png', Buffer.from([1, 2, 3]))],
  })
  const ask = (url: string, accept: string) => server.inject({ url, headers: { accept } })
  const html = await ask('/page', 'text/html,application/xhtml+xml,*/*;q=0.8')
  t.match(html, { statusCode: 200, body: '<p>a', headers: { 'x-frame-options': 'DENY' } })
  t.match(await ask('/page', '*/*'), { statusCode: 200, body: '{"a":1}' })
  t.match((await ask('/page', 'image/png')).json(), { code: 'not_acceptable' })
  t.match(await ask('/alone', 'text/html'), { statusCode: 200, headers: { 'content-length': '3' } })
  t.equal(made, 1)
})

t.test('what is made once is made once, though it be nothing', (t) => {
  let made = 0
  const make = once(() => {
    made += 1
  })
  make()
  make()
  t.equal(made, 1)
  t.end()
})

t.test('what could not be made is made again, and what was made is kept', async (t) => {
  let calls = 0
  const made = once(async () => {
    calls += 1
    if (calls === 1) throw new Error('EMFILE')
    return calls
  })
  const first = made()
  t.equal(made(), first, 'one attempt at a time')
  await t.rejects(first, { message: 'EMFILE' })
  t.equal(await made(), 2)
  t.equal(await made(), 2)
})
