import { KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { stringify } from 'yaml'
import { createAuthority } from '../support/authority.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startIssuer } from '../support/issuer.ts'
import { jwtAttacks } from '../support/jwt-attacks.ts'

const authority = createAuthority(t)
const serverCertificate = authority.issue({ subject: '/CN=localhost', san: 'DNS:localhost' })

interface Caller {
  readonly [member: string]: unknown
}

/** Writes a configuration file that can be written again. */
async function configuration(t: Test, content: object) {
  const dir = await mkdtemp(join(tmpdir(), 'valetkey-config-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const path = join(dir, 'valetkey.yaml')
  const write = (next: object) => writeFile(path, stringify(next))
  await write(content)
  return { path, dir, write }
}

async function issuer(t: Test, options: Parameters<typeof startIssuer>[0] = {}) {
  const started = await startIssuer(options)
  t.teardown(() => started.stop())
  return started
}

const reader = (issuer: string, more: Caller = {}): Caller => ({
  name: 'billing',
  match: { issuer, subject: 'billing' },
  permissions: ['tokens:read', 'integrations:read'],
  integrations: ['billing', 'billing-*'],
  ...more,
})

t.test('a caller of a discovered issuer is who its token says', async (t) => {
  const idp = await issuer(t)
  const { path } = await configuration(t, {
    issuers: [{ issuer: idp.issuer, audience: ['other', 'valetkey'] }],
    callers: [
      reader(idp.issuer),
      reader(idp.issuer, { name: 'more', permissions: ['tokens:revoke'], labels: { tier: '1' } }),
    ],
  })
  const { call } = await startBroker(t, { loginHosts: [], env: { VALETKEY_CONFIG: path } })
  const key = await idp.sign()
  t.match(await call('GET', '/whoami', { key }), {
    status: 200,
    body: {
      principal: `jwt:${idp.issuer}#billing`,
      kind: 'jwt',
      name: 'billing',
      permissions: [
        { permission: 'tokens:read', integrations: ['billing', 'billing-*'], labels: {} },
        { permission: 'integrations:read', integrations: ['billing', 'billing-*'], labels: {} },
        { permission: 'tokens:revoke', labels: { tier: '1' } },
      ],
    },
  })
  t.match(await call('GET', '/tokens/billing', { key }), {
    status: 404,
    body: { code: 'integration_not_found' },
  })
  t.match(await call('GET', '/tokens/crm', { key }), {
    status: 403,
    body: { code: 'caller_forbidden' },
  })
})

t.test('a verified caller that no entry matches may do nothing at all', async (t) => {
  const idp = await issuer(t)
  const { path } = await configuration(t, {
    issuers: [{ issuer: idp.issuer, audience: 'valetkey' }],
    callers: [reader(idp.issuer)],
  })
  const { call } = await startBroker(t, { loginHosts: [], env: { VALETKEY_CONFIG: path } })
  const key = await idp.sign({ sub: 'stranger' })
  for (const place of [
    '/whoami',
    '/tokens/billing',
    '/integrations',
    '/integrations/billing',
    '/api-keys',
  ]) {
    t.match(
      await call('GET', place, { key }),
      { status: 403, body: { code: 'caller_forbidden' } },
      place,
    )
  }
  const { body } = await call('GET', '/whoami', { key })
  t.match(body.detail, `jwt:${idp.issuer}#stranger`, 'who it is, is proven and may be said')
})

t.test('Kubernetes: keys behind the CA and the token of the cluster', async (t) => {
  const idp = await issuer(t, { tls: serverCertificate, alg: 'RS256', token: () => 'pod-token' })
  const { path, dir } = await configuration(t, {})
  const issuerName = 'https://kubernetes.default.svc.cluster.local'
  await writeFile(join(dir, 'ca.crt'), authority.certificate)
  await writeFile(join(dir, 'token'), 'pod-token')
  const settings = {
    issuer: issuerName,
    audience: 'valetkey',
    jwks_uri: idp.jwksUri,
    ca_file: join(dir, 'ca.crt'),
    token_file: join(dir, 'token'),
  }
  const match = { issuer: issuerName, subject: 'system:serviceaccount:billing:*' }
  await writeFile(path, stringify({ issuers: [settings], callers: [reader('x', { match })] }))
  const { call } = await startBroker(t, { loginHosts: [], env: { VALETKEY_CONFIG: path } })
  const key = await idp.sign({
    iss: issuerName,
    aud: ['valetkey'],
    sub: 'system:serviceaccount:billing:worker',
    'kubernetes.io': { namespace: 'billing', serviceaccount: { name: 'worker' } },
  })
  t.match(await call('GET', '/whoami', { key }), {
    status: 200,
    body: { principal: `jwt:${issuerName}#system:serviceaccount:billing:worker`, name: 'billing' },
  })
  const other = await idp.sign({ iss: issuerName, sub: 'system:serviceaccount:crm:worker' })
  t.match(await call('GET', '/whoami', { key: other }), { status: 403 })
  t.ok(idp.requests.every(({ authorization }) => authorization === 'Bearer pod-token'))
})

t.test('an issuer that went down leaves its callers working, and shows in /readyz', async (t) => {
  const idp = await issuer(t)
  const { path } = await configuration(t, {
    issuers: [{ issuer: idp.issuer, audience: 'valetkey' }],
    callers: [reader(idp.issuer)],
  })
  let ahead = 0
  const { call, logs } = await startBroker(t, {
    loginHosts: [],
    env: { VALETKEY_CONFIG: path },
    monotonic: () => performance.now() + ahead,
  })
  t.equal((await call('GET', '/whoami', { key: await idp.sign() })).status, 200)
  idp.behave((_request, response) => response.writeHead(500).end())
  const before = idp.requests.length
  ahead += 60_000
  for (let kid = 0; kid < 15; kid += 1) {
    const key = await idp.sign({}, { header: { kid: `random-${kid}` } })
    t.equal((await call('GET', '/whoami', { key })).status, 401)
  }
  t.equal(idp.requests.length, before + 1, 'one attempt for all of them')
  const fresh = await idp.sign({ jti: 'new' })
  t.equal((await call('GET', '/whoami', { key: fresh })).status, 200)
  const { body } = await call('GET', '/readyz', { key: null })
  t.ok(body.ready)
  t.match(
    body.checks.find(({ name }: { name: string }) => name === `issuer ${idp.issuer}`),
    { ok: false },
  )
  t.match(logs(), 'ISSUER_STATUS')
})

t.test('a token is remembered, but not beyond its end', async (t) => {
  let ahead = 0
  const now = () => Date.now() + ahead
  const idp = await issuer(t)
  const { path } = await configuration(t, {
    issuers: [{ issuer: idp.issuer, audience: 'valetkey' }],
    callers: [reader(idp.issuer)],
  })
  const { call } = await startBroker(t, { loginHosts: [], env: { VALETKEY_CONFIG: path }, now })
  const key = await idp.sign({ exp: Math.floor(now() / 1000) + 120 })
  t.equal((await call('GET', '/whoami', { key })).status, 200)
  ahead += 140_000
  t.equal((await call('GET', '/whoami', { key })).status, 200, 'in the leeway')
  ahead += 20_000
  t.equal((await call('GET', '/whoami', { key })).status, 401)
})

t.test('what a reload takes away is gone for remembered tokens, too', async (t) => {
  const idp = await issuer(t)
  const issuers = [{ issuer: idp.issuer, audience: 'valetkey' }]
  const { path, write } = await configuration(t, { issuers, callers: [reader(idp.issuer)] })
  const { call, app } = await startBroker(t, { loginHosts: [], env: { VALETKEY_CONFIG: path } })
  const key = await idp.sign()
  t.equal((await call('GET', '/whoami', { key })).status, 200)
  await write({ issuers, callers: [reader(idp.issuer, { permissions: ['audit:read'] })] })
  await app.reload()
  t.match((await call('GET', '/whoami', { key })).body.permissions, [{ permission: 'audit:read' }])
  await write({ issuers, callers: [] })
  await app.reload()
  t.equal((await call('GET', '/whoami', { key })).status, 403)
  await write({ issuers: [], callers: [] })
  await app.reload()
  t.equal((await call('GET', '/whoami', { key })).status, 401)
  const fetched = idp.requests.length
  await write({ issuers, callers: [reader(idp.issuer)] })
  await app.reload()
  await eventually(async () => (await call('GET', '/whoami', { key })).status === 200)
  t.ok(idp.requests.length > fetched, 'an issuer that came back is asked again')
})

t.test('two credentials in one request are a bad request', async (t) => {
  const idp = await issuer(t)
  const { path } = await configuration(t, {
    issuers: [{ issuer: idp.issuer, audience: 'valetkey' }],
    callers: [reader(idp.issuer)],
  })
  const { url } = await startBroker(t, { loginHosts: [], env: { VALETKEY_CONFIG: path } })
  const token = await idp.sign()
  const sent = httpRequest(`${url}/whoami`, {
    headers: ['Host', 'x', 'Authorization', `Bearer ${token}`, 'authorization', 'Bearer other'],
  })
  sent.end()
  const [response] = await once(sent, 'response')
  t.equal(response.statusCode, 400)
  response.resume()
})

t.test(
  'of all attacks none is accepted, none breaks anything, and none leads to a request',
  async (t) => {
    const rsa = await issuer(t, { alg: 'RS256' })
    const ec = await issuer(t, { alg: 'ES256' })
    await ec.rotate('e1')
    let trapped = 0
    const trap = createServer((_request, response) => {
      trapped += 1
      response.end('{}')
    }).listen(0, '127.0.0.1')
    t.teardown(() => trap.close())
    await once(trap, 'listening')
    const trapUrl = `http://127.0.0.1:${(trap.address() as { port: number }).port}`
    const { path } = await configuration(t, {
      issuers: [
        { issuer: rsa.issuer, audience: 'valetkey' },
        { issuer: ec.issuer, audience: 'valetkey', typ: 'at+jwt' },
      ],
      callers: [rsa, ec].map(({ issuer }, at) =>
        reader(issuer, { name: `all-${at}`, match: { issuer, subject: '*' } }),
      ),
    })
    const { call, logs } = await startBroker(t, {
      loginHosts: [],
      env: { VALETKEY_CONFIG: path, VALETKEY_TRUST_PROXY: '127.0.0.1/32' },
    })
    // Each attack comes from an address of its own, so that none is held up for the others.
    let address = 0
    const attack = (key: string) => {
      address += 1
      const from = `198.51.${address >> 8}.${address & 255}`
      return call('GET', '/whoami', { key, headers: { 'x-forwarded-for': from } })
    }
    const keys = (idp: typeof rsa, alg: 'RS256' | 'ES256') => ({
      issuer: idp.issuer,
      jwk: idp.jwk,
      privateKey: KeyObject.from(idp.privateKey as Parameters<typeof KeyObject.from>[0]),
      alg,
    })
    const attacks = await jwtAttacks({
      rsa: keys(rsa, 'RS256'),
      ec: keys(ec, 'ES256'),
      audience: 'valetkey',
      trap: trapUrl,
      now: Date.now(),
    })
    t.ok(attacks.length >= 150, `${attacks.length} attacks`)
    t.equal(new Set(attacks.map(({ token }) => token)).size, attacks.length, 'no two are the same')
    t.equal((await attack(await rsa.sign())).status, 200, 'a good token of the one is accepted')
    const typed = await ec.sign({}, { header: { typ: 'at+jwt' } })
    t.equal((await attack(typed)).status, 200, 'a good token of the other is accepted')
    const asked = rsa.requests.length + ec.requests.length
    const began = logs().length
    const bodies = new Set<string>()
    for (const { name, token } of attacks) {
      const { status, headers, body } = await attack(token)
      if (status === 431) continue
      t.equal(status, 401, name)
      t.equal(headers.get('www-authenticate'), 'Bearer realm="valetkey"', name)
      bodies.add(`${body.code} ${body.detail}`)
    }
    t.same([...bodies], ['caller_unauthenticated The bearer credential is not valid'])
    t.equal(trapped, 0)
    t.ok(rsa.requests.length + ec.requests.length <= asked + 4, 'the issuers are not stormed')
    t.equal((await attack(await rsa.sign({ jti: 'later' }))).status, 200, 'good tokens still pass')
    const log = logs().slice(began)
    for (const { token } of attacks) {
      const [, claims = ''] = token.split('.')
      if (claims.length > 20) t.notOk(log.includes(claims), 'no claims in the log')
    }
  },
)
