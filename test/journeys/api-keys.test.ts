import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import t from 'tap'
import { generateApiKey, idOfApiKey } from '../../src/callers/api-key.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, startBroker, startBrokerProcess } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'
import { monitorLines } from '../support/redis-monitor.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

const DAY_MS = 86_400_000
const everything = { permissions: ['tokens:read'], integrations: ['*'] }

t.test('a key is made, shown once, used, listed without itself, and revoked', async (t) => {
  const { call, logs, audit } = await startBroker(t, { loginHosts: [] })
  const made = await call('POST', '/api-keys', {
    body: {
      name: 'billing',
      permissions: ['tokens:read', 'integrations:read'],
      integrations: ['billing-*'],
      labels: { tier: '1' },
    },
  })
  t.equal(made.status, 201)
  t.equal(made.headers.get('cache-control'), 'no-store')
  const { key, ...shown } = made.body
  t.match(key, /^vk_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}$/)
  t.equal(idOfApiKey(key), shown.id)
  t.match(shown, {
    name: 'billing',
    permissions: ['tokens:read', 'integrations:read'],
    integrations: ['billing-*'],
    labels: { tier: '1' },
    created_by: 'admin',
  })
  const life = Date.parse(shown.expires_at) - Date.parse(shown.created_at)
  t.equal(life, 365 * DAY_MS, 'a year, where nothing else is said')

  const who = await call('GET', '/whoami', { key })
  t.same(who.body, {
    principal: 'api-key:billing',
    kind: 'api_key',
    name: 'billing',
    permissions: [
      { permission: 'tokens:read', integrations: ['billing-*'], labels: { tier: '1' } },
      { permission: 'integrations:read', integrations: ['billing-*'], labels: { tier: '1' } },
    ],
  })
  t.equal((await call('GET', '/tokens/crm', { key })).status, 403)
  t.equal((await call('GET', '/api-keys', { key })).status, 403)
  t.equal(
    (await call('POST', '/api-keys', { key, body: { name: 'x', ...everything } })).status,
    403,
  )

  const list = await call('GET', '/api-keys')
  t.same(list.body, { items: [shown], next_cursor: null })
  t.notMatch(JSON.stringify(list.body), key.slice(12, 50))

  t.equal((await call('DELETE', `/api-keys/${shown.id}`)).status, 204)
  t.match(await call('GET', '/whoami', { key }), {
    status: 401,
    body: { code: 'caller_unauthenticated' },
  })
  t.match(await call('DELETE', `/api-keys/${shown.id}`), {
    status: 404,
    body: { code: 'api_key_not_found' },
  })
  t.same((await call('GET', '/api-keys')).body.items, [])
  t.notMatch(logs(), key.slice(12), 'the secret is in no line of the log')
  await eventually(() => audit().some(({ action }) => action === 'api_key.revoked'))
  const events = audit().filter(({ action }) => action.startsWith('api_key.'))
  t.match(events, [
    { action: 'api_key.created', principal: 'admin', detail: { api_key: shown.id } },
    { action: 'api_key.revoked', principal: 'admin', detail: { api_key: shown.id } },
  ])
  t.notMatch(JSON.stringify(audit()), key.slice(12))
})

t.test('a maker grants nothing that it has not', async (t) => {
  const { call } = await startBroker(t, { loginHosts: [] })
  const make = (key: string | undefined, body: object) =>
    call('POST', '/api-keys', { body, ...(key !== undefined && { key }) })
  const { body: maker } = await make(undefined, {
    name: 'maker',
    permissions: ['api-keys:write', 'tokens:read'],
    integrations: ['dev-*'],
    labels: { environment: 'test' },
  })
  const asked = {
    name: 'child',
    permissions: ['tokens:read'],
    integrations: ['dev-1'],
    labels: { environment: 'test' },
  }
  const wrong = {
    'another permission': { permissions: ['tokens:read', 'tokens:revoke'] },
    'all integrations': { integrations: ['*'] },
    'one more integration': { integrations: ['dev-1', 'prod-1'] },
    'a wider glob': { integrations: ['dev*'] },
    'no labels': { labels: {} },
    'other labels': { labels: { environment: 'production' } },
  }
  for (const [name, change] of Object.entries(wrong)) {
    t.match(
      await make(maker.key, { ...asked, ...change }),
      { status: 403, body: { code: 'caller_forbidden' } },
      name,
    )
  }
  const child = await make(maker.key, asked)
  t.match(child, { status: 201, body: { created_by: 'api-key:maker' } })
  t.equal(
    (await make(maker.key, { ...asked, name: 'own', permissions: ['api-keys:write'] })).status,
    201,
  )

  const { body: other } = await make(undefined, { name: 'other', ...everything })
  const seen = await call('GET', '/api-keys', { key: maker.key })
  t.same(
    new Set(seen.body.items.map(({ name }: { name: string }) => name)),
    new Set(['maker', 'child', 'own']),
    'it sees what it may revoke',
  )
  const forbidden = await call('DELETE', `/api-keys/${other.id}`, { key: maker.key })
  const nowhere = await call('DELETE', '/api-keys/00000000', { key: maker.key })
  t.equal(forbidden.status, 403)
  t.same(
    { ...nowhere.body, request_id: '', instance: '' },
    { ...forbidden.body, request_id: '', instance: '' },
    'which ids there are, it does not learn',
  )
  t.equal((await call('DELETE', `/api-keys/${child.body.id}`, { key: maker.key })).status, 204)
})

