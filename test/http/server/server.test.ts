import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { createServer, type ServerLimits } from '../../../src/http/server/server.ts'
import { createLogger } from '../../../src/logger/logger.ts'
import { startBroker } from '../../support/broker.ts'
import { problemFaults } from '../../support/problem.ts'
import { openRaw, type RawAnswer, sendRaw } from '../../support/raw-http.ts'

const { url, adminKey, logs } = await startBroker(t, { loginHosts: [] })
const port = Number(new URL(url).port)
const AUTH = `Authorization: Bearer ${adminKey}`

/** A request of these lines, with a Host, and a body under its own length where there is one. */
function request(line: string, headers: readonly string[] = [], body?: string): string {
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
  return [line, 'Host: broker', ...headers, ...length, '', body ?? ''].join('\r\n')
}

const fields = (count: number) => Array.from({ length: count }, (_, index) => `X-${index}: a`)
const put = (headers: readonly string[], body?: string) =>
  request('PUT /integrations/a HTTP/1.1', [AUTH, ...headers], body)
const JSON_TYPE = 'Content-Type: application/json'

type Case = readonly [what: string, bytes: string | Buffer, status: number, code: string]

const CASES: readonly Case[] = [
  ['a line that is no request', 'NONSENSE\r\n\r\n', 400, 'request_invalid'],
  ['a request of HTTP/0.9', 'GET /livez\r\n\r\n', 400, 'request_invalid'],
  ['a version before 1.0', request('GET /livez HTTP/0.9'), 400, 'request_invalid'],
  ['a version that there is not', request('GET /livez HTTP/9.9'), 400, 'request_invalid'],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'request_invalid'],
  ['the beginning of TLS', Buffer.from('16030102000100', 'hex'), 400, 'request_invalid'],
  ['a method that there is not', request('BREW /livez HTTP/1.1'), 400, 'request_invalid'],
  ['CONNECT', request('CONNECT broker:80 HTTP/1.1'), 400, 'request_invalid'],
  ['no Host', 'GET /livez HTTP/1.1\r\n\r\n', 400, 'request_invalid'],
  ['two Hosts', request('GET /livez HTTP/1.1', ['Host: other']), 400, 'request_invalid'],
  ['lines that end in LF alone', 'GET /livez HTTP/1.1\nHost: a\n\n', 400, 'request_invalid'],
  ['a folded header', request('GET /livez HTTP/1.1', ['X-A: a', ' b']), 400, 'request_invalid'],
  ['a NUL in a header', request('GET /livez HTTP/1.1', ['X-A: a\0b']), 400, 'request_invalid'],
  ['a CR in a header', request('GET /livez HTTP/1.1', ['X-A: a\rX-B: b']), 400, 'request_invalid'],
  ['a space before a colon', request('GET /livez HTTP/1.1', ['X-A : a']), 400, 'request_invalid'],
  ['a header without a name', request('GET /livez HTTP/1.1', [': a']), 400, 'request_invalid'],
  ['a CR in the path', request('GET /tokens/a\rX-B:1 HTTP/1.1', [AUTH]), 400, 'request_invalid'],
  ['a space in the path', request('GET /tokens/a b HTTP/1.1', [AUTH]), 400, 'request_invalid'],
  [
    'a length and chunks',
    request('POST /livez HTTP/1.1', ['Transfer-Encoding: chunked'], '0\r\n\r\n'),
    400,
    'request_invalid',
  ],
  [
    'two lengths',
    request('POST /livez HTTP/1.1', ['Content-Length: 3'], 'abcd'),
    400,
    'request_invalid',
  ],
  ['a length below zero', put([JSON_TYPE, 'Content-Length: -1']), 400, 'request_invalid'],
  ['a length that is no number', put([JSON_TYPE, 'Content-Length: 0x2']), 400, 'request_invalid'],
  ['an unknown coding', put(['Transfer-Encoding: xchunked']), 400, 'request_invalid'],
  ['chunked, but not last', put(['Transfer-Encoding: chunked, gzip']), 400, 'request_invalid'],
  [
    'a chunk whose size is no number',
    put([JSON_TYPE, 'Transfer-Encoding: chunked', '', 'zz', 'ab', '0', '', '']),
    400,
    'request_invalid',
  ],
  [
    'a header of 20 KB',
    request('GET /livez HTTP/1.1', [`X-A: ${'a'.repeat(20_000)}`]),
    431,
    'headers_too_large',
  ],
  ['65 headers', request('GET /livez HTTP/1.1', fields(64)), 431, 'headers_too_large'],
  ['2,600 headers', request('GET /livez HTTP/1.1', fields(2_600)), 431, 'headers_too_large'],
  ['a URL of 9 KB', request(`GET /livez?${'a'.repeat(9_000)} HTTP/1.1`), 414, 'uri_too_long'],
  [
    'a part of a path of 200 characters',
    request(`GET /tokens/${'a'.repeat(200)} HTTP/1.1`, [AUTH]),
    414,
    'uri_too_long',
  ],
  ['%zz', request('GET /tokens/%zz HTTP/1.1', [AUTH]), 400, 'request_invalid'],
  ['an overlong dot', request('GET /tokens/%c0%ae HTTP/1.1', [AUTH]), 400, 'request_invalid'],
  ['an unknown path', request('GET /nowhere HTTP/1.1'), 404, 'not_found'],
  ['two slashes', request('GET //tokens/a HTTP/1.1', [AUTH]), 404, 'not_found'],
  ['dots in a path', request('GET /../tokens/a HTTP/1.1', [AUTH]), 404, 'not_found'],
  ['a NUL in a file', request('GET /docs/static/%00 HTTP/1.1'), 404, 'not_found'],
  ['a file elsewhere', request('GET /docs/static/..%2fx HTTP/1.1'), 404, 'not_found'],
  [
    'a file with a long name',
    request(`GET /docs/static/${'a'.repeat(300)} HTTP/1.1`),
    404,
    'not_found',
  ],
  ['an unknown problem', request('GET /problems/constructor HTTP/1.1'), 404, 'not_found'],
  [
    'a media type that nobody wants',
    put(['Content-Type: text/plain'], '{}'),
    415,
    'media_type_unsupported',
  ],
  ['a media type that is none', put(['Content-Type: ;;;'], '{}'), 415, 'media_type_unsupported'],
  ['a body without a media type', put([], '{}'), 415, 'media_type_unsupported'],
  ['no body', put([]), 400, 'request_invalid'],
  ['a media type, and no body', put([JSON_TYPE]), 400, 'request_invalid'],
  [
    'a media type where no body is wanted',
    request('DELETE /tokens/a HTTP/1.1', [AUTH, JSON_TYPE]),
    404,
    'integration_not_found',
  ],
  ['an empty JSON body', put([JSON_TYPE], ''), 400, 'request_invalid'],
  ['half of a JSON body', put([JSON_TYPE], '{"login_url":'), 400, 'request_invalid'],
  ['__proto__ in JSON', put([JSON_TYPE], '{"__proto__":{"a":1}}'), 400, 'request_invalid'],
  ['a body of 65 KiB', put([JSON_TYPE], ' '.repeat(65 * 1024)), 413, 'body_too_large'],
  [
    'a body of 65 KiB in chunks',
    put([JSON_TYPE, 'Transfer-Encoding: chunked', '', '10400', ' '.repeat(0x10400), '0', '', '']),
    413,
    'body_too_large',
  ],
  [
    'a body of 65 KiB where none is wanted',
    request('POST /livez HTTP/1.1', [JSON_TYPE], ' '.repeat(65 * 1024)),
    413,
    'body_too_large',
  ],
  [
    'a body longer than its length',
    put([JSON_TYPE, 'Content-Length: 1', '', '{}']),
    400,
    'request_invalid',
  ],
  ['no credential', request('GET /integrations HTTP/1.1'), 401, 'caller_unauthenticated'],
  [
    'the same credential twice',
    request('GET /integrations HTTP/1.1', [AUTH, AUTH]),
    400,
    'request_invalid',
  ],
  [
    'a good credential behind a bad one',
    request('GET /integrations HTTP/1.1', ['Authorization: Bearer x', AUTH]),
    400,
    'request_invalid',
  ],
  [
    'an If-Match of 2 KB',
    request('DELETE /integrations/a HTTP/1.1', [AUTH, `If-Match: ${'a'.repeat(2_048)}`]),
    400,
    'request_invalid',
  ],
]

