import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { startSimulator } from '../../simulator/simulator.ts'
import { PERMISSIONS, type Permission } from '../../src/callers/policy.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startIssuer } from '../support/issuer.ts'

const ANY = { 'if-match': '*' }

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const idp = await startIssuer()
t.teardown(() => idp.stop())
const folder = await mkdtemp(join(tmpdir(), 'valetkey-config-'))
t.teardown(() => rm(folder, { recursive: true }))
const path = join(folder, 'valetkey.yaml')

/** May write everything, and each other permission where `team` is its own name alone. */
const callers = [
  ...PERMISSIONS.filter((permission) => permission !== 'integrations:write').map((permission) => ({
    name: permission.replace(':', '-'),
    match: { issuer: idp.issuer, subject: permission.replace(':', '-') },
    permissions: [permission],
    integrations: ['*'],
    labels: { team: 'mine' },
    ...(permission === 'tokens:prove' && { requests: ['* /*'] }),
  })),
  {
    name: 'writer',
    match: { issuer: idp.issuer },
    permissions: ['integrations:write'],
    integrations: ['*'],
  },
]
await writeFile(
  path,
  stringify({ issuers: [{ issuer: idp.issuer, audience: 'valetkey' }], callers }),
)
const { call } = await startBroker(t, {
  loginHosts: [simulator.origins.myDomain],
  env: { VALETKEY_CONFIG: path },
})
await eventually(
  async () => (await call('GET', '/whoami', { key: await idp.sign() })).status === 200,
)

const app = simulator.addClientCredentialsApp()
const definition = (labels: object) => ({
  login_url: app.loginUrl,
  grant: { type: 'client_credentials', client_id: app.clientId },
  credential: { client_secret: app.clientSecret },
  labels,
})

async function make(labels: object) {
  const path = `/integrations/labelled-${randomUUID().slice(0, 8)}`
  const { status } = await call('PUT', path, { body: definition(labels) })
  if (status !== 201) throw new Error(`${status}`)
  return path
}

const keyOf = (permission: Permission) => idp.sign({ sub: permission.replace(':', '-') })
const REFUSED = { status: 403, body: { code: 'caller_forbidden' } }

for (const permission of PERMISSIONS.filter((one) => one !== 'integrations:write')) {
  t.test(`nobody gets ${permission} for an integration by labelling it`, async (t) => {
    const key = await keyOf(permission)
    for (const labels of [{}, { team: 'theirs' }, { team: 'theirs', more: 'x' }]) {
      const path = await make(labels)
      const before = (await call('GET', path)).headers.get('etag')
      const patch = { key, headers: ANY, body: { labels: { team: 'mine' } } }
      const { body, status } = await call('PATCH', path, patch)
      t.match({ body, status }, REFUSED)
      t.match(body.detail, new RegExp(permission), 'it says what would be gained')
      t.match(await call('PUT', path, { ...patch, body: definition({ team: 'mine' }) }), REFUSED)
      t.equal((await call('GET', path)).headers.get('etag'), before)
      const other = { ...patch, body: { labels: { team: 'elsewhere' } } }
      t.equal((await call('PATCH', path, other)).status, 200, 'what gains nothing is allowed')
    }
    const own = await make({ team: 'mine' })
    const away = { key, headers: ANY, body: { labels: { more: 'x' } } }
    t.equal((await call('PATCH', own, away)).status, 200, 'and so is what it has already')
  })
}

t.test('one that is new may have the labels of whoever makes it', async (t) => {
  const path = `/integrations/labelled-${randomUUID().slice(0, 8)}`
  const key = await keyOf('tokens:read')
  t.equal((await call('PUT', path, { key, body: definition({ team: 'mine' }) })).status, 201)
  t.equal((await call('GET', path.replace('/integrations', '/tokens'), { key })).status, 200)
})

t.test('a definition is no way around the permission for its credentials', async (t) => {
  const other = simulator.addClientCredentialsApp()
  const made = await call('POST', '/api-keys', {
    body: {
      name: 'writer',
      permissions: ['integrations:write', 'integrations:read', 'tokens:read'],
      integrations: ['labelled-*'],
    },
  })
  const { key } = made.body
  const path = await make({})
  const fresh = { credential: { client_secret: other.clientSecret } }
  t.match(await call('POST', `${path}/credentials`, { key, body: fresh.credential }), REFUSED)
  const before = (await call('GET', path)).headers.get('etag')
  const owner = await make({})
  const from = { credential: { from: owner.slice('/integrations/'.length) } }
  const changes: Readonly<Record<string, object>> = {
    'another secret': fresh,
    'the secret of another integration': from,
  }
  for (const [what, change] of Object.entries(changes)) {
    t.match(await call('PATCH', path, { key, headers: ANY, body: change }), { status: 403 }, what)
    const body = { ...definition({}), ...change }
    t.match(await call('PUT', path, { key, headers: ANY, body }), { status: 403 }, what)
  }
  const exchanged = { type: 'data_cloud', integration: from.credential.from }
  const without = {
    key,
    headers: ANY,
    body: { grant: { ...exchanged, client_id: null, client_auth: null } },
  }
  t.match(await call('PATCH', path, without), REFUSED, 'none any more')
  t.equal((await call('GET', path)).headers.get('etag'), before)

  const draft = `${path}-draft`
  const { credential: _, ...withoutCredential } = definition({})
  t.equal((await call('PUT', draft, { key, body: withoutCredential })).status, 201)
  t.match(await call('PATCH', draft, { key, headers: ANY, body: fresh }), REFUSED, 'its first one')
  t.equal((await call('PUT', `${path}-new`, { key, body: definition({}) })).status, 201)
  const again = await call('PUT', path, { key, headers: ANY, body: definition({}) })
  t.equal(again.status, 200, 'the one that is there is no change')
})
