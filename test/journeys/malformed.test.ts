/** Whatever is sent, the answer is a problem that says so, and never a failure of the service. */
import fc, { type Arbitrary } from 'fast-check'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { problemFaults } from '../support/problem.ts'
import { type RawAnswer, sendRaw } from '../support/raw-http.ts'
import { newSigningKey } from '../support/signing-key.ts'
import { integrationLike, text } from './odd-json.ts'

/** More of them: `VALETKEY_TEST_RUNS=20000`. */
const numRuns = Number(process.env.VALETKEY_TEST_RUNS ?? 300)

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const app = simulator.addClientCredentialsApp()
const { url, adminKey, call, logs } = await startBroker(t, {
  loginHosts: [simulator.origins.myDomain],
})
const port = Number(new URL(url).port)
const integration = integrationLike(await newSigningKey())
const prototypeBefore = Reflect.ownKeys(Object.prototype)

const SOUND = {
  login_url: 'https://acme.my.salesforce.com',
  grant: { type: 'client_credentials', client_id: '3MVG9.acme' },
  credential: { client_secret: 'a-secret' },
}
await call('PUT', '/integrations/known', {
  body: {
    login_url: simulator.origins.myDomain,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  },
})
await call('PUT', '/integrations/kept', { body: SOUND })

interface Request {
  readonly method: string
  readonly path: string | Buffer
  readonly headers?: readonly (readonly [string, string | Buffer])[]
  readonly body?: string | Uint8Array
}

const latin1 = (value: string | Uint8Array) => Buffer.from(value as string, 'latin1')

function bytesOf({ method, path, headers = [], body }: Request): Buffer {
  const content = body === undefined ? undefined : Buffer.from(body as string)
  const isFramed = headers.some(([name]) => /^(?:content-length|transfer-encoding)$/i.test(name))
  const all: readonly (readonly [string, string | Buffer])[] = [
    ...(headers.some(([name]) => name === 'Host') ? [] : [['Host', 'broker'] as const]),
    ...(headers.some(([name]) => name === 'Authorization')
      ? []
      : [['Authorization', `Bearer ${adminKey}`] as const]),
    ...headers,
    ...(content && !isFramed ? [['Content-Length', String(content.length)] as const] : []),
  ]
  return Buffer.concat([
    latin1(`${method} `),
    latin1(path),
    latin1(' HTTP/1.1\r\n'),
    ...all.flatMap(([name, value]) => [latin1(`${name}: `), latin1(value), latin1('\r\n')]),
    latin1('\r\n'),
    ...(content ? [content] : []),
  ])
}

/** Gives the status. Throws where the answer is none that the contract knows. */
async function statusOf(request: Request, isHead = false): Promise<number> {
  const answer = await sendRaw(port, bytesOf(request), { isHead })
  if (answer === undefined) throw new Error('there was no answer')
  if (answer.status >= 500) throw new Error(`${answer.status}: ${answer.body}`)
  if (answer.status >= 400 && !isHead) assertProblem(answer)
  return answer.status
}

function assertProblem(answer: RawAnswer): void {
  const faults = problemFaults({
    status: answer.status,
    contentType: answer.header('content-type'),
    requestId: answer.header('x-request-id'),
    body: JSON.parse(answer.body),
  })
  if (faults.length > 0) throw new Error(`${faults.join('; ')}: ${answer.body}`)
}

async function isRefused(request: Request): Promise<boolean> {
  const status = await statusOf(request)
  return status >= 400
}

/** Requests that may be good by chance: what counts is that nothing breaks. */
async function isAnswered(request: Request): Promise<boolean> {
  const status = await statusOf(request, request.method === 'HEAD')
  return status >= 200
}

function property<Values extends [unknown, ...unknown[]]>(
  what: string,
  arbitraries: { [Index in keyof Values]: Arbitrary<Values[Index]> },
  holds: (...values: Values) => Promise<boolean>,
): void {
  t.test(what, async () => {
    await fc.assert(fc.asyncProperty(...arbitraries, holds), { numRuns })
  })
}

const bytes = fc.uint8Array({ maxLength: 2_000 })
const mediaType = fc.oneof(
  fc.constantFrom(
    'application/json',
    'application/merge-patch+json',
    'application/json; charset=x',
  ),
  fc.constantFrom('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', ''),
  fc.string({ unit: 'grapheme-ascii', maxLength: 50 }).map((value) => value.trim()),
)
const method = fc.constantFrom('GET', 'PUT', 'PATCH', 'DELETE', 'POST')
const escaped = (value: Uint8Array) =>
  [...value].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
const path = fc.constantFrom('/integrations/known', '/integrations/new', '/tokens/known', '/livez')
const NAME = /^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$/

const isObject = (body: Uint8Array) => {
  try {
    return typeof JSON.parse(Buffer.from(body).toString()) === 'object'
  } catch {
    return false
  }
}