/** An answer can have these headers and no other: nothing that came in may make one. */
const KNOWN_HEADERS = new Set([
  ...['content-type', 'content-length', 'cache-control', 'x-request-id', 'date', 'connection'],
  ...['keep-alive', 'allow', 'retry-after', 'www-authenticate', 'content-security-policy'],
])

function assertProblem(t: Test, answer: RawAnswer | undefined, status: number, code: string): void {
  if (answer === undefined) {
    t.fail('there was no answer')
    return
  }
  const body = JSON.parse(answer.body)
  const faults = problemFaults({
    status: answer.status,
    contentType: answer.header('content-type'),
    requestId: answer.header('x-request-id'),
    body,
  })
  t.same(faults, [])
  t.match({ status: answer.status, code: body.code }, { status, code })
  const names = answer.headers.map(([name]) => name)
  t.same(
    names.filter((name) => !KNOWN_HEADERS.has(name)),
    [],
    'no header but our own',
  )
  t.equal(new Set(names).size, names.length, 'each header once')
}

for (const [what, bytes, status, code] of CASES) {
  t.test(`${what} is answered ${status} with a problem`, async (t) => {
    assertProblem(t, await sendRaw(port, bytes), status, code)
  })
}

t.test('a known path with another method says which it takes', async (t) => {
  for (const [line, allow] of [
    ['POST /tokens/a HTTP/1.1', 'DELETE, GET, HEAD'],
    ['DELETE /livez HTTP/1.1', 'GET, HEAD'],
    ['TRACE /livez HTTP/1.1', 'GET, HEAD'],
    ['OPTIONS /integrations/a HTTP/1.1', 'DELETE, GET, HEAD, PATCH, PUT'],
    ['POST http://broker/livez HTTP/1.1', 'GET, HEAD'],
  ] as const) {
    const answer = await sendRaw(port, request(line, [AUTH]))
    assertProblem(t, answer, 405, 'method_not_allowed')
    t.equal(answer?.header('allow'), allow, line)
  }
})

