import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import type { ConfigError } from '../../src/config/config-error.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import {
  type BrokerOptions,
  newAdminKey,
  startBroker,
  startBrokerProcess,
} from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { newSigningKey } from '../support/signing-key.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins
const key = await newSigningKey()
const app = simulator.addJwtApp({ certificatePem: key.certificate })
const keyring = generateKeyring(Date.now()).reveal()
const ANY = { 'if-match': '*' }

async function setUp(t: Test, options: Partial<BrokerOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-config-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const path = (name: string) => join(folder, name)
  const write = (name: string, text: string) => writeFile(path(name), text)
  const declare = (integrations: Readonly<Record<string, object>>, more: object = {}) =>
    write('valetkey.yaml', JSON.stringify({ integrations, ...more }))
  await write('one.key', key.privateKey)
  await write('one.crt', key.certificate)
  const start = () =>
    startBroker(t, {
      loginHosts: [myDomain],
      dataDir: path('data'),
      keyring,
      env: { VALETKEY_CONFIG: path('valetkey.yaml') },
      ...options,
    })
  return { path, write, declare, start }
}

const billing = (path: (name: string) => string, change: object = {}) => ({
  login_url: myDomain,
  grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
  credential: { private_key_file: path('one.key'), certificate_file: path('one.crt') },
  ...change,
})

t.test('a declared integration serves tokens, and the API may not edit it', async (t) => {
  const { path, declare, start } = await setUp(t)
  await declare({ billing: billing(path) })
  const { call } = await start()
  await eventually(async () => (await call('GET', '/tokens/billing')).status === 200)
  const read = await call('GET', '/integrations/billing')
  t.equal(read.body.managed_by, 'file')
  for (const [method, body] of [
    ['PATCH', { description: 'x' }],
    ['PUT', { ...read.body, description: 'x' }],
    ['DELETE', undefined],
  ] as const) {
    const answer = await call(method, '/integrations/billing', { body, headers: ANY })
    t.match(answer, { status: 409, body: { code: 'managed_by_file' } }, method)
  }
  t.equal((await call('PUT', '/integrations/billing', { body: read.body })).status, 200, 'equal')
})

t.test('reading the file again, or starting again, changes nothing', async (t) => {
  const { path, declare, start } = await setUp(t)
  await declare({ billing: billing(path) })
  const first = await start()
  const etag = await eventually(async () =>
    (await first.call('GET', '/integrations/billing')).headers.get('etag'),
  )
  await first.app.reload()
  t.equal((await first.call('GET', '/integrations/billing')).headers.get('etag'), etag)
  await first.stop()
  const second = await start()
  await second.app.reload()
  t.equal((await second.call('GET', '/integrations/billing')).headers.get('etag'), etag)
})

t.test('a file that moves to another login URL leaves former secrets behind', async (t) => {
  const {
    path: fileOf,
    write,
    declare,
    start,
  } = await setUp(t, {
    loginHosts: [myDomain, simulator.origins.sandbox],
  })
  for (const secret of ['first', 'second']) await write(secret, secret)
  const moving = (loginUrl: string, secret: string) => ({
    moving: {
      login_url: loginUrl,
      grant: { type: 'client_credentials', client_id: '3MVG9.moving' },
      credential: { client_secret_file: fileOf(secret) },
    },
  })
  await declare(moving(myDomain, 'first'))
  const { call, app: running } = await start()
  const path = '/integrations/moving/credentials'
  const states = async () =>
    (await call('GET', path)).body.items.map(({ state }: { state: string }) => state).sort()
  await eventually(async () => (await call('GET', path)).status === 200)
  t.equal((await call('POST', path, { body: { client_secret: 'staged' } })).status, 201)
  await declare(moving(simulator.origins.sandbox, 'first'))
  await running.reload()
  t.same(await states(), ['active'], 'the one of the file goes along')
  t.equal((await call('POST', path, { body: { client_secret: 'again' } })).status, 201)
  await declare(moving(myDomain, 'second'))
  await running.reload()
  t.same(await states(), ['active'])
})

t.test('a change of the file takes effect, and an unknown credential becomes active', async (t) => {
  const { path, write, declare, start } = await setUp(t)
  await declare({ billing: billing(path) })
  const { call, app: running } = await start()
  const other = await newSigningKey()
  await write('one.key', other.privateKey)
  await write('one.crt', other.certificate)
  await declare({ billing: billing(path, { description: 'changed' }) })
  await running.reload()
  t.equal((await call('GET', '/integrations/billing')).body.description, 'changed')
  const states = async () =>
    (await call('GET', '/integrations/billing/credentials')).body.items.map(
      ({ state }: { state: string }) => state,
    )
  t.same(await states(), ['active', 'retired'])
  const before = (await call('GET', '/integrations/billing/credentials')).body.items[0].id
  await write('one.key', key.privateKey)
  await write('one.crt', key.certificate)
  await running.reload()
  t.equal(
    (await call('GET', '/integrations/billing/credentials')).body.items[0].id,
    before,
    'one that was active before undoes nothing',
  )
})