t.test('a key ends when it says, and its name is free again', async (t) => {
  let ahead = 0
  const now = () => Date.now() + ahead
  const { call } = await startBroker(t, { loginHosts: [], now })
  const expires_at = new Date(now() + 60_000).toISOString()
  const { body } = await call('POST', '/api-keys', {
    body: { name: 'short', ...everything, expires_at },
  })
  t.equal(body.expires_at, expires_at)
  t.equal((await call('GET', '/whoami', { key: body.key })).status, 200)
  t.match(await call('POST', '/api-keys', { body: { name: 'short', ...everything } }), {
    status: 409,
    body: { code: 'conflict' },
  })
  ahead += 60_000
  t.equal((await call('GET', '/whoami', { key: body.key })).status, 401)
  const again = await call('POST', '/api-keys', { body: { name: 'short', ...everything } })
  t.equal(again.status, 201)
  t.equal((await call('GET', '/api-keys')).body.items.length, 2, 'the expired one is still shown')
  t.equal((await call('DELETE', `/api-keys/${body.id}`)).status, 204)
  t.equal(
    (await call('POST', '/api-keys', { body: { name: 'short', ...everything } })).status,
    409,
    "the name is not the removed one's any more",
  )
})

t.test('what is asked for is checked', async (t) => {
  const { call } = await startBroker(t, { loginHosts: [] })
  const good = { name: 'good', ...everything }
  const bad = {
    'no name': { name: undefined },
    'a name with capitals': { name: 'Good' },
    'no permissions': { permissions: [] },
    'an unknown permission': { permissions: ['tokens:write'] },
    'no integrations': { integrations: [] },
    'a glob that is none': { integrations: ['billing?'] },
    'an end in the past': { expires_at: '2020-01-01T00:00:00Z' },
    'an end that is no time': { expires_at: 'tomorrow' },
    'no end at all': { expires_at: null },
    'an unknown member': { admin: true },
    'a key of its own': { key: 'vk_x' },
  }
  for (const [name, change] of Object.entries(bad)) {
    const answer = await call('POST', '/api-keys', { body: { ...good, ...change } })
    t.match(answer, { status: 400, body: { code: 'request_invalid' } }, name)
  }
  t.match(await call('GET', '/api-keys?cursor=x'), { status: 400 })
  t.match(await call('DELETE', '/api-keys/no-id'), { status: 400 })
  t.equal((await call('GET', '/api-keys')).body.items.length, 0)
})

t.test('lists come in pages', async (t) => {
  const { call } = await startBroker(t, { loginHosts: [] })
  const ids: string[] = []
  for (let at = 0; at < 7; at += 1) {
    const { body } = await call('POST', '/api-keys', { body: { name: `key-${at}`, ...everything } })
    ids.push(body.id)
  }
  const found: string[] = []
  let cursor: string | null = ''
  let pages = 0
  while (cursor !== null) {
    const more: string = cursor === '' ? '' : `&cursor=${cursor}`
    const { body } = await call('GET', `/api-keys?limit=3${more}`)
    found.push(...body.items.map(({ id }: { id: string }) => id))
    cursor = body.next_cursor
    pages += 1
  }
  t.equal(pages, 3)
  t.same(found, ids.sort())
})

t.test(
  'an unknown key, a wrong one and a malformed one are refused in the same words',
  async (t) => {
    const { call } = await startBroker(t, { loginHosts: [] })
    const { body } = await call('POST', '/api-keys', { body: { name: 'real', ...everything } })
    // The id of a key that exists, with another secret.
    let forged = generateApiKey(randomBytes).key.reveal()
    const head = `vk_${body.id}_${forged.slice(12, 55)}`
    let rest = crc32(head)
    let sum = ''
    for (let at = 0; at < 6; at += 1) {
      sum = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'[rest % 62] + sum
      rest = Math.floor(rest / 62)
    }
    forged = head + sum
    t.equal(idOfApiKey(forged), body.id)
    const answers = []
    for (const key of [
      forged,
      generateApiKey(randomBytes).key.reveal(),
      `${body.key.slice(0, -1)}_`,
      'vk_',
      'x',
    ]) {
      const { status, headers, body } = await call('GET', '/whoami', { key })
      answers.push({
        status,
        authenticate: headers.get('www-authenticate'),
        ...body,
        request_id: '',
      })
    }
    t.equal(answers[0]?.status, 401)
    for (const answer of answers) t.same(answer, answers[0])
  },
)