property(
  'any bytes as body are refused',
  [
    fc.constantFrom('PUT', 'PATCH'),
    fc.constantFrom('known', 'new'),
    mediaType,
    bytes.filter((body) => !isObject(body)),
  ],
  (method, name, type, body) =>
    isRefused({
      method,
      path: `/integrations/${name}`,
      headers: [['Content-Type', type]],
      body,
    }),
)

property(
  'any bytes as the name of an integration are refused',
  [
    method,
    fc.constantFrom('/integrations/', '/tokens/'),
    fc.constantFrom('', '/credentials', '/credentials/x/certificate'),
    fc.uint8Array({ maxLength: 120 }).filter((name) => !NAME.test(Buffer.from(name).toString())),
    fc.boolean(),
  ],
  (method, prefix, suffix, name, isEscaped) =>
    isRefused({
      method,
      path: isEscaped
        ? `${prefix}${escaped(name)}${suffix}`
        : Buffer.concat([latin1(prefix), latin1(name), latin1(suffix)]),
      headers: [['Content-Type', 'application/json']],
      body: JSON.stringify(SOUND),
    }),
)

property(
  'any bytes as the value of a header break nothing',
  [
    method,
    path,
    fc.constantFrom(
      ...['Authorization', 'Accept', 'Content-Type', 'Content-Encoding', 'X-Request-Id', 'Host'],
      ...['If-None-Match', 'X-Forwarded-For', 'Content-Length', 'Transfer-Encoding', 'Expect'],
      ...['Connection', 'Range', 'Cookie', 'Upgrade', 'Accept-Encoding', 'Origin', 'TE', 'Trailer'],
    ),
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.string({ unit: 'grapheme-ascii' }).map(latin1),
      fc.nat().map((value) => latin1(String(value))),
    ),
  ],
  (method, path, name, value) => {
    // A length that is one is waited for.
    fc.pre(name !== 'Content-Length' || !/^\s*\d+\s*$/.test(Buffer.from(value).toString()))
    return isAnswered({
      method,
      path,
      headers: [
        [name, Buffer.from(value)],
        ...(name === 'Content-Type' ? [] : [['Content-Type', 'application/json'] as const]),
      ],
      body: '{"login_url":1}',
    })
  },
)

property(
  'any bytes as a credential are refused',
  [path.filter((path) => path !== '/livez'), fc.uint8Array({ maxLength: 300 })],
  (path, credential) =>
    isRefused({
      method: 'GET',
      path,
      headers: [['Authorization', Buffer.concat([latin1('Bearer '), credential])]],
    }),
)

property(
  'any bytes as If-Match are refused',
  [
    fc.constantFrom('DELETE', 'PATCH', 'PUT'),
    fc.uint8Array({ maxLength: 300 }).filter((tag) => Buffer.from(tag).toString().trim() !== '*'),
  ],
  (method, tag) =>
    isRefused({
      method,
      path: '/integrations/known',
      headers: [
        ['If-Match', Buffer.from(tag)],
        ['Content-Type', 'application/json'],
      ],
      body: JSON.stringify({ ...SOUND, description: 'changed' }),
    }),
)

property(
  'any query is read or refused',
  [
    fc.constantFrom('/integrations', '/tokens/known', '/integrations/known', '/problems', '/docs'),
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map(escaped),
      fc.webQueryParameters(),
      text.map(encode),
    ),
  ],
  (path, query) => isAnswered({ method: 'GET', path: `${path}?${query}` }),
)

property(
  'any value of a parameter of the query is read or refused',
  [
    fc.constantFrom('limit', 'cursor', 'state', 'label', 'certificate_expires_before', 'min_ttl'),
    fc.oneof(
      text.map(encode),
      fc.uint8Array({ maxLength: 100 }).map(escaped),
      fc.uint8Array({ maxLength: 100 }).map((value) => Buffer.from(value).toString('base64url')),
      fc.double().map(String),
      fc.bigInt().map(String),
    ),
    fc.boolean(),
  ],
  (name, value, isTwice) =>
    isAnswered({
      method: 'GET',
      path: `${name === 'min_ttl' ? '/tokens/known' : '/integrations'}?${name}=${value}${isTwice ? `&${name}=1` : ''}`,
    }),
)

property(
  'any path is answered',
  [
    fc.constantFrom('GET', 'HEAD', 'POST', 'OPTIONS'),
    fc.uint8Array({ maxLength: 200 }),
    fc.boolean(),
  ],
  (method, path, isEscaped) =>
    isAnswered({
      method,
      path: isEscaped ? `/${escaped(path)}` : Buffer.concat([latin1('/'), latin1(path)]),
    }),
)

property(
  'any path below the docs is answered',
  [fc.uint8Array({ maxLength: 200 }), fc.constantFrom('', '../', '..%2f', './', '%2e%2e/')],
  (path, prefix) => isAnswered({ method: 'GET', path: `/docs/static/${prefix}${escaped(path)}` }),
)

