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
  const hearing = { isHearing: () => true, epoch: () => epoch }
  const open = () => Promise.reject(new Error('There is no lease'))
  const cache = createLeaseCache({ hearing, open, now: () => 0 })
  const gap = () => {
    epoch += 1
    cache.distrust()
  }
  return { cache, gap }
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