t.test('a key that one replica revokes is refused by the other within a second', async (t) => {
  const adminKey = newAdminKey()
  const env = {
    VALETKEY_REDIS_URL: redis.url,
    VALETKEY_REDIS_PREFIX: 'replicas:',
    VALETKEY_KEYRING: generateKeyring(Date.now()).reveal(),
  }
  const one = await startBrokerProcess(t, { env, adminKey })
  const two = await startBrokerProcess(t, { env, adminKey })
  const delays: number[] = []
  for (let round = 0; round < 5; round += 1) {
    const { body } = await one.call('POST', '/api-keys', {
      body: { name: `r-${round}`, ...everything },
    })
    const use = async (replica: typeof one) =>
      (await replica.call('GET', '/whoami', { key: body.key })).status
    t.equal(await use(two), 200, 'it works on the other replica at once')
    t.equal(await use(one), 200)
    t.equal((await one.call('DELETE', `/api-keys/${body.id}`)).status, 204)
    const revokedAt = performance.now()
    t.equal(await use(one), 401, 'at once, where it was revoked')
    await eventually(async () => (await use(two)) === 401)
    delays.push(performance.now() - revokedAt)
    t.equal(await use(two), 401, 'and it stays refused')
  }
  t.comment(`refused by the other replica after ${delays.map(Math.round).join(', ')} ms`)
  t.ok(Math.min(...delays) < 1_000)
})

t.test('two who want one name at once do not both get it', async (t) => {
  const env = {
    redisUrl: redis.url,
    redisPrefix: 'names:',
    keyring: generateKeyring(Date.now()).reveal(),
    adminKey: newAdminKey(),
    loginHosts: [],
  }
  const one = await startBroker(t, env)
  const two = await startBroker(t, env)
  const answers = await Promise.all(
    [one, two, one, two].map(({ call }) =>
      call('POST', '/api-keys', { body: { name: 'same', ...everything } }),
    ),
  )
  t.same(answers.map(({ status }) => status).sort(), [201, 409, 409, 409])
})

t.test(
  'without the store a key that was used goes on, and an unknown one is told to wait',
  async (t) => {
    const server = await startRedis()
    t.teardown(() => server.stop())
    const { call } = await startBroker(t, { loginHosts: [], redisUrl: server.url })
    const { body } = await call('POST', '/api-keys', { body: { name: 'used', ...everything } })
    t.equal((await call('GET', '/whoami', { key: body.key })).status, 200)
    await server.kill('SIGKILL')
    await eventually(async () => {
      const { body } = await call('GET', '/readyz')
      return body.checks.some(
        ({ name, ok }: { name: string; ok: boolean }) => name === 'store' && !ok,
      )
    })
    t.equal((await call('GET', '/whoami', { key: body.key })).status, 200)
    t.match(await call('GET', '/whoami', { key: generateApiKey(randomBytes).key.reveal() }), {
      status: 503,
      body: { code: 'store_unavailable' },
    })
    t.match(await call('POST', '/api-keys', { body: { name: 'new', ...everything } }), {
      status: 503,
    })
    t.equal((await call('GET', '/whoami')).status, 200, 'the admin key needs no store')
  },
)

t.test('unknown keys from an address that is blocked cost the store nothing', async (t) => {
  const broker = await startBroker(t, {
    ...{ loginHosts: [], redisUrl: redis.url, redisPrefix: 'blocked:' },
    env: { VALETKEY_TRUST_PROXY: '127.0.0.1' },
  })
  const { body: made } = await broker.call('POST', '/api-keys', {
    body: { name: 'neighbour', ...everything },
  })
  const from = (key: string, address = '198.51.100.7') =>
    broker.call('GET', '/whoami', { key, headers: { 'x-forwarded-for': address } })
  const unknown = () => generateApiKey(randomBytes).key.reveal()
  const commands = await monitorLines(t, redis.port)
  let status = 0
  for (let attempt = 0; attempt < 30 && status !== 429; attempt += 1) {
    status = (await from(unknown())).status
  }
  t.equal(status, 429)
  t.equal((await from(unknown())).status, 429)
  // The work in the background has other commands: it reads whole kinds of documents by another script.
  const ofHits = async () =>
    (await commands()).filter((line) =>
      /\] "hmget" "[^"]*:d:api-key:|\] "evalsha" .*:document-ends:api-key"|:auth:/.test(line),
    )
  const before = await ofHits()
  for (const kind of ['"hmget"', ':document-ends:api-key"', ':auth:198.51.100.7"']) {
    t.ok(
      before.some((line) => line.includes(kind)),
      `until then, attempts cost ${kind}`,
    )
  }
  for (let attempt = 0; attempt < 100; attempt += 1) {
    t.equal((await from(unknown())).status, 429)
  }
  t.same(await ofHits(), before)
  t.equal(
    (await from(made.key)).status,
    200,
    'a caller behind the same address is still looked for',
  )
  t.equal((await from(unknown(), '198.51.100.8')).status, 401, 'and others are as they were')
})
