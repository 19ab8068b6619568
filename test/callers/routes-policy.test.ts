import { randomUUID } from 'node:crypto'
import t from 'tap'
import { parse } from 'yaml'
import { startSimulator } from '../../simulator/simulator.ts'
import { PERMISSIONS, type Permission } from '../../src/callers/policy.ts'
import { startBroker } from '../support/broker.ts'

/** `integration`: the one of the path must be covered. `some`: any integration will do, and the answer shows only what is covered. `all`: every integration must be covered. */
type Scope = 'integration' | 'some' | 'all'

interface Row {
  readonly permission: Permission | 'public' | 'any principal' | 'a token'
  readonly scope?: Scope
  /** Another permission that also suffices, over every integration. */
  readonly or?: Permission
  /** With its question mark. */
  readonly query?: string
  readonly body?: object | string
  readonly headers?: Readonly<Record<string, string>>
}

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const loginUrl = simulator.origins.myDomain
const app = simulator.addClientCredentialsApp()
const integration = {
  login_url: loginUrl,
  grant: { type: 'client_credentials', client_id: app.clientId },
  credential: { client_secret: app.clientSecret },
}
const ANY = { 'if-match': '*' }

/** Every route of the API, by method and path. A new one needs a row. */
const ROUTES: Readonly<Record<string, Row>> = {
  'GET /livez': { permission: 'public' },
  'GET /readyz': { permission: 'public' },
  'GET /problems': { permission: 'public' },
  'GET /problems/{code}': { permission: 'public' },
  'GET /problems/salesforce': { permission: 'public' },
  'POST /oauth/token': { permission: 'public' },
  'POST /login/{integration}/services/oauth2/token': { permission: 'public' },
  'POST /login/{integration}/services/Soap/{kind}/{version}': { permission: 'public' },
  'POST /login/{integration}/services/oauth2/introspect': { permission: 'public' },
  'GET /login/{integration}/services/oauth2/revoke': { permission: 'public' },
  'POST /login/{integration}/services/oauth2/revoke': { permission: 'public' },
  'GET /login/{integration}/services/oauth2/userinfo': { permission: 'a token' },
  'POST /login/{integration}/services/oauth2/userinfo': { permission: 'a token' },
  'GET /login/{integration}/id/{org}/{user}': { permission: 'a token' },
  'GET /.well-known/oauth-authorization-server/login/{integration}': { permission: 'public' },
  'GET /oauth/callback': { permission: 'public' },
  'GET /status': { permission: 'public' },
  'POST /status/sign-in': { permission: 'public' },
  'POST /status/sign-out': { permission: 'public' },
  'GET /whoami': { permission: 'any principal' },
  'GET /tokens/{integration}': { permission: 'tokens:read', scope: 'integration' },
  'GET /gateway/{integration}': { permission: 'tokens:read', scope: 'integration' },
  'POST /tokens/{integration}/proofs': {
    permission: 'tokens:prove',
    scope: 'integration',
    body: { requests: [] },
  },
  'POST /tokens/{integration}/check': {
    permission: 'tokens:read',
    scope: 'integration',
    body: { seen: { status: 401 } },
  },
  'DELETE /tokens/{integration}': { permission: 'tokens:revoke', scope: 'integration' },
  'GET /integrations': { permission: 'integrations:read', scope: 'some' },
  'GET /integrations/summary': { permission: 'integrations:read', scope: 'some' },
  'GET /integrations/{name}': { permission: 'integrations:read', scope: 'integration' },
  'GET /integrations/{name}/callers': { permission: 'integrations:read', scope: 'integration' },
  'POST /integrations/{name}/test': { permission: 'integrations:test', scope: 'integration' },
  'POST /integrations/{name}/probes/dpop': {
    permission: 'integrations:test',
    scope: 'integration',
  },
  'GET /integrations/{name}/setup': { permission: 'integrations:read', scope: 'integration' },
  'GET /integrations/{name}/setup/metadata': {
    permission: 'integrations:read',
    scope: 'integration',
  },
  'POST /integrations/{name}/connections': {
    permission: 'credentials:write',
    scope: 'integration',
    body: { flow: 'device' },
  },
  'GET /integrations/{name}/connections/{id}': {
    permission: 'integrations:read',
    scope: 'integration',
  },
  'DELETE /integrations/{name}/connection': {
    permission: 'credentials:write',
    scope: 'integration',
  },
  'GET /integrations/{name}/credentials': { permission: 'integrations:read', scope: 'integration' },
  'GET /integrations/{name}/credentials/{id}/certificate': {
    permission: 'integrations:read',
    scope: 'integration',
  },
  'GET /integrations/{name}/credentials/{id}': {
    permission: 'integrations:read',
    scope: 'integration',
  },
  'POST /integrations/{name}/credentials': {
    permission: 'credentials:write',
    scope: 'integration',
    body: { client_secret: 'another-secret' },
  },
  'PUT /integrations/{name}/credentials/{id}/certificate': {
    permission: 'credentials:write',
    scope: 'integration',
    body: 'no PEM',
    headers: { 'content-type': 'text/plain' },
  },
  'POST /integrations/{name}/credentials/{id}/activate': {
    permission: 'credentials:write',
    scope: 'integration',
    body: { prove: false },
  },
  'POST /integrations/{name}/credentials/{id}/deploy': {
    permission: 'credentials:write',
    scope: 'integration',
  },
  'GET /integrations/{name}/credentials/{id}/deployment': {
    permission: 'integrations:read',
    scope: 'integration',
  },
  'DELETE /integrations/{name}/credentials/{id}': {
    permission: 'credentials:write',
    scope: 'integration',
  },
  'PUT /integrations/{name}': {
    permission: 'integrations:write',
    scope: 'integration',
    body: integration,
    headers: ANY,
  },
  'PATCH /integrations/{name}': {
    permission: 'integrations:write',
    scope: 'integration',
    body: { description: 'x' },
    headers: ANY,
  },
  'DELETE /integrations/{name}': {
    permission: 'integrations:write',
    scope: 'integration',
    headers: ANY,
  },
  'POST /integrations/{name}/identity': {
    permission: 'integrations:write',
    scope: 'integration',
    body: { accept: true },
  },
  'POST /identities/accept': {
    permission: 'integrations:write',
    scope: 'some',
    body: { from_org_id: '00D000000000001', to_org_id: '00D000000000002' },
  },
  'POST /api-keys': {
    permission: 'api-keys:write',
    scope: 'some',
    body: { name: 'made', permissions: ['api-keys:write'], integrations: ['inside-none'] },
  },
  'GET /api-keys': { permission: 'api-keys:write', scope: 'some' },
  'DELETE /api-keys/{id}': { permission: 'api-keys:write', scope: 'some' },
  'GET /audit': { permission: 'audit:read', scope: 'some' },
  'POST /store/accept': { permission: 'service:manage', scope: 'all' },
  'DELETE /store/records/{kind}/{name}': { permission: 'service:manage', scope: 'all' },
  'POST /freezes': {
    ...{ permission: 'service:manage', scope: 'all', or: 'tokens:revoke' },
    body: { selector: { integrations: ['outside-none'] }, reason: 'a test' },
  },
  'GET /freezes': { permission: 'tokens:revoke', scope: 'some' },
  'GET /freezes/{id}': { permission: 'service:manage', scope: 'all', or: 'tokens:revoke' },
  'DELETE /freezes/{id}': { permission: 'service:manage', scope: 'all', or: 'tokens:revoke' },
  'GET /incidents/exposure': {
    ...{ permission: 'audit:read', scope: 'all' },
    query: `?since=${new Date(Date.now() - 86_400_000).toISOString()}&all=true`,
  },
  'GET /keyring': { permission: 'service:manage', scope: 'all' },
  'POST /keyring/reseal': { permission: 'service:manage', scope: 'all' },
}

