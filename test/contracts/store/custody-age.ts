import type { Store } from '../../../src/store/store.ts'
import type { StoreSuite } from '../../support/store-engines.ts'
import { begun, presentation, stored } from './custody.ts'

const LOOK_MS = 3_600_000
const doubtOf = (kind: 'doubted' | 'rewound', noted = 0) => ({
  ...{ id: 'rewound:d', kind, noted, lookInMs: LOOK_MS },
})

/** One that is idle, one that is unanswered, one that is dead. */
async function three(store: Store) {
  for (const name of ['idle', 'asked', 'dead']) await begun(store, name)
  await store.custody.spend('asked', presentation({}, 'p1'))
  await store.custody.kill('dead', { family: 'f1', g: 0, id: '', reason: 'refused' })
}

export const custodyAgeSuite: StoreSuite = async (t, open) => {
  await t.test('lets nobody present before somebody vouched for the run', async (t) => {
    const { store, peer } = await open(t)
    await store.integrations.create('a', 'u1', { digests: [], definition: '{}', secrets: '{}' })
    const first = { uid: 'u1', expected: null, family: 'f1', token: 'x', reason: '', body: '{}' }
    await store.custody.begin('a', { ...first, lookInMs: LOOK_MS })
    t.equal(await store.custody.spend('a', presentation({}, 'p')), 'new_run')
    const age = await store.custody.age()
    t.match(age, {
      knownRun: null,
      noted: 0,
      point: '/0',
      doubt: null,
      id: (await store.identity()).id,
    })
    t.not(age.run, '')
    t.ok(age.runAt <= age.now)
    t.notOk(await store.custody.vouch('another', null))
    t.notOk(await store.custody.vouch(age.run, 'x/1'), 'who was sure of another')
    t.ok(await peer.custody.vouch(age.run, age.point))
    t.match(await store.custody.age(), { knownRun: age.run })
    const spent = await store.custody.spend('a', presentation({}, 'p'))
    t.same(spent, { noted: 1, point: '/1' })
    t.match(await peer.custody.age(), { noted: 1, point: '/1', runAt: age.runAt })
  })

  await t.test('lets nobody present in a past of the store', async (t) => {
    const { store } = await open(t)
    await begun(store, 'a')
    t.equal(await store.custody.spend('a', { ...presentation({}, 'p'), noted: 1 }), 'rewound')
    t.match(await stored(store, 'a'), { state: 'idle', id: '' })
    t.match(await store.custody.spend('a', presentation({}, 'p')), { noted: 1 })
    const again = presentation({ id: 'p' }, 'q')
    t.match(await store.custody.spend('a', { ...again, noted: 1 }), { noted: 2 })
  })

  await t.test('trusts nothing any more, under another id, once in a run', async (t) => {
    const { store, peer } = await open(t)
    await three(store)
    const before = await stored(store, 'idle')
    const cursor = await store.changes.tail()
    t.equal(await peer.custody.distrust(doubtOf('doubted')), 2)
    t.equal((await store.changes.read(cursor)).entries.length, 2)
    t.match(await stored(store, 'idle'), { state: 'spend', id: 'rewound:d', token: 'sealed 0' })
    t.match(await stored(store, 'asked'), { state: 'spend', id: 'rewound:d:unanswered' })
    t.match(await stored(store, 'dead'), { state: 'dead' })
    t.equal(await store.custody.spend('idle', presentation(before, 'late')), 'changed')
    const doubted = await store.custody.age()
    t.match(doubted, { noted: 2, point: 'rewound:d/2', doubt: { kind: 'doubted', point: '/1' } })
    await begun(store, 'new')
    t.equal(await store.custody.distrust(doubtOf('rewound', 17)), 0, 'they were asked already')
    t.match(await stored(store, 'new'), { state: 'idle' })
    t.match(await store.custody.age(), { noted: 18, doubt: { kind: 'rewound', point: '/1' } })
    t.equal(await store.custody.distrust(doubtOf('doubted')), 0)
    t.match(await store.custody.age(), { doubt: { kind: 'rewound' } }, 'what is known stays known')
  })

  await t.test('is what it was before, where somebody knows that it is the newest', async (t) => {
    const { store, peer } = await open(t)
    await three(store)
    await store.custody.distrust(doubtOf('doubted'))
    const { run } = await store.custody.age()
    t.equal(await store.custody.doubted(), 2)
    t.notOk(await peer.custody.vouch(run, '/0'), 'who was sure of less')
    t.ok(await peer.custody.vouch(run, '/1'))
    t.match(await stored(store, 'idle'), { state: 'idle', token: 'sealed 0' })
    t.match(await stored(store, 'asked'), { state: 'spend', id: 'd:unanswered' })
    t.match(await store.custody.age(), { doubt: null })
    t.match(await store.custody.spend('idle', presentation({ id: 'd' }, 'p2')), { noted: 3 })
  })

  await t.test('an operator takes it for restored, and nobody vouches over that', async (t) => {
    const { store, peer } = await open(t)
    await three(store)
    await store.custody.distrust(doubtOf('rewound', 9))
    const { run } = await store.custody.age()
    t.notOk(await peer.custody.vouch(run, '/1'))
    t.notOk(await peer.custody.vouch(run, null))
    await begun(store, 'new')
    const restored = { id: 'restored:r', lookInMs: LOOK_MS }
    t.equal(await peer.custody.takeForRestored({ ...restored, all: false }), 2)
    t.match(await stored(store, 'idle'), { state: 'spend', id: 'restored:r' })
    t.match(await stored(store, 'asked'), { state: 'spend', id: 'restored:r' })
    t.match(await stored(store, 'new'), { state: 'idle' })
    t.match(await store.custody.age(), { doubt: null, knownRun: run, point: 'restored:r/10' })
    t.equal(await peer.custody.takeForRestored({ ...restored, all: true }), 1)
    t.match(await stored(store, 'new'), { state: 'spend', id: 'restored:r' })
    await peer.custody.takeForRestored({ ...restored, all: false, forAnyRun: true })
    t.match(await store.custody.age(), { knownRun: null })
  })

  await t.test('the doubt ends with the last that was in doubt', async (t) => {
    const { store } = await open(t)
    await begun(store, 'a')
    await store.custody.distrust(doubtOf('doubted'))
    t.equal(await store.custody.doubted(), 1)
    t.ok((await store.custody.age()).doubt)
    const { id } = await stored(store, 'a')
    t.match(await store.custody.spend('a', presentation({ id }, 'p')), { point: null })
    t.equal(await store.custody.doubted(), 0)
    t.equal((await store.custody.age()).doubt, null)
  })

  await t.test('what is put back is in doubt', async (t) => {
    const { store, peer } = await open(t)
    await begun(store, 'a')
    const kept = { family: 'f1', token: 'sealed 2', lookInMs: LOOK_MS, doubt: 'rewound:x' }
    t.ok(await peer.custody.keep('a', { ...kept, g: 2 }))
    t.match(await stored(store, 'a'), { g: 2, state: 'spend', id: 'rewound:x', token: 'sealed 2' })
    await store.custody.spend('a', presentation({ g: 2, id: 'rewound:x' }, 'p'))
    t.ok(await peer.custody.keep('a', { ...kept, g: 1 }))
    t.match(await stored(store, 'a'), { g: 2, id: 'p' }, 'what is newer stays')
  })
}
