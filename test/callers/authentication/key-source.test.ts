import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  createKeySource,
  isLoopback,
  issuerUrlMistake,
} from '../../../src/callers/authentication/key-source.ts'
import type { IssuerSettings } from '../../../src/callers/caller-entry.ts'
import { createOutbound } from '../../../src/http/outbound/outbound.ts'
import { createAuthority } from '../../support/authority.ts'
import { startIssuer } from '../../support/issuer.ts'

function source(t: Test, settings: Partial<IssuerSettings> & { issuer: string }, now = Date.now) {
  const outbounds: ReturnType<typeof createOutbound>[] = []
  const made = createKeySource(
    { audience: 'valetkey', ...settings },
    {
      createOutbound(ca) {
        const outbound = createOutbound({
          hosts: { allowsPrivate: (url) => url.protocol === 'http:' && isLoopback(url) },
          reach: 'anywhere',
          ...(ca !== undefined && { tls: { ca } }),
        })
        outbounds.push(outbound)
        return outbound
      },
      readFile: (path) => readFile(path, 'utf8'),
      monotonic: now,
    },
  )
  t.teardown(() => made.close())
  return {
    fetch: () => made.fetch(new AbortController().signal),
    outbounds,
  }
}

async function folder(t: Test) {
  const path = await mkdtemp(join(tmpdir(), 'valetkey-issuer-'))
  t.teardown(() => rm(path, { recursive: true }))
  return path
}

async function issuer(t: Test, options: Parameters<typeof startIssuer>[0] = {}) {
  const started = await startIssuer(options)
  t.teardown(() => started.stop())
  return started
}

t.test('keys are discovered, and where they are is remembered for an hour', async (t) => {
  const idp = await issuer(t)
  let time = Date.now()
  const { fetch } = source(t, { issuer: idp.issuer }, () => time)
  t.match(await fetch(), { keys: [{ kid: 'k1', kty: 'EC' }] })
  await fetch()
  const paths = () => idp.requests.map(({ path }) => path)
  t.same(paths(), ['/.well-known/openid-configuration', '/keys', '/keys'])
  time += 3_600_000
  await fetch()
  t.equal(paths().length, 5)
})

t.test('keys that the settings name are not discovered', async (t) => {
  const idp = await issuer(t)
  const { fetch } = source(t, { issuer: 'https://nowhere.invalid', jwksUri: idp.jwksUri })
  await fetch()
  t.same(
    idp.requests.map(({ path }) => path),
    ['/keys'],
  )
})

t.test('a private CA is trusted where the settings name it, and nowhere else', async (t) => {
  const authority = createAuthority(t)
  const tls = authority.issue({ subject: '/CN=localhost', san: 'DNS:localhost' })
  const idp = await issuer(t, { tls })
  const dir = await folder(t)
  const caFile = join(dir, 'ca.pem')
  await writeFile(caFile, authority.certificate)
  t.match(await source(t, { issuer: idp.issuer, caFile }).fetch(), { keys: [{ kid: 'k1' }] })
  await t.rejects(source(t, { issuer: idp.issuer }).fetch(), { code: 'ISSUER_UNREACHABLE' })
  await writeFile(caFile, createAuthority(t, 'Another CA').certificate)
  await t.rejects(source(t, { issuer: idp.issuer, caFile }).fetch(), { code: 'ISSUER_UNREACHABLE' })
})

t.test('a CA that is renewed in its file is used at the next fetch', async (t) => {
  const authority = createAuthority(t)
  const idp = await issuer(t, { tls: authority.issue({ san: 'DNS:localhost' }) })
  const caFile = join(await folder(t), 'ca.pem')
  await writeFile(caFile, createAuthority(t, 'Former CA').certificate)
  const { fetch, outbounds } = source(t, { issuer: idp.issuer, caFile })
  await t.rejects(fetch(), { code: 'ISSUER_UNREACHABLE' })
  await writeFile(caFile, authority.certificate)
  await fetch()
  await fetch()
  t.equal(outbounds.length, 2)
})

t.test('the bearer token is read at each fetch, and sent to discovery and keys', async (t) => {
  let wanted = 'first-token'
  const idp = await issuer(t, { token: () => wanted })
  const tokenFile = join(await folder(t), 'token')
  await writeFile(tokenFile, 'first-token\n')
  const { fetch } = source(t, { issuer: idp.issuer, tokenFile })
  await fetch()
  wanted = 'second-token'
  await t.rejects(fetch(), { code: 'ISSUER_STATUS' })
  await writeFile(tokenFile, 'second-token')
  await fetch()
  t.same(
    new Set(idp.requests.slice(-2).map((r) => r.authorization)),
    new Set(['Bearer second-token']),
  )
})

t.test('the bearer token is not sent to a host that only an answer names', async (t) => {
  const other = await issuer(t)
  const idp = await issuer(t)
  idp.behave((_request, response) =>
    response.end(JSON.stringify({ issuer: idp.issuer, jwks_uri: other.jwksUri })),
  )
  const tokenFile = join(await folder(t), 'token')
  await writeFile(tokenFile, 'secret-token')
  await source(t, { issuer: idp.issuer, tokenFile }).fetch()
  t.same(other.requests, [{ path: '/keys', authorization: undefined }])
  t.equal(idp.requests[0]?.authorization, 'Bearer secret-token')
})