const { call, url, app: running } = await startBroker(t, { loginHosts: [loginUrl] })
const document = parse(JSON.stringify(running.server.swagger()))
const operations: readonly string[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.keys(methods as object).map((method) => `${method.toUpperCase()} ${path}`),
)

let keyId = 'AAAAAAAA'

const pathOf = (operation: string, name: string) =>
  (operation.split(' ')[1] ?? '')
    .replace('{integration}', name)
    .replace('{name}', name)
    .replace('{id}', keyId)
    .replace('{kind}', 'integration')
    .replace('{code}', 'internal')

const ask = (operation: string, name: string, key: string | null) => {
  const { body, headers, query = '' } = ROUTES[operation] ?? {}
  const path = pathOf(operation, name)
  return call(operation.split(' ')[0] ?? '', `${path}${query}`, {
    key,
    ...(body && { body }),
    // The origin as the page has it.
    headers: { ...(path.startsWith('/status/') && { origin: url }), ...headers },
  })
}

/** Nothing is proven without it. */
const limitOf = (permission: Permission) =>
  permission === 'tokens:prove' ? { requests: ['* /*'] } : {}

const keysOver = async (glob: string, suffix = '') => {
  const keys = new Map<Permission, string>()
  for (const permission of PERMISSIONS) {
    const name = `${permission.replace(':', '-')}${suffix}`
    const made = await call('POST', '/api-keys', {
      body: { name, permissions: [permission], integrations: [glob], ...limitOf(permission) },
    })
    keys.set(permission, made.body.key)
  }
  return (permission: Permission) => keys.get(permission) ?? ''
}
const keyOf = await keysOver('inside-*')
const everywhereKeyOf = await keysOver('*', '-everywhere')

