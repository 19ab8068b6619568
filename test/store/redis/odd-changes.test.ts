import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { Secret } from '../../../src/crypto/secret.ts'
import { createRedisStore } from '../../../src/store/redis/redis-store.ts'
import { startRedis } from '../../support/redis.ts'

async function open(t: Test) {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const store = await createRedisStore({
    connection: { url: new Secret(redis.url) },
    onEvent: () => undefined,
  })
  t.teardown(() => store.close())
  const tail = await store.changes.tail()
  const client = new Redis(redis.port, '127.0.0.1')
  t.teardown(() => client.disconnect())
  const add = async (...fields: readonly (string | number)[]) => {
    const seq = await client.hincrby('vk:{vk}:meta', 'seq', 1)
    await client.xadd('vk:{vk}:chg', '*', 'seq', seq, ...fields)
  }
  return { store, tail, add }
}

t.test('a list of principals that is none stops no reader', async (t) => {
  const { store, tail, add } = await open(t)
  const given = ['type', 'given', 'token', 'T', 'name', 'a', 'minted', 1, 'until', 2] as const
  for (const principals of ['[not json', '"me"', '[1,"me"]']) {
    await add(...given, 'principals', principals)
  }
  await store.changes.announce({ type: 'look', tokenId: 'T', verdict: 'live' })
  const { entries, gap } = await store.changes.read(tail)
  t.equal(gap, false)
  const told = { type: 'given', integration: 'a', tokenId: 'T', mintedAt: 1, until: 2 }
  t.same(entries, [
    { ...told, principals: [] },
    { ...told, principals: [] },
    { ...told, principals: ['me'] },
    { type: 'look', tokenId: 'T', verdict: 'live' },
  ])
})

t.test('an entry of another form is a gap, and the reader goes on', async (t) => {
  const { store, tail, add } = await open(t)
  const look = { type: 'look', tokenId: 'T', verdict: 'live' } as const
  for (const fields of [
    ['type', 'integration', 'name', 'a', 'rev', 'seventh'],
    ['type', 'given', 'token', 'T'],
    ['type', 'of a newer release'],
  ]) {
    await add(...fields)
  }
  await store.changes.announce(look)
  const { entries, gap, cursor } = await store.changes.read(tail)
  t.same(entries, [look])
  t.equal(gap, true)
  await store.changes.announce(look)
  t.match(await store.changes.read(cursor), { entries: [look], gap: false })
  const newest = await store.changes.tail()
  await add('type', 'of a newer release')
  t.match(await store.changes.read(newest), { entries: [], gap: false })
})