t.test('one bad entry disables its integration alone, until it is mended', async (t) => {
  const { path, declare, start } = await setUp(t)
  await declare({
    good: billing(path),
    bad: billing(path, { credential: { private_key_file: path('missing.key') } }),
    worse: { login_url: 'https://evil.example', grant: { type: 'jwt_bearer', username: 'x@y.z' } },
  })
  const { call, app: running, logs } = await start()
  await eventually(async () => (await call('GET', '/tokens/good')).status === 200)
  t.match(await call('GET', '/tokens/bad'), { status: 409, body: { code: 'integration_disabled' } })
  t.match(logs(), 'a declared integration is wrong, and is disabled')
  t.match(logs(), /missing\.key: cannot be read \(ENOENT\)/)
  await declare({ good: billing(path), bad: billing(path) })
  await running.reload()
  t.equal((await call('GET', '/tokens/bad')).status, 200)
})

t.test('an expired certificate is no mistake in a file', async (t) => {
  const { path, write, declare, start } = await setUp(t, {
    now: () => Date.now() + 400 * 86_400_000,
  })
  await write('one.key', key.privateKey)
  await declare({ billing: billing(path) })
  const { call } = await start()
  const read = await eventually(async () => {
    const answer = await call('GET', '/integrations/billing')
    return answer.status === 200 && answer.body
  })
  t.equal(read.enabled, true)
})

t.test('an entry that is removed is given to the API, or deleted with prune', async (t) => {
  const { path, declare, start } = await setUp(t)
  await declare({ kept: billing(path), gone: billing(path) })
  const { call, app: running } = await start()
  await eventually(async () => (await call('GET', '/integrations/gone')).status === 200)
  await declare({ kept: billing(path) })
  await running.reload()
  t.equal((await call('GET', '/integrations/gone')).body.managed_by, 'api')
  await declare({}, { prune: true })
  await running.reload()
  t.equal((await call('GET', '/integrations/kept')).status, 404)
  t.equal((await call('GET', '/integrations/gone')).status, 200, 'it is not the file’s any more')
})

t.test('a bad file is refused at start with every mistake, and ignored later', async (t) => {
  const { path, write, declare, start } = await setUp(t)
  await declare({ billing: billing(path) })
  const { call, app: running, logs } = await start()
  await eventually(async () => (await call('GET', '/integrations/billing')).status === 200)
  await write('valetkey.yaml', 'callers: [{}]\nissuers: 1\n')
  await running.reload()
  t.match(logs(), 'the configuration file is wrong, and the old one stays')
  t.equal((await call('GET', '/tokens/billing')).status, 200)
  const other = await setUp(t)
  await other.write('valetkey.yaml', 'callers: [{}]\nissuers: 1\n')
  const error = await other.start().catch((thrown: unknown) => thrown)
  t.match((error as ConfigError).mistakes, [/^line 1/, /^line 1/, /^line 1/, /^line 2/])
})

t.test(
  'a process reads the file again on SIGHUP, and when a file that it names changes',
  async (t) => {
    const { path, declare, write } = await setUp(t)
    await declare({ billing: billing(path) })
    const broker = await startBrokerProcess(t, {
      adminKey: newAdminKey(),
      env: {
        VALETKEY_DATA_DIR: path('data'),
        VALETKEY_CONFIG: path('valetkey.yaml'),
        VALETKEY_LOGIN_HOSTS: myDomain,
      },
    })
    await eventually(async () => (await broker.call('GET', '/integrations/billing')).status === 200)
    await declare({ billing: billing(path, { description: 'by signal' }) })
    broker.child.kill('SIGHUP')
    await eventually(
      async () =>
        (await broker.call('GET', '/integrations/billing')).body.description === 'by signal',
    )
    const other = await newSigningKey()
    await write('one.key', other.privateKey)
    await write('one.crt', other.certificate)
    await eventually(
      async () =>
        (await broker.call('GET', '/integrations/billing/credentials')).body.items.length === 2,
    )
  },
)

t.test('serve_tokens: false holds for what the file declares, too', async (t) => {
  const { path, declare, start } = await setUp(t)
  const borrowed = { credential: { from: 'billing' } }
  const lake = { login_url: myDomain, grant: { type: 'data_cloud', integration: 'billing' } }
  await declare({ billing: billing(path), twin: billing(path, borrowed), lake })
  const { call, audit, app: broker } = await start()
  const token = (name: string) => call('GET', `/tokens/${name}`)
  t.ok(await eventually(async () => (await token('twin')).status === 200))
  const lent = { action: 'credential.lent', principal: null, integration: 'billing' }
  t.match(
    audit().filter(({ action }) => action === 'credential.lent'),
    [{ ...lent, detail: { to: 'twin' } }],
  )
  const inside = billing(path, { serve_tokens: false })
  await declare({ billing: inside, twin: billing(path, borrowed), lake })
  await broker.reload()
  for (const name of ['billing', 'twin', 'lake']) t.not((await token(name)).status, 200, name)
  for (const name of ['twin', 'lake']) {
    t.match((await call('GET', `/integrations/${name}`)).body, { enabled: false }, name)
  }
  await declare({ billing: inside, twin: billing(path, { ...borrowed, serve_tokens: false }) })
  await broker.reload()
  t.match((await call('GET', '/integrations/twin')).body, { enabled: true, serve_tokens: false })
})
