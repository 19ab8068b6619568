import t from 'tap'
import type { Look } from '../../src/store/store.ts'
import type { Lease } from '../../src/tokens/serve/lease.ts'
import { createLeaseCache, type LeaseCache } from '../../src/tokens/serve/lease-cache.ts'
import { definitionOf, leaseOf } from '../support/integrations.ts'

const look = (rev: number): Look => ({
  integration: {
    name: 'a',
    uid: 'u',
    version: 1,
    rev,
    orev: 0,
    digests: [],
    definition: definitionOf(),
  },
  outcome: {},
  now: 0,
})

function heardCache(
  open: (look: Look) => Promise<Lease> = () => Promise.reject(new Error('There is no lease')),
) {
  let epoch = 1
  let time = 1_000
  let heardAt = time
  const monotonic = () => time
  const stream = {
    isCurrent: () => true,
    epoch: () => epoch,
    silentForMs: () => time - heardAt,
  }
  const cache = createLeaseCache({
    ...{ stream, open, monotonic },
    ...{ isSlow: () => false, degradedMs: 900_000 },
  })
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

t.test('an answer that comes after later news takes nothing back', async (t) => {
  const { cache } = heardCache()
  cache.heard({ type: 'integration', name: 'a', rev: 6 })
  cache.heard({ type: 'integration', name: 'a', rev: 5 })
  t.equal(cache.floor('a'), 6)
  await cache.fill(cache.begin(), look(5))
  t.equal(cache.trusted('a'), undefined, 'what was read before the newest change')
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

t.test('knows what a lease changed that it saved itself, and nothing beyond that', async (t) => {
  const lease = { tokenId: 't', integration: 'a' } as Lease
  const read = async (cache: LeaseCache) => cache.fill(cache.begin(), look(3))
  const saved = { orev: 1, rev: 4 }
  const { cache } = heardCache()
  t.ok(cache.saved(await read(cache), lease, saved))
  t.match(cache.trusted('a'), { rev: 4, orev: 1, lease: { tokenId: 't' } })

  const changed = heardCache().cache
  t.notOk(
    changed.saved(await read(changed), lease, { orev: 1, rev: 5 }),
    'another change beside it',
  )
  t.equal(changed.trusted('a')?.lease, undefined)

  const past = heardCache()
  const entry = await read(past.cache)
  past.gap()
  t.notOk(past.cache.saved(entry, lease, saved), 'a gap since the read')
  t.equal(past.cache.trusted('a'), undefined)

  const later = heardCache().cache
  const former = await read(later)
  later.heard({ type: 'integration', name: 'a', rev: 5 })
  t.notOk(later.saved(former, lease, saved), 'a change that came after it')

  const dead = heardCache().cache
  const before = await read(dead)
  dead.heard({ type: 'dead', tokenId: 't' })
  t.notOk(dead.saved(before, lease, saved), 'a token that was revoked meanwhile')
})

t.test('what an older release says keeps nothing that it does not know to be good', async (t) => {
  const lease = { tokenId: 't', integration: 'a' } as Lease
  const held = async () => {
    const { cache } = heardCache()
    cache.saved(await cache.fill(cache.begin(), look(3)), lease, { orev: 1, rev: 4 })
    return cache
  }
  const newer = { type: 'integration', name: 'a', rev: 5, isNewer: true } as const
  const cache = await held()
  cache.heard(newer)
  t.equal(cache.trusted('a'), undefined)
  t.equal(cache.known('a')?.lease, lease, 'until what is newer was read')
  t.same([...cache.values()], [], 'it is not what there is')

  const withoutTheWord = await held()
  withoutTheWord.heard({ type: 'integration', name: 'a', rev: 5 })
  t.equal(withoutTheWord.known('a'), undefined)

  const withoutNames = await held()
  withoutNames.heard(newer)
  withoutNames.heard({ type: 'dead', tokenId: 'another' })
  t.equal(withoutNames.known('a'), undefined, 'it may have been of anybody')

  const ofOthers = await held()
  ofOthers.heard(newer)
  ofOthers.heard({ type: 'dead', tokenId: 'another', names: ['b'] })
  t.equal(ofOthers.known('a')?.lease, lease)

  const late = await held()
  late.heard({ type: 'integration', name: 'a', rev: 6, isNewer: true })
  t.equal(late.known('a'), undefined, 'what came in between was not heard yet')

  const behind = await held()
  behind.heard(newer)
  behind.heard({ type: 'integration', name: 'a', rev: 7, isNewer: true })
  behind.heard({ type: 'integration', name: 'a', rev: 6 })
  t.equal(behind.known('a'), undefined, 'what took it back was heard late')
})

t.test('hears that the life of a token is known where its end stays the same', async (t) => {
  const opened = [leaseOf({ learnBy: 15_000 }), leaseOf({ proof: 'live' })]
  const { cache } = heardCache(async () => opened.shift() ?? Promise.reject(new Error('again')))
  const withLease = (rev: number): Look => {
    const { integration, ...rest } = look(rev)
    const lease = { body: `sealed ${rev}`, digest: 'd', tokenId: 't', expiresAt: 2 }
    return { ...rest, integration: { ...integration, digests: ['d'] }, outcome: { lease } }
  }
  await cache.fill(cache.begin(), withLease(1))
  t.match(cache.trusted('a')?.lease, { learnBy: 15_000 })
  await cache.fill(cache.begin(), withLease(2))
  t.match(cache.trusted('a')?.lease, { proof: 'live', learnBy: undefined })
  await cache.fill(cache.begin(), withLease(3))
  t.match(cache.trusted('a')?.lease, { proof: 'live' }, 'and is not opened again')
})

t.test('an answer that lacks the newer lease alone serves a time without the store', async (t) => {
  const withLease = (rev: number): Look => ({
    ...look(rev),
    integration: { ...look(rev).integration, digests: ['d'] },
    outcome: { lease: { body: '', digest: 'd', tokenId: 't', expiresAt: 2 } },
  })
  for (const [news, known] of [
    [{ isNewer: true }, 3],
    [{}, undefined],
  ] as const) {
    const { cache } = heardCache(async () => leaseOf())
    const ticket = cache.begin()
    cache.heard({ type: 'integration', name: 'a', rev: 4, ...news })
    await cache.fill(ticket, withLease(3))
    t.equal(cache.trusted('a'), undefined)
    t.equal(cache.servable('a')?.rev, known)
    await cache.fill(ticket, withLease(4))
    t.equal(cache.trusted('a')?.rev, 4)
  }
  const { cache } = heardCache(async () => leaseOf())
  const ticket = cache.begin()
  cache.heard({ type: 'integration', name: 'a', rev: 4, isNewer: true })
  cache.heard({ type: 'integration', name: 'a', rev: 5, isNewer: true })
  await cache.fill(ticket, withLease(3))
  t.equal(cache.servable('a'), undefined, 'of two changes, one may be more than a newer lease')
})
