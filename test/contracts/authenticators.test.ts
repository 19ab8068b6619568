/** What every way to prove who one is has to keep. One that is added must be listed here. */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { inspect } from 'node:util'
import { generateKeyPair, type JSONWebKeySet } from 'jose'
import t, { type Test } from 'tap'
import { generateApiKey } from '../../src/callers/api-key.ts'
import { createAdminKeyAuthenticator } from '../../src/callers/authentication/admin-key.ts'
import {
  createApiKeyAuthenticator,
  knownApiKeyOf,
} from '../../src/callers/authentication/api-key-authenticator.ts'
import {
  type Authenticator,
  type Credentials,
  refusalCodeOf,
} from '../../src/callers/authentication/authenticator.ts'
import { createAuthenticators } from '../../src/callers/authentication/authenticators.ts'
import { createClientCertificateAuthenticator } from '../../src/callers/authentication/client-certificate.ts'
import { createSigningKeys } from '../../src/callers/authentication/jwks.ts'
import { createJwtAuthenticator } from '../../src/callers/authentication/jwt.ts'
import type { CallerEntry } from '../../src/callers/caller-entry.ts'
import type { PrincipalKind } from '../../src/callers/policy.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import { createServerTls } from '../../src/http/server/tls.ts'
import { type Authority, createAuthority } from '../support/authority.ts'
import { startIssuer } from '../support/issuer.ts'
import { testRuntime } from '../support/runtime.ts'

interface Case {
  readonly kind: PrincipalKind
  readonly id: string
  readonly authenticator: Authenticator
  readonly good: Credentials
  /** Of this kind, and not valid. */
  readonly bad: Readonly<Record<string, Credentials>>
  /** What must stand in no error. */
  readonly secret: string
  /** Whether a bearer credential that is wrong is known to be of this kind. */
  readonly recognises: boolean
}

const entries = (match: CallerEntry['match']): readonly CallerEntry[] => [
  { name: 'billing', match, permissions: ['tokens:read'], integrations: ['*'], labels: {} },
]

const adminKey = randomBytes(32).toString('base64url')

async function adminCase(): Promise<Case> {
  return {
    kind: 'admin',
    id: 'admin',
    authenticator: createAdminKeyAuthenticator([new Secret('x'.repeat(32)), new Secret(adminKey)]),
    good: { bearer: adminKey },
    bad: {},
    secret: adminKey,
    recognises: false,
  }
}

function apiKeyRecord(expiresAt: number) {
  const { id, key, digest } = generateApiKey(randomBytes)
  const body = JSON.stringify({
    ...{ name: 'billing', permissions: ['tokens:read'], integrations: ['*'], labels: {} },
    ...{ createdAt: 0, expiresAt, createdBy: 'admin', digest },
  })
  return { id, key: key.reveal(), record: { id, version: 1, body } }
}

async function apiKeyCase(): Promise<Case> {
  const valid = apiKeyRecord(Date.now() + 60_000)
  const expired = apiKeyRecord(Date.now() - 1)
  const known = new Map([valid, expired].map(({ id, record }) => [id, knownApiKeyOf(record)]))
  const unknown = generateApiKey(randomBytes).key.reveal()
  return {
    kind: 'api_key',
    id: 'api-key:billing',
    authenticator: createApiKeyAuthenticator({
      keys: { find: (id) => known.get(id) },
      now: Date.now,
    }),
    good: { bearer: valid.key },
    bad: {
      expired: { bearer: expired.key },
      unknown: { bearer: unknown },
      'with a wrong checksum': {
        bearer: `${valid.key.slice(0, -1)}${valid.key.endsWith('0') ? 1 : 0}`,
      },
      'cut short': { bearer: valid.key.slice(0, -1) },
      'a prefix': { bearer: 'vk_' },
    },
    secret: valid.key.slice(12),
    recognises: true,
  }
}

async function jwtCase(t: Test): Promise<Case> {
  const idp = await startIssuer()
  t.teardown(() => idp.stop())
  const settings = [{ issuer: idp.issuer, audience: 'valetkey' }]
  const callers = entries({ issuer: idp.issuer })
  const authenticator = createJwtAuthenticator({
    issuers: () => settings,
    callers: () => callers,
    createSigningKeys: () =>
      createSigningKeys({
        fetch: async () => ({ keys: [idp.jwk] }) as JSONWebKeySet,
        runtime: testRuntime({ sleep: async () => undefined }),
        onTrouble: () => undefined,
      }),
    now: Date.now,
    monotonic: () => performance.now(),
  })
  const token = await idp.sign()
  const { privateKey } = await generateKeyPair('ES256')
  return {
    kind: 'jwt',
    id: `jwt:${idp.issuer}#billing`,
    authenticator,
    good: { bearer: token },
    bad: {
      expired: { bearer: await idp.sign({ exp: 1 }) },
      'of another audience': { bearer: await idp.sign({ aud: 'other' }) },
      'of another issuer': { bearer: await idp.sign({ iss: 'https://other.example' }) },
      'of another key': { bearer: await idp.sign({}, { key: privateKey }) },
      'that is none': { bearer: 'a.b' },
    },
    secret: token.split('.')[1] ?? '',
    recognises: true,
  }
}