/** The endpoint for OAuth libraries has errors of its own form (RFC 6749, section 5.2). */
property(
  'any bytes as a token request are refused',
  [
    fc.oneof(bytes, text.map(Buffer.from), fc.webQueryParameters().map(Buffer.from)),
    fc.oneof(fc.constant('application/x-www-form-urlencoded'), mediaType),
    fc.option(fc.oneof(bytes.map(escaped), text.map(encode))),
  ],
  async (body, type, basic) => {
    const answer = await sendRaw(
      port,
      bytesOf({
        method: 'POST',
        path: '/oauth/token',
        headers: [
          ['Content-Type', type],
          ['Authorization', basic === null ? '' : `Basic ${Buffer.from(basic).toString('base64')}`],
        ],
        body,
      }),
    )
    return answer !== undefined && answer.status >= 400 && answer.status < 500
  },
)

/** Hosts where a login URL may point; the oracle for what was taken. */
const ALLOWED = /^(?:login|test)\.salesforce\.com$|\.my\.salesforce\.(?:com|mil)$|\.my\.site\.com$/
const loginUrl = fc.oneof(
  text,
  fc.webUrl({ withQueryParameters: true, withFragments: true }),
  fc
    .tuple(
      fc.constantFrom('https', 'http', 'HTTPS', 'ftp', 'javascript', ''),
      fc.constantFrom('://', ':', ':///', '//', ':\\\\', '://user:pass@', '://@'),
      fc.oneof(
        text,
        fc.domain(),
        fc.ipV4Extended(),
        fc.ipV6().map((ip) => `[${ip}]`),
      ),
      fc.constantFrom(
        '',
        '.my.salesforce.com',
        '.my.salesforce.com.',
        '.MY.salesforce.com',
        '.my.site.com',
      ),
      fc.constantFrom('', ':443', ':8443', ':0', ':99999', ':'),
      fc.oneof(fc.constantFrom('', '/', '/a', '/../', '?a', '#a', '\\a', '%2f'), text),
    )
    .map((parts) => parts.join('')),
)

property(
  'any login URL is refused, or of Salesforce',
  [loginUrl, fc.nat(20)],
  async (given, name) => {
    const answer = await call('PUT', `/integrations/login-${name}`, {
      body: { ...SOUND, login_url: given },
      headers: { 'if-match': '*' },
    })
    if (answer.status >= 500) return false
    if (answer.status >= 400) return true
    const taken = new URL(answer.body.login_url)
    return taken.protocol === 'https:' && taken.port === '' && ALLOWED.test(taken.hostname)
  },
)

property(
  'any JSON like an integration is taken or refused',
  [fc.constantFrom('PUT', 'PATCH'), fc.constantFrom('made', 'kept'), integration, fc.boolean()],
  (method, name, body, isAny) =>
    isAnswered({
      method,
      path: `/integrations/${name}`,
      headers: [
        ['Content-Type', 'application/json'],
        ...(isAny ? [['If-Match', '*'] as const] : []),
      ],
      body: `${body}`,
    }),
)

t.test('nesting as deep as a body allows is refused', async (t) => {
  const deep = (open: string, close: string, size: number) => {
    const depth = Math.floor(size / (open.length + close.length))
    return `${open.repeat(depth)}0${close.repeat(depth)}`
  }
  for (const size of [100, 1_000, 10_000, 65_000]) {
    for (const nested of [
      deep('[', ']', size),
      deep('{"a":', '}', size),
      deep('{"grant":', '}', size),
    ]) {
      const bodies = [nested, `{"status":${nested.slice(0, -20)}`]
      for (const body of bodies) {
        for (const method of ['PUT', 'PATCH']) {
          for (const type of ['application/json', 'application/merge-patch+json']) {
            const headers = [['Content-Type', type] as const, ['If-Match', '*'] as const]
            t.ok(await isRefused({ method, path: '/integrations/known', headers, body }))
          }
        }
      }
    }
  }
})

t.test('labels may be named like members of every object', async (t) => {
  const labels = { constructor: 'a', toString: 'b', valueOf: 'c', hasOwnProperty: 'd' }
  const put = await call('PUT', '/integrations/labelled', { body: { ...SOUND, labels } })
  t.equal(put.status, 201)
  t.same((await call('GET', '/integrations/labelled')).body.labels, labels)
  t.equal((await call('GET', '/integrations?label=toString:b')).body.items.length, 1)
  t.equal((await call('GET', '/integrations?label=__proto__:b')).body.items.length, 0)
})

t.test('none of this was a bug, and nothing stays of it', async (t) => {
  t.same(Reflect.ownKeys(Object.prototype), prototypeBefore)
  t.equal(({} as { polluted?: unknown }).polluted, undefined)
  t.same(
    logs()
      .split('\n')
      .filter((line) => /"level":"(?:error|fatal)"/.test(line)),
    [],
  )
  t.equal((await call('GET', '/readyz')).status, 200)
  t.equal((await call('GET', '/tokens/known')).status, 200)
})

function encode(value: string): string {
  return escaped(Buffer.from(value))
}
