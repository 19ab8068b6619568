import { randomUUID } from 'node:crypto'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, startBroker, type TestBroker } from '../support/broker.ts'
import type { Answer } from '../support/caller.ts'
import { eventually } from '../support/eventually.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { openRaw } from '../support/raw-http.ts'
import { startRedis } from '../support/redis.ts'
import { newSigningKey } from '../support/signing-key.ts'

const ANY = { 'if-match': '*' }
const LABELS = { team: 'a' }

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const redis = await startRedis()
t.teardown(() => redis.stop())
const proxy = await startFaultProxy(redis.port)
t.teardown(() => proxy.close())

const fleet = {
  ...{ redisPrefix: 'races:', adminKey: newAdminKey() },
  keyring: generateKeyring(Date.now()).reveal(),
  loginHosts: [simulator.origins.myDomain],
}
/** What is asked of `one` is held back on its way to the store; `other` goes there directly. */
const one = await startBroker(t, { ...fleet, redisUrl: proxy.url })
const other = await startBroker(t, { ...fleet, redisUrl: redis.url })
const signing = await newSigningKey()

interface Target {
  readonly name: string
  readonly path: string
  readonly definition: object
  /** In every write of its record, and in no reading. */
  readonly uid: string
  /** Of a staged credential. */
  readonly staged: string
}

