import t from 'tap'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, startBroker } from '../support/broker.ts'
import type { Answer, Call } from '../support/caller.ts'
import { eventually } from '../support/eventually.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startRedis } from '../support/redis.ts'

const DAY_MS = 86_400_000
const MAKING = ['api-keys:write', 'tokens:read']

interface Made {
  readonly id: string
  readonly key: string
  readonly expires_at: string
}

const limited = { permissions: MAKING, integrations: ['dev-*'] }

function makerOf(call: Call) {
  const ask = (name: string, key?: string, more: object = {}) =>
    call('POST', '/api-keys', {
      body: { name, ...limited, ...more },
      ...(key !== undefined && { key }),
    })
  const make = async (name: string, key?: string, more: object = {}): Promise<Made> => {
    const { status, body } = await ask(name, key, more)
    if (status !== 201) throw new Error(JSON.stringify(body))
    return body
  }
  const names = async (): Promise<readonly string[]> =>
    (await call('GET', '/api-keys?limit=200')).body.items
      .map(({ name }: { name: string }) => name)
      .sort()
  return { ask, make, names }
}

t.test('a key ends no later than the key that it was made with', async (t) => {
  const { call } = await startBroker(t, { loginHosts: [] })
  const { ask, make } = makerOf(call)
  const inDays = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString()
  const root = await make('root', undefined, { expires_at: inDays(10) })
  t.equal((await make('default', root.key)).expires_at, root.expires_at)
  const sooner = inDays(1)
  const short = await make('short', root.key, { expires_at: sooner })
  t.equal(short.expires_at, sooner)
  t.equal((await make('same', root.key, { expires_at: root.expires_at })).id.length, 8)
  for (const [maker, end] of [
    [root, inDays(11)],
    [short, inDays(2)],
  ] as const) {
    const refused = await ask('longer', maker.key, { expires_at: end })
    t.match(refused, { status: 403, body: { code: 'caller_forbidden' } })
    t.match(refused.body.detail, maker.expires_at, 'it says until when')
  }
  t.match(await ask('endless', root.key, { expires_at: null }), { status: 400 })
  const long = await make('long', undefined, { expires_at: inDays(700) })
  t.ok(Date.parse(long.expires_at) > Date.now() + 699 * DAY_MS, 'what does not end may')
  const year = Date.parse((await make('year', long.key)).expires_at)
  t.ok(year < Date.now() + 366 * DAY_MS, 'by default, a year')
})

t.test('keys show what they were made with, and go with it where that is asked', async (t) => {
  const { call, audit } = await startBroker(t, { loginHosts: [] })
  const { make, names } = makerOf(call)
  const root = await make('root')
  const other = await make('other')
  const child = await make('child', root.key)
  await make('sibling', root.key, { permissions: ['tokens:read'] })
  const grandchild = await make('grandchild', child.key)
  await make('stranger', other.key)
  const items = (await call('GET', '/api-keys')).body.items
  const makers = Object.fromEntries(
    items.map((item: Record<string, string>) => [item.name, item.created_by_key]),
  )
  t.match(makers, { root: null, child: root.id, grandchild: child.id, stranger: other.id })

  t.equal((await call('DELETE', `/api-keys/${child.id}`)).status, 204)
  const use = async (key: string) => (await call('GET', '/whoami', { key })).status
  t.equal(await use(grandchild.key), 200, 'what it made stays')
  t.same(await names(), ['grandchild', 'other', 'root', 'sibling', 'stranger'])

  const again = `/api-keys/${child.id}?with=children`
  t.equal((await call('DELETE', again, { key: other.key })).status, 204, 'also when it is gone')
  t.equal(await use(grandchild.key), 401)
  t.match(await call('DELETE', again), { status: 404, body: { code: 'api_key_not_found' } })
  t.match(await call('DELETE', again, { key: other.key }), { status: 403 }, 'to those who may know')

  const second = await make('second', root.key)
  await make('third', (await make('child', second.key)).key)
  t.match(await call('DELETE', `/api-keys/${root.id}?with=parents`), { status: 400 })
  t.equal((await call('DELETE', `/api-keys/${root.id}?with=children`)).status, 204)
  t.same(await names(), ['other', 'stranger'])
  const revoked = () => audit().filter(({ action }) => action === 'api_key.revoked')
  await eventually(() => revoked().length === 7)
  t.equal(new Set(revoked().map(({ detail }) => detail?.api_key)).size, 7, 'each has its line')
})

