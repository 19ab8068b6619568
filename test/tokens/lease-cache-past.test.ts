import t from 'tap'
import type { Look } from '../../src/store/store.ts'
import { createLeaseCache } from '../../src/tokens/lease-cache.ts'

const look = (rev: number): Look => ({
  integration: {
    name: 'a',
    uid: 'u',
    version: 1,
    rev,
    orev: 0,
    digests: [],
    definition: '{"schema":1}',
  },
  outcome: {},
  now: 0,
})

function heardCache() {
  let epoch = 1
  let time = 1_000
  let heardAt = time
  const monotonic = () => time
  const hearing = {
    isHearing: () => true,
    epoch: () => epoch,
    silentForMs: () => time - heardAt,
  }
  const open = () => Promise.reject(new Error('There is no lease'))
  const cache = createLeaseCache({ hearing, open, now: () => 0, monotonic })
  return {
    cache,
    pass(ms: number) {
      time += ms
    },
    hear() {
      heardAt = time
    },
    gap() {
      epoch += 1
      cache.distrust()
    },
  }
}

t.test('keeps nothing older than what it holds', async (t) => {
  const { cache } = heardCache()
  const ticket = cache.begin()
  await cache.fill(ticket, look(9))
  await cache.fill(ticket, look(3))
  t.equal(cache.trusted('a')?.rev, 9)
})

t.test('trusts a store that went back in time again, once it was read anew', async (t) => {
  const { cache, gap } = heardCache()
  await cache.fill(cache.begin(), look(9))
  gap()
  t.equal(cache.trusted('a'), undefined)
  await cache.fill(cache.begin(), look(3))
  t.equal(cache.trusted('a')?.rev, 3, 'or every request would read the store until it caught up')
})

t.test('counts the silence of each entry from the last word on it', async (t) => {
  const { cache, gap, hear, pass } = heardCache()
  t.equal(cache.silentForMs('a'), Number.POSITIVE_INFINITY)
  await cache.fill(cache.begin(), look(1))
  pass(300)
  t.equal(cache.silentForMs('a'), 300, 'it was read')
  hear()
  pass(200)
  t.equal(cache.silentForMs('a'), 200, 'no news of it was heard')
  gap()
  pass(5_000)
  gap()
  hear()
  t.equal(cache.silentForMs('a'), 5_200, 'news of it may have been missed')
  await cache.fill(cache.begin(), look(1))
  pass(50)
  t.equal(cache.silentForMs('a'), 50, 'it was read anew')
})