async function expect(status: number, asked: Promise<Answer>): Promise<Answer> {
  const answer = await asked
  if (answer.status !== status) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`)
  return answer
}

async function makeTarget(isConnected: boolean): Promise<Target> {
  const name = `race-${randomUUID().slice(0, 8)}`
  const path = `/integrations/${name}`
  const { clientId, username, loginUrl } = simulator.addJwtApp({
    certificatePem: signing.certificate,
  })
  const connected = simulator.addRefreshTokenApp({ deviceFlow: true })
  const definition = isConnected
    ? {
        login_url: loginUrl,
        grant: { type: 'refresh_token', client_id: connected.clientId },
        credential: { client_secret: connected.clientSecret },
        labels: LABELS,
      }
    : {
        login_url: loginUrl,
        grant: { type: 'jwt_bearer', client_id: clientId, username },
        credential: { private_key: signing.privateKey, certificate: signing.certificate },
        labels: LABELS,
      }
  const put = await expect(201, other.call('PUT', path, { body: definition }))
  const [uid = ''] = put.headers.get('etag')?.slice(1).split('.') ?? []
  const staged = isConnected
    ? ''
    : (await expect(201, other.call('POST', `${path}/credentials`, { body: { generate: {} } })))
        .body.id
  return { name, path, definition, uid, staged }
}

async function makeKey(): Promise<{ readonly id: string; readonly key: string }> {
  const permissions = [
    'integrations:write',
    'credentials:write',
    'integrations:read',
    'api-keys:write',
  ]
  const body = { name: `key-${randomUUID()}`, permissions, integrations: ['*'], labels: LABELS }
  return (await expect(201, other.call('POST', '/api-keys', { body }))).body
}

interface Change {
  readonly what: string
  readonly isConnected?: boolean
  /** Whether another change of the record makes it try again. */
  readonly isRepeated?: boolean
  ask(broker: TestBroker, target: Target, key: string): Promise<Answer>
}

const CHANGES: readonly Change[] = [
  {
    what: 'PUT with a key that is generated',
    isRepeated: true,
    ask: ({ call }, { path, definition }, key) =>
      call('PUT', path, {
        ...{ key, headers: ANY },
        body: { ...definition, credential: { generate: {} }, description: 'raced' },
      }),
  },
  {
    what: 'PATCH',
    ask: ({ call }, { path }, key) =>
      call('PATCH', path, { key, headers: ANY, body: { description: 'raced' } }),
  },
  {
    what: 'DELETE',
    isRepeated: true,
    ask: ({ call }, { path }, key) => call('DELETE', path, { key, headers: ANY }),
  },
  {
    what: 'POST …/credentials',
    isRepeated: true,
    ask: ({ call }, { path }, key) =>
      call('POST', `${path}/credentials`, { key, body: { csr: { common_name: 'raced' } } }),
  },
  {
    what: 'DELETE …/credentials/{id}',
    isRepeated: true,
    ask: ({ call }, { path, staged }, key) =>
      call('DELETE', `${path}/credentials/${staged}`, { key }),
  },
  {
    what: 'POST …/activate',
    ask: ({ call }, { path, staged }, key) =>
      call('POST', `${path}/credentials/${staged}/activate`, { key, body: { prove: false } }),
  },
  {
    what: 'POST …/connections',
    isConnected: true,
    ask: ({ call }, { path }, key) =>
      call('POST', `${path}/connections`, { key, body: { flow: 'device' } }),
  },
  {
    what: 'DELETE …/connection',
    isConnected: true,
    ask: ({ call }, { path }, key) => call('DELETE', `${path}/connection`, { key }),
  },
]

/** What is written in the store of the integration. */
async function stateOf({ path }: Target) {
  const [integration, credentials] = await Promise.all([
    other.call('GET', path),
    other.call('GET', `${path}/credentials`),
  ])
  const states = credentials.body.items?.map(({ id, state }: Record<string, string>) => [id, state])
  return { status: integration.status, etag: integration.headers.get('etag'), states }
}

async function holding(
  text: string,
  asked: () => Promise<Answer>,
  meanwhile: () => Promise<unknown>,
) {
  proxy.stallAt(text)
  const answer = asked()
  try {
    await eventually(() => proxy.holds(text))
    await meanwhile()
  } finally {
    proxy.set('pass')
  }
  return answer
}

for (const { what, isConnected = false, isRepeated, ask } of CHANGES) {
  t.test(`${what}: a key that is revoked while it is pending changes nothing`, async (t) => {
    const target = await makeTarget(isConnected)
    const { id, key } = await makeKey()
    await expect(200, one.call('GET', target.path, { key }))
    const before = await stateOf(target)
    const { status, body } = await holding(
      target.name,
      () => ask(one, target, key),
      () => expect(204, other.call('DELETE', `/api-keys/${id}`)),
    )
    t.match({ status, body }, { status: 401, body: { code: 'caller_unauthenticated' } })
    t.same(await stateOf(target), before)
  })

  if (!isRepeated) continue
  t.test(`${what}: what is labelled out of reach meanwhile stays as it is`, async (t) => {
    const target = await makeTarget(isConnected)
    const { key } = await makeKey()
    let after: unknown
    const { status, body } = await holding(
      target.uid,
      () => ask(one, target, key),
      async () => {
        const relabelled = { headers: ANY, body: { labels: { team: 'b' } } }
        await expect(200, other.call('PATCH', target.path, relabelled))
        after = await stateOf(target)
      },
    )
    t.match({ status, body }, { status: 403, body: { code: 'caller_forbidden' } })
    t.same(await stateOf(target), after)
  })
}

t.test('a patch is laid over what its If-Match names, or over nothing', async (t) => {
  const target = await makeTarget(false)
  const { etag } = await stateOf(target)
  const next = `"${target.uid}.${Number(etag?.slice(1, -1).split('.')[1]) + 1}"`
  const patched = await holding(
    // The patch has been laid over what was read; now the record is read with its secrets.
    'secrets',
    () =>
      one.call('PATCH', target.path, {
        ...{ headers: { 'if-match': next }, body: { token_lifetime: 600 } },
      }),
    () =>
      expect(200, other.call('PATCH', target.path, { headers: ANY, body: { keep_warm: true } })),
  )
  t.match(patched, { status: 412, body: { code: 'integration_changed' } })
  t.match((await other.call('GET', target.path)).body, { keep_warm: true, token_lifetime: 900 })
})

t.test('a key that is revoked while the body is on its way changes nothing', async (t) => {
  const port = Number(new URL(one.url).port)
  const target = await makeTarget(false)
  const bodies: Readonly<Record<string, object>> = {
    [`PUT ${target.path}`]: { ...target.definition, description: 'raced' },
    [`PATCH ${target.path}`]: { description: 'raced' },
    [`POST ${target.path}/credentials`]: { csr: { common_name: 'raced' } },
    [`POST ${target.path}/credentials/${target.staged}/activate`]: { prove: false },
    'POST /api-keys': {
      ...{ name: `key-${randomUUID()}`, permissions: ['integrations:write'] },
      ...{ integrations: ['*'], labels: LABELS },
    },
  }
  const before = await stateOf(target)
  const keys = async () => (await other.call('GET', '/api-keys?limit=200')).body.items.length
  for (const [operation, content] of Object.entries(bodies)) {
    const { id, key } = await makeKey()
    await expect(200, one.call('GET', '/whoami', { key }))
    const body = JSON.stringify(content)
    const head = [
      `${operation} HTTP/1.1`,
      `host: 127.0.0.1:${port}`,
      `authorization: Bearer ${key}`,
      'content-type: application/json',
      'if-match: *',
      'expect: 100-continue',
      `content-length: ${Buffer.byteLength(body)}`,
    ]
    const connection = openRaw(port)
    connection.write(`${head.join('\r\n')}\r\n\r\n`)
    await connection.begun()
    await expect(204, one.call('DELETE', `/api-keys/${id}`))
    const count = await keys()
    connection.write(body)
    t.equal((await connection.answer())?.status, 401, operation)
    connection.destroy()
    t.equal(await keys(), count, operation)
    t.same(await stateOf(target), before, operation)
  }
})