t.test('a key between that is gone already hides nothing that was made with it', async (t) => {
  const { call } = await startBroker(t, { loginHosts: [] })
  const { make, names } = makerOf(call)
  const stolen = await make('stolen')
  const between = await make('between', stolen.key)
  const next = await make('next', between.key)
  const hidden = await make('hidden', next.key)
  await make('stranger')
  for (const { id } of [between, next]) {
    t.equal((await call('DELETE', `/api-keys/${id}`, { key: hidden.key })).status, 204)
  }
  t.equal((await call('DELETE', `/api-keys/${stolen.id}?with=children`)).status, 204)
  t.same(await names(), ['stranger'])
  t.equal((await call('GET', '/whoami', { key: hidden.key })).status, 401)
})

t.test('keys that are made of each other are so many in a row, and no more', async (t) => {
  const { call } = await startBroker(t, { loginHosts: [] })
  const { ask, make, names } = makerOf(call)
  const root = await make('root')
  let last = root
  for (let depth = 1; depth <= 31; depth += 1) last = await make(`depth-${depth}`, last.key)
  const refused = await ask('too-deep', last.key)
  t.match(refused, { status: 403, body: { code: 'caller_forbidden', detail: /32/ } })
  t.equal((await call('DELETE', `/api-keys/${root.id}?with=children`)).status, 204)
  t.same(await names(), [])
})

t.test('a key that is being made while its maker is revoked is not there in the end', async (t) => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const proxy = await startFaultProxy(redis.port)
  t.teardown(() => proxy.close())
  const fleet = { adminKey: newAdminKey(), keyring: generateKeyring(Date.now()).reveal() }
  const one = await startBroker(t, { ...fleet, loginHosts: [], redisUrl: proxy.url })
  const other = await startBroker(t, { ...fleet, loginHosts: [], redisUrl: redis.url })
  const { make, names } = makerOf(other.call)
  for (const text of ['api-key-name', 'createdBy']) {
    const root = await make('root')
    t.equal((await one.call('GET', '/whoami', { key: root.key })).status, 200)
    proxy.stallAt(text)
    const asked: Promise<Answer> = makerOf(one.call).ask('child', root.key)
    await eventually(() => proxy.holds(text))
    const { status } = await other.call('DELETE', `/api-keys/${root.id}?with=children`)
    proxy.set('pass')
    t.equal(status, 204)
    t.match(await asked, { status: 401, body: { code: 'caller_unauthenticated' } })
    t.same(await names(), [])
  }
})

t.test('a name that is taken tells nobody of a key that they may not see', async (t) => {
  const { call } = await startBroker(t, { loginHosts: [] })
  const { ask, make } = makerOf(call)
  const hidden = await make('prod-payments', undefined, { integrations: ['prod-*'] })
  const maker = await make('maker')
  const rival = await make('rival')
  const taken = await ask('prod-payments', maker.key)
  const free = await ask('prod-nothing', maker.key)
  t.equal(taken.status, 201)
  t.equal(free.status, 201)
  const who = async ({ key }: Made) => (await call('GET', '/whoami', { key })).body
  t.equal((await who(hidden)).principal, 'api-key:prod-payments')
  t.equal((await who(taken.body)).principal, `api-key:prod-payments#${taken.body.id}`)
  t.equal((await who(taken.body)).name, 'prod-payments')
  t.equal((await ask('prod-payments', rival.key)).status, 201, 'nor of one of another maker')
  t.match(await ask('prod-payments', maker.key), { status: 409, body: { code: 'conflict' } })
  t.match(await ask('prod-payments'), { status: 409 }, 'whoever sees every key is told')
  t.equal((await call('DELETE', `/api-keys/${taken.body.id}`)).status, 204)
  t.equal((await ask('prod-payments', maker.key)).status, 201, 'and the name is free again')
  t.match(await ask('prod-payments'), { status: 409 })
})

t.test('the service is managed by whoever may manage all of it', async (t) => {
  const { call } = await startBroker(t, { loginHosts: [] })
  const { make } = makerOf(call)
  const of = { permissions: ['service:manage'] }
  const { key } = await make('part', undefined, { ...of, integrations: ['dev-*', 'prod-*'] })
  const byLabels = await make('labelled', undefined, {
    ...{ ...of, integrations: ['*'], labels: { team: 'a' } },
  })
  const all = await make('all', undefined, { ...of, integrations: ['dev-*', '*'] })
  for (const [method, path] of [
    ['GET', '/keyring'],
    ['POST', '/keyring/reseal'],
    ['POST', '/store/accept'],
  ] as const) {
    for (const part of [key, byLabels.key]) {
      t.match(await call(method, path, { key: part }), { status: 403 }, `${method} ${path}`)
    }
    t.ok((await call(method, path, { key: all.key })).status < 300, `${method} ${path}`)
  }
})