async function prepare() {
  for (const name of ['inside-a', 'outside-a']) {
    await call('PUT', `/integrations/${name}`, { body: integration, headers: ANY })
    await call('PUT', `/integrations/${name}`, { body: integration })
  }
  const name = `key-${randomUUID()}`
  const made = await call('POST', '/api-keys', {
    body: { name, permissions: ['tokens:read'], integrations: ['inside-a'] },
  })
  keyId = made.body.id
}

const guarded = operations.filter((operation) => {
  const permission = ROUTES[operation]?.permission
  return permission !== 'public' && permission !== 'any principal' && permission !== 'a token'
})

t.test('every route has a row, and every row is a route', async (t) => {
  t.same([...operations].sort(), Object.keys(ROUTES).sort())
})

t.test('nothing but the public routes answers without a credential', async (t) => {
  for (const operation of operations) {
    const { status } = await ask(operation, 'inside-a', null)
    const { permission } = ROUTES[operation] ?? {}
    if (permission === 'public') t.not(status, 403, operation)
    // Salesforce's status where the token that it tells about is missing.
    else if (permission === 'a token') t.equal(status, 403, operation)
    else t.ok(status === 401 || status === 429, `${operation}: ${status}`)
  }
})

t.test('any principal may ask who it is', async (t) => {
  for (const permission of PERMISSIONS) {
    t.match(await call('GET', '/whoami', { key: keyOf(permission) }), {
      status: 200,
      body: { permissions: [{ permission, integrations: ['inside-*'] }] },
    })
  }
})

for (const operation of guarded) {
  t.test(`${operation} takes ${ROUTES[operation]?.permission} and nothing else`, async (t) => {
    const { permission: needed, scope, or } = ROUTES[operation] ?? {}
    for (const permission of PERMISSIONS) {
      await prepare()
      const inside = await ask(operation, 'inside-a', keyOf(permission))
      const expected = permission === needed && scope !== 'all'
      t.equal(inside.status !== 403, expected, `${permission} inside: ${inside.status}`)
      t.not(inside.status, 401)
      if (scope === 'all') {
        const everywhere = await ask(operation, 'inside-a', everywhereKeyOf(permission))
        const suffices = permission === needed || permission === or
        t.equal(everywhere.status !== 403, suffices, `${permission} everywhere`)
      }
      if (scope !== 'integration') continue
      const outside = await ask(operation, 'outside-a', keyOf(permission))
      t.equal(outside.status, 403, `${permission} outside`)
    }
  })
}

t.test(
  'a forbidden integration and one that does not exist are told apart by nothing',
  async (t) => {
    await prepare()
    const strip = ({ status, body }: { status: number; body: Record<string, unknown> }) => {
      const { request_id: _, instance: _instance, ...rest } = body
      return { status, rest }
    }
    const byLabels = await call('POST', '/api-keys', {
      body: {
        // With requests, it would read tokens for these alone.
        ...{ permissions: PERMISSIONS.filter((one) => one !== 'tokens:prove') },
        name: `by-labels-${randomUUID()}`,
        ...{ integrations: ['*'], labels: { owner: 'somebody-else' } },
      },
    })
    for (const operation of guarded.filter((one) => ROUTES[one]?.scope === 'integration')) {
      const { permission } = ROUTES[operation] ?? {}
      for (const key of [keyOf(permission as Permission), byLabels.body.key]) {
        const forbidden = await ask(operation, 'outside-a', key)
        const missing = await ask(operation, 'outside-none', key)
        t.equal(forbidden.status, 403)
        t.same(strip(forbidden), strip(missing), operation)
      }
    }
  },
)

t.test('lists show only what the principal may see', async (t) => {
  await prepare()
  const list = await call('GET', '/integrations', { key: keyOf('integrations:read') })
  t.same(
    list.body.items.map(({ name }: { name: string }) => name),
    ['inside-a'],
  )
  const audit = await call('GET', '/audit?action=integration.created', { key: keyOf('audit:read') })
  t.ok(audit.body.items.length > 0)
  t.ok(audit.body.items.every((event: { integration: string }) => event.integration === 'inside-a'))
})
