import t from 'tap'
import type { ApiKey } from '../../src/callers/api-key-store.ts'
import type { CallerEntry } from '../../src/callers/caller-entry.ts'
import { type Absent, createPermissionResolver } from '../../src/callers/permission-resolver.ts'
import { allows, type Principal } from '../../src/callers/policy.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import type { ProblemCode } from '../../src/errors/problems.ts'

const NOW = Date.UTC(2026, 10, 24)
const ISSUER = 'https://issuer.example'

const key = (changes: Partial<ApiKey> = {}): ApiKey => ({
  id: 'AAAAAAAA',
  name: 'ops',
  permissions: ['credentials:write'],
  integrations: ['billing'],
  labels: {},
  createdAt: NOW - 1_000,
  expiresAt: NOW + 100_000,
  createdBy: 'admin',
  ...changes,
})

const entry = (match: CallerEntry['match']): CallerEntry => ({
  name: 'ops',
  match,
  permissions: ['credentials:write'],
  integrations: ['billing'],
  labels: {},
})

const absent = (id: string, kind: Absent['kind']): Absent => ({
  ...{ id, kind, name: 'ops' },
  provenAt: NOW - 500,
})

async function mayStill(
  principal: Absent,
  now: { readonly key?: ApiKey; readonly callers?: readonly CallerEntry[] },
): Promise<boolean> {
  const permissions = createPermissionResolver({
    keys: {
      read: async (id) => (id === now.key?.id ? now.key : undefined),
      readByName: async (name) => (name === now.key?.name ? now.key : undefined),
    },
    callers: () => now.callers ?? [],
    now: () => NOW,
  })
  const permits = await permissions.permitsOf(principal)
  return allows({ ...principal, permits }, 'credentials:write', { name: 'billing' })
}

t.test('an API key is what it is now', async (t) => {
  const ops = absent('api-key:ops', 'api_key')
  t.equal(await mayStill(ops, { key: key() }), true)
  t.equal(await mayStill(ops, {}), false, 'revoked')
  t.equal(await mayStill(ops, { key: key({ expiresAt: NOW }) }), false, 'expired')
  t.equal(await mayStill(ops, { key: key({ createdAt: NOW + 40_000 }) }), false, 'made again since')
  t.equal(await mayStill(ops, { key: key({ integrations: ['other'] }) }), false)
})

t.test('a certificate and a token go by the configuration file as it is now', async (t) => {
  const certificate = absent('mtls:spiffe://acme/ops', 'mtls')
  const pod = entry({ certificate: 'spiffe://acme/*' })
  t.equal(await mayStill(certificate, { callers: [pod] }), true)
  t.equal(await mayStill(certificate, { callers: [] }), false)
  const token = absent(`jwt:${ISSUER}#system:ops#1`, 'jwt')
  const claims = { team: 'ops' }
  const human = entry({ issuer: ISSUER, subject: 'system:*#1', claims })
  t.equal(await mayStill(token, { callers: [human] }), true, 'claims cannot be looked at')
  t.equal(await mayStill(token, { callers: [entry({ issuer: 'https://else.example' })] }), false)
  t.equal(await mayStill(token, { callers: [entry({ issuer: ISSUER, subject: 'x' })] }), false)
  t.equal(await mayStill(token, { callers: [pod] }), false)
})

t.test('the admin may', async (t) => {
  t.equal(await mayStill(absent('admin', 'admin'), {}), true)
})

t.test('a principal that is here stands by the word of the store', async (t) => {
  const known = { id: 'AAAAAAAA', expiresAt: NOW + 100_000 }
  const here: Principal = {
    ...{ id: 'api-key:ops', name: 'ops', permits: [], key: known },
    kind: 'api_key',
  }
  const stands = (read: () => Promise<ApiKey | undefined>, principal: Principal = here) =>
    createPermissionResolver({
      keys: { read, readByName: async () => undefined },
      callers: () => [],
      now: () => NOW,
    }).stands(principal)
  const fails = (code: ProblemCode) => async () => {
    throw new BrokerError(code, 'It is')
  }
  t.equal(await stands(async () => key()), true)
  t.equal(await stands(async () => undefined), false, 'revoked')
  t.equal(await stands(async () => key({ expiresAt: NOW })), false, 'expired')
  await t.rejects(stands(fails('store_unavailable')), { code: 'store_unavailable' })
  t.equal(await stands(fails('store_reset')), true, 'what is lost is not revoked')
  const { key: _, ...token } = here
  t.equal(await stands(fails('store_unavailable'), { ...token, kind: 'jwt' }), true)
})

t.test('a key is the one that was there, whatever else has its name by now', async (t) => {
  const by = (keyId: string) => ({ ...absent('api-key:ops', 'api_key'), keyId })
  t.equal(await mayStill(by('AAAAAAAA'), { key: key() }), true)
  t.equal(await mayStill(by('BBBBBBBB'), { key: key() }), false)
})
