import { Redis } from 'ioredis'
import t from 'tap'
import { Secret } from '../../../src/crypto/secret.ts'
import { createRedisStore } from '../../../src/store/redis/redis-store.ts'
import { startRedis } from '../../support/redis.ts'

t.test('an entry that another program wrote stops no reader', async (t) => {
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
  const given = ['type', 'given', 'token', 'T', 'name', 'a', 'minted', 1, 'until', 2] as const
  for (const principals of ['[not json', '"me"', '[1,"me"]']) {
    const seq = await client.hincrby('vk:{vk}:meta', 'seq', 1)
    await client.xadd('vk:{vk}:chg', '*', 'seq', seq, ...given, 'principals', principals)
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