t.test('a request id is taken over where it is safe, and replaced where it is not', async (t) => {
  const idOf = async (...headers: string[]) =>
    (await sendRaw(port, request('GET /nowhere HTTP/1.1', headers)))?.header('x-request-id')
  t.equal(await idOf('X-Request-Id: 7f3a/b.c:d_e-f'), '7f3a/b.c:d_e-f')
  t.equal(await idOf(`X-Request-Id: ${'a'.repeat(128)}`), 'a'.repeat(128))
  for (const unsafe of ['a b', 'a"b', '<a>', '{}', 'a'.repeat(129), 'ä', '']) {
    const id = await idOf(`X-Request-Id: ${unsafe}`)
    t.match(id, /^[0-9a-f-]{36}$/, unsafe)
  }
  t.match(await idOf('X-Request-Id: a', 'X-Request-Id: b'), /^[0-9a-f-]{36}$/)
})

t.test('HEAD is answered as GET without a body', async (t) => {
  const head = (line: string) => sendRaw(port, request(line, [AUTH]), { isHead: true })
  const live = await head('HEAD /livez HTTP/1.1')
  t.equal(live?.status, 200)
  t.equal(live?.header('content-length'), '13')
  const connection = openRaw(port)
  connection.write(request('HEAD /nowhere HTTP/1.1') + request('GET /livez HTTP/1.1'))
  t.equal((await connection.answer({ isHead: true }))?.status, 404)
  t.equal((await connection.answer())?.body, '{"live":true}', 'nothing stands in between')
  connection.destroy()
})

