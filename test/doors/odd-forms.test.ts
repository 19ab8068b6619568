/** Whatever a client sends to a door, the answer is no bug, and costs little. */
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { CLIENT_ASSERTION, doorWorld, JWT_BEARER } from './world.ts'

const { makeKey, broker, call } = await doorWorld(t)
const { server } = broker.app
const key = await makeKey('odd')
const { body: token } = await call('GET', '/tokens/billing')

const TIMES = process.env.VALETKEY_TEST_LONG === '1' ? 10 : 1
const FORMS = 3_000 * TIMES
const RAW = 2_000 * TIMES
const CPU_MS = 20

const odd = fc.oneof(
  fc.string({ maxLength: 80 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    '',
    ' ',
    '\0',
    '/',
    '@',
    'a'.repeat(3_000),
    '%',
    '%zz',
    '{}',
    'null',
    '__proto__',
  ),
)
const known = fc.constantFrom(
  ...[key.key, key.id, `${key.id}/billing`, `${key.id}/`, '/', 'admin', `${key.key}token`],
  ...['billing', 'shipping', 'nowhere', 'billing@acme.com', '@', 'integration:billing'],
  ...['client_credentials', 'password', 'refresh_token', JWT_BEARER, CLIENT_ASSERTION],
  ...[token.access_token, token.token_id, 'eyJhbGciOiJub25lIn0.e30.', 'a.b.c', 'constructor'],
)
const value = fc.oneof({ weight: 3, arbitrary: known }, odd)
const name = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      ...['grant_type', 'client_id', 'client_secret', 'username', 'password', 'refresh_token'],
      ...['assertion', 'client_assertion', 'client_assertion_type', 'scope', 'format', 'token'],
      ...['token_type_hint', 'rejected', 'code', 'access_token'],
    ),
  },
  odd,
)
const parameters = fc.array(fc.tuple(name, value), { maxLength: 8 })
const place = fc.constantFrom(
  '',
  '/login/billing',
  '/login/nowhere',
  '/login/__proto__',
  '/login/%20',
)
const path = fc.constantFrom(
  ...['/services/oauth2/token', '/services/oauth2/revoke', '/services/oauth2/introspect'],
  ...['/services/oauth2/userinfo', '/id/00D000000000001/005000000000001', '/id/x/%E2%82%AC'],
  '/services/data/v60.0/query',
)
const authorization = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  fc
    .tuple(value, value)
    .map(([id, secret]) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`),
  fc.constantFrom(key.key, token.access_token, 'x').map((credential) => `Bearer ${credential}`),
  fc.stringMatching(/^[A-Za-z]{0,6} ?[\x21-\x7e]{0,20}$/),
)

interface Odd {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly payload?: string | Buffer
}

let addresses = 0

/** The status, and the time of the processor in milliseconds. */
async function send({ method, url, headers, payload }: Odd) {
  addresses += 1
  const remoteAddress = `10.${(addresses >> 16) & 255}.${(addresses >> 8) & 255}.${addresses & 255}`
  const before = process.threadCpuUsage()
  const { statusCode } = await server.inject({
    ...{ method, url, headers, remoteAddress },
    ...(payload !== undefined && { payload }),
  })
  const { user, system } = process.threadCpuUsage(before)
  return { statusCode, cpuMs: (user + system) / 1000 }
}

/** Collecting garbage may fall into any request, so a slow one is sent again. */
async function isFine(request: Odd): Promise<boolean> {
  let cpuMs = Number.POSITIVE_INFINITY
  for (let i = 0; i < 5 && cpuMs > CPU_MS; i += 1) {
    const seen = await send(request)
    if (seen.statusCode >= 500) return false
    cpuMs = seen.cpuMs
  }
  return cpuMs <= CPU_MS
}

const encoded = (pairs: [string, string][]) => new URLSearchParams(pairs).toString()

const FORM = 'application/x-www-form-urlencoded'

t.test('a form of any parameters is answered', async (t) => {
  const property = fc.asyncProperty(
    ...[place, path, parameters, fc.option(parameters, { freq: 4 }), authorization],
    fc.constantFrom('GET', 'POST'),
    async (prefix, door, form, query, credential, method) => {
      const search = query ? `?${encoded(query).slice(0, 4_000)}` : ''
      const headers = {
        ...(method === 'POST' && { 'content-type': FORM }),
        ...(credential !== undefined && { authorization: credential }),
      }
      const url = `${prefix}${door}${search}`
      return isFine({ method, url, headers, ...(method === 'POST' && { payload: encoded(form) }) })
    },
  )
  await t.resolves(fc.assert(property, { numRuns: FORMS }))
})

t.test('a body of any bytes is answered', async (t) => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.string({ unit: 'binary', maxLength: 300 }).map((text) => Buffer.from(text)),
    fc.constantFrom(1_000, 60_000, 70_000, 2_000_000).map((size) => Buffer.alloc(size, 'a')),
    fc.constantFrom(100, 20_000).map((count) => Buffer.from('a=&'.repeat(count))),
    fc.constantFrom(100, 20_000).map((count) => Buffer.from('%'.repeat(count))),
  )
  const encoding = fc.constantFrom(undefined, 'gzip', 'x-gzip', 'identity', 'br', 'gzip, gzip', '')
  const type = fc.constantFrom(
    ...[FORM, `${FORM};charset=utf-8`, `${FORM}; charset=`, 'application/json', 'text/plain'],
    ...['multipart/form-data', 'application/xml', 'x'],
  )
  const property = fc.asyncProperty(
    ...[place, path, bytes, fc.boolean(), encoding, type],
    async (prefix, door, plain, isZipped, contentEncoding, contentType) =>
      isFine({
        ...{ method: 'POST', url: `${prefix}${door}` },
        headers: {
          'content-type': contentType,
          ...(contentEncoding !== undefined && { 'content-encoding': contentEncoding }),
        },
        payload: isZipped ? gzipSync(plain, { level: 1 }) : Buffer.from(plain),
      }),
  )
  await t.resolves(fc.assert(property, { numRuns: RAW }))
})

t.test('no bug was behind an answer, and nothing of it stayed in memory', async (t) => {
  const bugs = broker
    .logs()
    .split('\n')
    .filter((line) => line.includes('"code":"internal"'))
  t.same(bugs, [])
  t.ok(process.memoryUsage().rss < 1_000_000_000)
})