/** The server's end of a connection on which the client showed this certificate. */
async function connection(t: Test, authority: Authority, shown?: { cert: string; key: string }) {
  const dir = mkdtempSync(join(tmpdir(), 'valetkey-tls-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  const own = authority.issue({ san: 'DNS:localhost' })
  const [certFile, keyFile, clientCaFile] = ['cert', 'key', 'ca'].map((name) => join(dir, name))
  if (!certFile || !keyFile || !clientCaFile) throw new Error('no files')
  writeFileSync(certFile, own.cert)
  writeFileSync(keyFile, own.key)
  writeFileSync(clientCaFile, authority.certificate)
  const { options } = createServerTls(
    { certFile, keyFile, clientCaFile },
    {
      readFile: (path) => readFileSync(path, 'utf8'),
      runtime: testRuntime({ sleep: async () => undefined }),
      log: { info: () => undefined, error: () => undefined },
    },
  )
  const server = createServer(options).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const accepted = once(server, 'secureConnection')
  const client = connect({ port, host: 'localhost', ca: authority.certificate, ...shown })
  t.teardown(() => {
    client.destroy()
    server.close()
  })
  const [socket] = await accepted
  return socket as TLSSocket
}

async function certificateCase(t: Test): Promise<Case> {
  const authority = createAuthority(t)
  const callers = entries({ certificate: 'spiffe://acme.example/*' })
  const san = 'URI:spiffe://acme.example/billing'
  const stranger = createAuthority(t, 'Another CA')
  const on = async (shown?: { cert: string; key: string }) => ({
    socket: await connection(t, authority, shown),
  })
  return {
    kind: 'mtls',
    id: 'mtls:spiffe://acme.example/billing',
    authenticator: createClientCertificateAuthenticator({ callers: () => callers, now: Date.now }),
    good: await on(authority.issue({ san, purpose: 'clientAuth' })),
    bad: {
      'of another CA': await on(stranger.issue({ san, purpose: 'clientAuth' })),
      'for servers': await on(authority.issue({ san, purpose: 'serverAuth' })),
      expired: await on(
        authority.issue({ san, notBefore: '20200101000000Z', notAfter: '20200102000000Z' }),
      ),
    },
    secret: 'spiffe://',
    recognises: true,
  }
}

const CASES: Readonly<Record<string, (t: Test) => Promise<Case>>> = {
  'the admin key': adminCase,
  'an API key': apiKeyCase,
  'a JWT': jwtCase,
  'a client certificate': certificateCase,
}

const result = async (authenticator: Authenticator, credentials: Credentials) => {
  try {
    return await authenticator.authenticate(credentials)
  } catch (error) {
    return error
  }
}

for (const [name, prepare] of Object.entries(CASES)) {
  t.test(name, async (t) => {
    const { kind, id, authenticator, good, bad, secret, recognises } = await prepare(t)

    await t.test('proves a principal with id, kind, name and permits', async (t) => {
      const principal = await authenticator.authenticate(good)
      t.match(principal, { id, kind, name: String })
      t.ok(principal && principal.permits.length > 0)
      t.match(principal?.permits[0], { permission: String, integrations: ['*'], labels: {} })
    })

    await t.test('answers what it remembers without a promise', async (t) => {
      await authenticator.authenticate(good)
      const again = authenticator.authenticate(good)
      t.notOk(again instanceof Promise)
      t.equal(again, authenticator.authenticate(good), 'the same object')
    })

    await t.test('leaves what is not its kind to others', async (t) => {
      t.equal(authenticator.authenticate({}), undefined)
      for (const bearer of ['x', 'x'.repeat(43), 'Basic', '', 'ghp_0123456789']) {
        t.equal(authenticator.authenticate({ bearer }), undefined, bearer)
      }
    })

    await t.test('refuses what is its kind and wrong, in the same words each time', async (t) => {
      t.equal(Object.keys(bad).length > 0, recognises)
      const details = new Set<string>()
      for (const [what, credentials] of Object.entries(bad)) {
        const error = await result(authenticator, credentials)
        if (!(error instanceof BrokerError)) throw new Error(`${what} is not refused`)
        t.equal(error.code, 'caller_unauthenticated', what)
        t.type(refusalCodeOf(error), 'string', what)
        details.add(error.detail)
        t.notMatch(inspect(error, { depth: 9 }), secret, what)
      }
      t.ok(details.size <= 1)
    })

    await t.test('goes on to know the good one after bad ones', async (t) => {
      t.match(await authenticator.authenticate(good), { id })
    })
  })
}

t.test('every authenticator of the service is under this contract', async (t) => {
  const { list } = createAuthenticators({
    adminKeys: [],
    apiKeys: { find: async () => undefined },
    declared: { issuers: () => [], callers: () => [] },
    createOutbound: () => {
      throw new Error('no request is expected')
    },
    readFile: async () => '',
    runtime: testRuntime(),
    log: { warn: () => undefined },
  })
  t.equal(list.length, Object.keys(CASES).length)
})

t.test('a bearer credential wins over a client certificate, even a wrong one', async (t) => {
  const { authenticator, good } = await certificateCase(t)
  t.equal(authenticator.authenticate({ ...good, bearer: 'wrong' }), undefined)
})

t.test('a certificate counts from the networks of its callers, at each request', async (t) => {
  const authority = createAuthority(t)
  const callers = entries({ certificate: 'spiffe://acme.example/*' }).map((entry) => ({
    ...entry,
    networks: ['10.0.0.0/8'],
  }))
  const authenticator = createClientCertificateAuthenticator({
    callers: () => callers,
    now: Date.now,
  })
  const shown = authority.issue({ san: 'URI:spiffe://acme.example/x', purpose: 'clientAuth' })
  const socket = await connection(t, authority, shown)
  const from = async (ip: string) => authenticator.authenticate({ socket }, { ip })
  for (let turn = 0; turn < 2; turn += 1) {
    t.match(await from('10.0.0.1'), { name: 'billing' })
    await t.rejects(from('192.0.2.1'), {
      code: 'caller_unauthenticated',
      detail: 'The client certificate is not valid',
      cause: { code: 'CERTIFICATE_OUTSIDE_NETWORKS' },
    })
  }
})