t.test('64 headers are taken, and an URL in absolute form', async (t) => {
  t.equal((await sendRaw(port, request('GET /livez HTTP/1.1', fields(63))))?.status, 200)
  t.equal((await sendRaw(port, request('GET http://broker/livez HTTP/1.1')))?.status, 200)
})

t.test('an expectation that is not known is ignored', async (t) => {
  const answer = await sendRaw(port, put(['Expect: miracles', JSON_TYPE], '{}'))
  assertProblem(t, answer, 400, 'request_invalid')
})

t.test('CR and LF in escaped form make no header', async (t) => {
  for (const path of [
    '/tokens/a',
    '/integrations/a',
    '/nowhere',
    '/problems/a',
    '/docs/static/a',
  ]) {
    const line = `GET ${path}%0d%0aX-Evil:%201%0d%0a%0d%0a HTTP/1.1`
    const answer = await sendRaw(port, request(line, [AUTH, 'X-Request-Id: a%0d%0ab']))
    t.match(answer?.status, /^4\d\d$/)
    assertProblem(t, answer, answer?.status ?? 0, JSON.parse(answer?.body ?? '{}').code)
  }
})

t.test('what is not a plain name is not repeated', async (t) => {
  const secret = 'A9bC'.repeat(12)
  for (const bytes of [
    request(`GET /${secret} HTTP/1.1`),
    request(`GET /tokens/${secret} HTTP/1.1`, [AUTH]),
    request(`GET /integrations?${secret}=1 HTTP/1.1`, [AUTH]),
    request(`GET /integrations?cursor=${secret} HTTP/1.1`, [AUTH]),
    put([JSON_TYPE], JSON.stringify({ login_url: 'https://x', grant: {}, [secret]: 1 })),
    put([JSON_TYPE], JSON.stringify({ login_url: secret, grant: {}, labels: { [secret]: 1 } })),
  ]) {
    const answer = await sendRaw(port, bytes)
    t.match(answer?.status, /^4\d\d$/)
    t.notMatch(answer?.body, secret)
  }
})

/** A server of its own, without the broker. */
async function bareServer(t: Test, limits?: Partial<ServerLimits>) {
  const server = createServer({
    logger: createLogger({ level: 'silent' }),
    trustProxy: [],
    ...(limits && { limits }),
  })
  t.teardown(() => server.close())
  return {
    server,
    async listen() {
      await server.listen({ host: '127.0.0.1', port: 0 })
      const address = server.server.address()
      return typeof address === 'object' && address !== null ? address.port : 0
    },
  }
}

t.test('a bad request behind an answer that goes on is not answered in its middle', async (t) => {
  const { server, listen } = await bareServer(t)
  server.get('/endless', async (_request, reply) => {
    const body = new PassThrough()
    body.write('begun')
    return reply.send(body)
  })
  const connection = openRaw(await listen())
  connection.write(request('GET /endless HTTP/1.1'))
  await connection.begun()
  connection.write('NONSENSE\r\n\r\n')
  const text = await connection.closed()
  t.match(text, /^HTTP\/1\.1 200 OK\r\n/)
  t.equal(text.split('HTTP/1.1 ').length, 2)
})

t.test('a client that is too slow gets 408', async (t) => {
  const { server, listen } = await bareServer(t, { headersMs: 100, requestMs: 200, checkMs: 20 })
  server.post('/echo', async (request) => request.body)
  const slowPort = await listen()
  const head = `POST /echo HTTP/1.1\r\nHost: broker\r\n${JSON_TYPE}\r\n`
  for (const bytes of [
    'P',
    `${head}X-A: `,
    `${head}Content-Length: 10\r\n\r\n{`,
    `${head}Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n`,
  ]) {
    assertProblem(t, await sendRaw(slowPort, bytes), 408, 'request_timeout')
  }
})

t.test('none of this was a bug, and the broker still answers', async (t) => {
  t.same(
    logs()
      .split('\n')
      .filter((line) => /"level":"(?:error|fatal)"/.test(line)),
    [],
  )
  t.equal((await sendRaw(port, request('GET /livez HTTP/1.1')))?.status, 200)
})