t.test('a token or CA file that cannot be read is a failure of its own', async (t) => {
  const idp = await issuer(t)
  const missing = join(await folder(t), 'missing')
  for (const file of [{ tokenFile: missing }, { caFile: missing }]) {
    await t.rejects(source(t, { issuer: idp.issuer, ...file }).fetch(), {
      code: 'ISSUER_FILE_UNREADABLE',
    })
  }
  t.same(idp.requests, [])
})

t.test('discovery that speaks of another issuer is refused', async (t) => {
  const idp = await issuer(t)
  for (const named of [`${idp.issuer}/`, 'https://other.example', undefined, [idp.issuer]]) {
    idp.behave((_request, response) =>
      response.end(JSON.stringify({ issuer: named, jwks_uri: idp.jwksUri })),
    )
    await t.rejects(source(t, { issuer: idp.issuer }).fetch(), { code: 'ISSUER_DIFFERS' })
  }
})

t.test('keys over plain http are refused but on loopback', async (t) => {
  const idp = await issuer(t)
  for (const uri of ['http://issuer.example/keys', 'file:///etc/passwd', 'data:,{}', 'x']) {
    idp.behave((_request, response) =>
      response.end(JSON.stringify({ issuer: idp.issuer, jwks_uri: uri })),
    )
    await t.rejects(source(t, { issuer: idp.issuer }).fetch(), { code: 'ISSUER_URL_REFUSED' }, uri)
  }
})

t.test('answers that are no keys are refused, each with its code', async (t) => {
  const idp = await issuer(t)
  const { jwk } = idp
  const bad: Readonly<Record<string, readonly [string, unknown]>> = {
    'no keys': ['ISSUER_KEYS_EMPTY', { keys: [] }],
    'a symmetric key': ['ISSUER_KEYS_EMPTY', { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] }],
    'a private key': ['ISSUER_KEYS_EMPTY', { keys: [{ ...jwk, d: 'x' }] }],
    'a key for encryption': ['ISSUER_KEYS_EMPTY', { keys: [{ ...jwk, use: 'enc' }] }],
    'no list': ['ISSUER_ANSWER_INVALID', { keys: {} }],
    'no object': ['ISSUER_ANSWER_INVALID', 7],
    null: ['ISSUER_ANSWER_INVALID', null],
    'too many': ['ISSUER_ANSWER_INVALID', { keys: Array(101).fill(jwk) }],
  }
  for (const [name, [code, body]] of Object.entries(bad)) {
    idp.behave((_request, response) => response.end(JSON.stringify(body)))
    await t.rejects(
      source(t, { issuer: 'https://x.invalid', jwksUri: idp.jwksUri }).fetch(),
      { code },
      name,
    )
  }
})

t.test('an issuer that errs, redirects, floods or hangs up is a failure', async (t) => {
  const idp = await issuer(t)
  const trap = await issuer(t)
  const settings = { issuer: 'https://x.invalid', jwksUri: idp.jwksUri }
  const cases: readonly (readonly [string, Parameters<typeof idp.behave>[0]])[] = [
    ['ISSUER_STATUS', (_q, response) => response.writeHead(500).end('{}')],
    ['ISSUER_STATUS', (_q, response) => response.writeHead(302, { location: trap.jwksUri }).end()],
    ['ISSUER_UNREACHABLE', (_q, response) => response.end('x'.repeat(1_000_000))],
    ['ISSUER_UNREACHABLE', (request) => request.socket.destroy()],
    ['ISSUER_ANSWER_INVALID', (_q, response) => response.end('<html>')],
  ]
  for (const [code, behaviour] of cases) {
    idp.behave(behaviour)
    await t.rejects(source(t, settings).fetch(), { code })
  }
  t.same(trap.requests, [], 'the redirect is not followed')
})

t.test('an issuer that hangs is given up when the service stops', async (t) => {
  const idp = await issuer(t)
  idp.behave(() => undefined)
  const stop = new AbortController()
  const made = createKeySource(
    { issuer: 'https://x.invalid', audience: 'a', jwksUri: idp.jwksUri },
    {
      createOutbound: () =>
        createOutbound({ hosts: { allowsPrivate: () => true }, reach: 'anywhere' }),
      readFile: async () => '',
      monotonic: () => performance.now(),
    },
  )
  const fetched = made.fetch(stop.signal)
  stop.abort()
  await t.rejects(fetched, { code: 'ISSUER_UNREACHABLE' })
  idp.behave(undefined)
  await made.close()
})

t.test('the URL of an issuer is https, or on loopback', async (t) => {
  for (const good of [
    'https://issuer.example',
    'http://127.0.0.1:1/x',
    'http://localhost',
    'http://[::1]:9',
  ]) {
    t.equal(issuerUrlMistake(good), undefined, good)
  }
  for (const bad of [
    'issuer.example',
    'http://issuer.example',
    'http://127.0.0.1.example',
    'ftp://x',
    'https://u:p@x',
    'https://x#y',
    '',
  ]) {
    t.type(issuerUrlMistake(bad), 'string', bad)
  }
})
