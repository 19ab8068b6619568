import fc from 'fast-check'
import type { Custodies, CustodyBeginning, CustodyRecord } from '../../../src/store/custody.ts'
import type { Store } from '../../../src/store/store.ts'
import { createModelCustodies } from '../../support/custody-model.ts'
import { content, type StoreSuite } from '../../support/store-engines.ts'

const LOOK_MS = 3_600_000
const FIRST: CustodyBeginning = {
  ...{ uid: 'u1', expected: null, family: 'f1', token: 'sealed 0', reason: '', body: '{"a":1}' },
  lookInMs: LOOK_MS,
}

/** In a run that is known. */
export async function begun(store: Store, name: string) {
  const { run, knownRun } = await store.custody.age()
  if (knownRun === null) await store.custody.vouch(run, null)
  await store.integrations.create(name, 'u1', content())
  await store.custody.begin(name, FIRST)
}

export const stored = async (store: Store, name: string): Promise<CustodyRecord> => {
  const { record } = await store.custody.read(name)
  if (!record) throw new Error('There is no custody')
  return record
}

export const presentation = (of: Partial<CustodyRecord>, next: string) => ({
  ...{ family: 'f1', g: 0, id: '', ...of, next },
  ...{ isFinal: false, noted: 0, lookInMs: LOOK_MS },
})

export const custodySuite: StoreSuite = async (t, open) => {
  await t.test('begins a family over the one that was expected, and no other', async (t) => {
    const { store, peer } = await open(t)
    t.equal((await store.custody.read('a')).record, undefined)
    t.equal(await store.custody.begin('a', FIRST), 'gone', 'there is no such integration')
    await store.integrations.create('a', 'u1', content())
    t.equal(await store.custody.begin('a', { ...FIRST, uid: 'u2' }), 'gone', 'it is another one')
    const cursor = await store.changes.tail()
    t.equal(await store.custody.begin('a', FIRST), 'begun')
    t.same((await store.changes.read(cursor)).entries, [{ type: 'custody', name: 'a' }])
    const { record, now } = await peer.custody.read('a')
    t.match(record, {
      ...{ uid: 'u1', family: 'f1', g: 0, token: 'sealed 0', state: 'idle', id: '' },
      ...{ isFinal: false, reason: '', body: '{"a":1}' },
    })
    t.ok(record && record.at <= now && record.keptAt === record.at)
    t.equal(await store.custody.begin('a', FIRST), 'changed')
    const races = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        (i % 2 ? store : peer).custody.begin('a', {
          ...{ ...FIRST, expected: 'f1', family: `g${i}` },
        }),
      ),
    )
    t.equal(races.filter((result) => result === 'begun').length, 1)
  })

  await t.test('begins without a token, and then it is dead', async (t) => {
    const { store } = await open(t)
    await begun(store, 'a')
    const ended = { ...FIRST, expected: 'f1', family: 'f2', token: '', reason: 'disconnected' }
    t.equal(await store.custody.begin('a', ended), 'begun')
    t.match(await stored(store, 'a'), { state: 'dead', reason: 'disconnected', token: '' })
    t.equal(await store.custody.spend('a', presentation({ family: 'f2' }, 'p')), 'changed')
    t.same((await store.custody.claim(10, 1)).names, [])
  })

  await t.test('lets one of all who saw the same state present the token', async (t) => {
    const { store, peer } = await open(t)
    await begun(store, 'a')
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 ? store : peer).custody.spend('a', presentation({}, `p${i}`)),
      ),
    )
    t.equal(results.filter((result) => result !== 'changed').length, 1)
    const { id, state } = await stored(peer, 'a')
    t.equal(state, 'spend')
    t.equal(id, `p${results.findIndex((result) => typeof result === 'object')}`)
    for (const other of [{ family: 'f2', id }, { g: 1, id }, { id: 'other' }]) {
      t.equal(await store.custody.spend('a', presentation(other, 'x')), 'changed')
    }
    const final = { ...presentation({ id }, 'final'), isFinal: true }
    t.match(await store.custody.spend('a', final), { noted: 2 }, 'knowing the last one is enough')
    t.match(await stored(store, 'a'), { id: 'final', isFinal: true })
    t.equal(await store.custody.spend('b', presentation({}, 'x')), 'changed', 'there is none')
  })

  await t.test('takes a presentation back while it is the last one', async (t) => {
    const { store, peer } = await open(t)
    await begun(store, 'a')
    t.notOk(await store.custody.unspend('a', '', LOOK_MS), 'there is nothing to take back')
    await store.custody.spend('a', presentation({}, 'p1'))
    t.notOk(await peer.custody.unspend('a', 'p0', LOOK_MS))
    t.ok(await peer.custody.unspend('a', 'p1', LOOK_MS))
    t.match(await stored(store, 'a'), { state: 'idle', id: 'p1', token: 'sealed 0' })
    t.notOk(await peer.custody.unspend('a', 'p1', LOOK_MS))
    t.notOk(await store.custody.unspend('none', 'p1', LOOK_MS))
  })

  await t.test('keeps the newest token of its family, even over death', async (t) => {
    const { store, peer } = await open(t)
    await begun(store, 'a')
    const keep = (g: number, family = 'f1') =>
      peer.custody.keep('a', { family, g, token: `sealed ${g}`, lookInMs: LOOK_MS })
    await store.custody.spend('a', presentation({}, 'p1'))
    t.notOk(await keep(1, 'f2'), 'another family')
    t.ok(await keep(1))
    t.match(await stored(store, 'a'), { state: 'idle', g: 1, token: 'sealed 1', id: 'p1' })
    t.ok(await keep(1), 'again is no harm')
    await store.custody.spend('a', presentation({ g: 1, id: 'p1' }, 'p2'))
    t.ok(await store.custody.kill('a', { family: 'f1', g: 1, id: 'p2', reason: 'lost' }))
    t.match(await stored(store, 'a'), { state: 'dead', reason: 'lost' })
    t.ok(await keep(1))
    t.match(await stored(store, 'a'), { state: 'dead' }, 'the token that died does not come back')
    t.ok(await keep(3))
    t.match(await stored(store, 'a'), { state: 'idle', g: 3, token: 'sealed 3', reason: '' })
    t.ok(await keep(2))
    t.match(await stored(store, 'a'), { g: 3, token: 'sealed 3' })
    t.notOk(await store.custody.keep('none', { ...FIRST, g: 1 }))
  })

  await t.test('gives up only what was found dead', async (t) => {
    const { store, peer } = await open(t)
    await begun(store, 'a')
    const found = { family: 'f1', g: 0, id: '', reason: 'refused' }
    for (const other of [{ family: 'f2' }, { g: 1 }, { id: 'p1' }]) {
      t.notOk(await peer.custody.kill('a', { ...found, ...other }))
    }
    const all = await Promise.all([1, 2, 3].map(() => peer.custody.kill('a', found)))
    t.equal(all.filter(Boolean).length, 1, 'one of them knows that it was the one')
    t.same((await store.custody.claim(10, 1)).names, [], 'nobody looks after it any more')
    await store.custody.lookAt('a', 0)
    t.same((await store.custody.claim(10, 1)).names, [])
  })

  await t.test('says what is to be looked after, each to one', async (t) => {
    const { store, peer, pass } = await open(t)
    for (const name of ['a', 'b']) await begun(store, name)
    t.same((await store.custody.claim(10, LOOK_MS)).names, [])
    await store.custody.spend('a', { ...presentation({}, 'p1'), lookInMs: 0 })
    const claim = await peer.custody.claim(10, 200)
    t.same(claim, { names: ['a'], nextInMs: 200 })
    t.same((await store.custody.claim(10, 200)).names, [])
    await pass(200)
    t.same(
      (await store.custody.claim(10, LOOK_MS)).names,
      ['a'],
      'whoever claimed it may have died',
    )
    await store.custody.lookAt('a', 0)
    await store.custody.lookAt('none', 0)
    t.same((await store.custody.claim(10, LOOK_MS)).names, ['a'])
    await store.custody.unspend('a', 'p1', 0)
    await store.custody.keep('b', { family: 'f1', g: 1, token: 'x', lookInMs: 0 })
    t.same((await store.custody.claim(1, LOOK_MS)).names.length, 1)
    t.same((await store.custody.claim(1, LOOK_MS)).names.length, 1)
    t.same((await store.custody.claim(1, LOOK_MS)).names, [])
  })

  await t.test('is gone with its integration', async (t) => {
    const { store, peer } = await open(t)
    await begun(store, 'a')
    await store.custody.lookAt('a', 0)
    t.ok(await store.integrations.remove('a', { uid: 'u1', version: 1 }))
    t.equal((await peer.custody.read('a')).record, undefined)
    t.same((await peer.custody.claim(10, 1)).names, [])
    t.notOk(await peer.custody.keep('a', { family: 'f1', g: 1, token: 'x', lookInMs: 1 }))
    await store.integrations.create('a', 'u2', content())
    t.equal(await store.custody.begin('a', { ...FIRST, uid: 'u2' }), 'begun')
  })

  await t.test('does what its rules say, whatever comes in whichever order', async (t) => {
    const { store, peer } = await open(t)
    let runs = 0
    await fc.assert(
      fc.asyncProperty(fc.array(STEP, { maxLength: 20 }), async (steps) => {
        runs += 1
        const name = `n${runs}`
        await begun(store, name)
        const model = createModelCustodies(() => 0)
        await model.vouch('run-1', null)
        await model.begin(name, FIRST)
        for (const [at, step] of steps.entries()) {
          const expected = await apply(model, name, step)
          const result = await apply((at % 2 ? store : peer).custody, name, step)
          // The count is of all names.
          t.same(typeof result === 'object' || result, typeof expected === 'object' || expected)
          t.same(timeless(await stored(store, name)), timeless(model.records.get(name)))
        }
      }),
      { numRuns: 10 },
    )
  })
}

