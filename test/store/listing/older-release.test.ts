/** The listing index while replicas of an older release, which know nothing of it, write to the same Redis. */
import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { Secret } from '../../../src/crypto/secret.ts'
import { createKeys } from '../../../src/store/keys.ts'
import type { IndexEntry } from '../../../src/store/listing/listing-index.ts'
import { createRedisStore } from '../../../src/store/redis/redis-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { startRedis } from '../../support/redis.ts'
import { content, eventually } from '../../support/store-engines.ts'

const server = await startRedis()
t.teardown(() => server.stop())

/** Of the release before the index. */
const ANNOUNCE = `
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 'seq', seq, unpack(ARGV))
`

const NAMES = ['a', 'b', 'c']
const READY: IndexEntry = {
  ...{ groups: ['state/ready'], isSteady: true, turnsAt: null, certificateEndsAt: null },
}

async function keep({ listing }: Store) {
  await eventually(async () => {
    const { isWhole, items } = await listing.stale(100)
    await listing.put(items.map((item) => ({ ...item, entry: READY })))
    return items.length === 0 && (isWhole || (await listing.build()))
  })
}

const query = (groups: readonly string[]) => ({ groups, prefix: '', limit: 100 })

async function setUp(t: Test) {
  const prefix = `vk:${randomUUID()}:`
  const keys = createKeys(prefix)
  const store = await createRedisStore({
    ...{ connection: { url: new Secret(server.url) }, prefix, timeoutMs: 10_000 },
    onEvent: () => undefined,
  })
  const client = new Redis(server.url, { protocol: 2 })
  t.teardown(async () => {
    client.disconnect()
    await store.close()
  })
  for (const name of NAMES) await store.integrations.create(name, 'u', content())
  await keep(store)
  return {
    ...{ store, client, keys },
    /** As a replica of the former release does with each change. */
    announce: (...fields: string[]) => client.eval(ANNOUNCE, 2, keys.meta, keys.changes, ...fields),
    stale: async () => (await store.listing.select(query(['state/ready'])))?.stale,
  }
}

t.test('what an older release changes is marked by whoever looks next', async (t) => {
  const changes: readonly [string, readonly string[], readonly string[]][] = [
    ['a lease or a refusal', ['type', 'integration', 'name', 'a', 'rev', '9', 'newer', '1'], ['a']],
    ['a definition', ['type', 'integration', 'name', 'b', 'rev', '9'], ['b']],
    ['a connection', ['type', 'custody', 'name', 'a'], ['a']],
    ['an identity', ['type', 'document', 'kind', 'identity', 'id', 'c', 'version', '2'], ['c']],
    ['a dead token', ['type', 'dead', 'token', 'T', 'names', 'a c'], ['a', 'c']],
    ['an API key', ['type', 'document', 'kind', 'api-key', 'id', 'a', 'version', '1'], []],
    ['a look', ['type', 'look', 'token', 'T', 'verdict', 'live'], []],
  ]
  const { store, announce, stale } = await setUp(t)
  for (const [what, fields, names] of changes) {
    t.same(await stale(), [], `before ${what}`)
    await announce(...fields)
    t.same(await stale(), names, what)
    await keep(store)
  }
})

t.test('a change by this release after it does not hide it', async (t) => {
  const { store, announce, stale } = await setUp(t)
  await announce('type', 'integration', 'name', 'a', 'rev', '9', 'newer', '1')
  await store.integrations.change('b', { uid: 'u', version: 1 }, content())
  t.same(await stale(), ['a', 'b'])
})

t.test('what cannot be read again begins a rebuild', async (t) => {
  const tooMany = Array.from({ length: 1_001 }, () => ['type', 'login', 'target', 'x'])
  const stories: readonly [string, readonly (readonly string[])[], boolean][] = [
    ['a dead token of unnamed integrations', [['type', 'dead', 'token', 'T']], false],
    ['more changes than are looked at', tooMany, false],
    ['a stream that was trimmed', [['type', 'login', 'target', 'x']], true],
  ]
  for (const [what, changes, isTrimmed] of stories) {
    const { store, client, keys, announce, stale } = await setUp(t)
    for (const fields of changes) await announce(...fields)
    if (isTrimmed) await client.del(keys.changes)
    t.equal(await stale(), undefined, `${what}: it does not answer`)
    t.match(await store.listing.stale(9), { isWhole: false })
    await eventually(() => store.listing.build())
    t.same(await stale(), NAMES, `${what}: all are marked`)
  }
})

t.test('a store of an older release gets its index, also of what is gone', async (t) => {
  const { store, client, keys, announce, stale } = await setUp(t)
  // The older release ran alone for a while, and removed one.
  await client.hdel(keys.meta, 'listing_seq')
  await client.del(keys.integration('b'))
  await client.zrem(keys.integrations, 'b')
  await announce('type', 'integration', 'name', 'b', 'rev', '9')
  t.equal(await stale(), undefined)
  await eventually(() => store.listing.build())
  t.same((await store.listing.stale(9)).items.map(({ name }) => name).sort(), NAMES)
  const { items } = await store.listing.stale(9)
  await store.listing.put(
    items.map((item) => ({ ...item, entry: item.name === 'b' ? null : READY })),
  )
  t.match(await store.listing.select(query(['state/ready'])), { names: ['a', 'c'], stale: [] })
})

t.test('an entry in a foreign form is replaced', async (t) => {
  const { store, client, keys, stale } = await setUp(t)
  await client.hset(keys.listing('entries'), 'a', '+no groups')
  t.same(await store.listing.groupsOf(['a', 'b']), [[], ['state/ready']])
  await store.listing.mark(['a'])
  await keep(store)
  t.same(await store.listing.groupsOf(['a']), [['state/ready']])
  t.same(await stale(), [])
})