const timeless = ({ at: _at, keptAt: _kept, ...rest }: Partial<CustodyRecord> = {}) => rest

interface Step {
  readonly kind: 'begin' | 'spend' | 'unspend' | 'keep' | 'kill'
  readonly family: string
  readonly g: number
  readonly id: string
  readonly next: string
}

const ids = fc.constantFrom('', 'p1', 'p2')
const STEP: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom<Step['kind']>('begin', 'spend', 'spend', 'unspend', 'keep', 'kill'),
  family: fc.constantFrom('f1', 'f1', 'f2'),
  g: fc.constantFrom(0, 1, 2),
  id: ids,
  next: fc.constantFrom('p1', 'p2'),
})

async function apply(custody: Custodies, name: string, step: Step): Promise<unknown> {
  const { kind, family, g, id, next } = step
  switch (kind) {
    case 'begin':
      return custody.begin(name, {
        ...{ ...FIRST, expected: family, family: next, token: `sealed ${next}` },
      })
    case 'spend':
      return custody.spend(name, presentation({ family, g, id }, next))
    case 'unspend':
      return custody.unspend(name, id, LOOK_MS)
    case 'keep':
      return custody.keep(name, { family, g, token: `sealed ${g}`, lookInMs: LOOK_MS })
    case 'kill':
      return custody.kill(name, { family, g, id, reason: 'refused' })
  }
}
