import t from 'tap'
import { createEvents } from '../../src/runtime/events.ts'
import { heardAtOnce } from '../../src/store/heard-at-once.ts'
import type { Change, Outcomes, SaveResult } from '../../src/store/store.ts'
import type { StoreEvents } from '../../src/store/store-events.ts'

/** What this replica hears while it changes something, and when. */
function subscription(outcomes: Partial<Outcomes>) {
  const heard: Change[] = []
  const events = createEvents<StoreEvents>()
  events.on('outcome.changed', (change) => {
    heard.push(change)
  })
  return { heard, own: heardAtOnce(outcomes as Outcomes, events) }
}

const EXPECTED = { uid: 'u', orev: 1 }

t.test('an outcome that was saved is heard of, and one that was refused is not', async (t) => {
  const results: SaveResult[] = [
    { saved: true, orev: 2, rev: 7 },
    { saved: false, reason: 'changed' },
  ]
  const { heard, own } = subscription({ save: async () => results.shift() as SaveResult })
  t.match(await own.save('billing', EXPECTED, { lease: null }), { saved: true, rev: 7 })
  t.same(heard.splice(0), [{ type: 'integration', name: 'billing', rev: 7 }])
  t.match(await own.save('billing', EXPECTED, { lease: null }), { reason: 'changed' })
  t.same(heard, [])
})

t.test('what is only newer is heard as that', async (t) => {
  const { heard, own } = subscription({ save: async () => ({ saved: true, orev: 2, rev: 7 }) })
  await own.save('billing', EXPECTED, { refusal: null })
  t.same(heard, [{ type: 'integration', name: 'billing', rev: 7, isNewer: true }])
})

t.test('so is a refusal that was forgotten, where there was one', async (t) => {
  const refused = new Map([['billing', 7]])
  const { heard, own } = subscription({ forgetRefusal: async (name) => refused.get(name) })
  t.equal(await own.forgetRefusal('billing'), 7)
  t.equal(await own.forgetRefusal('crm'), undefined)
  t.same(heard, [{ type: 'integration', name: 'billing', rev: 7, isNewer: true }])
})

t.test('and a token that was revoked, but not one that the store knows nothing of', async (t) => {
  const { heard, own } = subscription({ revoke: async () => ['billing'] })
  t.same(await own.revoke('t', 1), ['billing'])
  t.same(heard.splice(0), [{ type: 'dead', tokenId: 't', names: ['billing'] }])
  const away = subscription({ revoke: () => Promise.reject(new Error('away')) })
  await t.rejects(away.own.revoke('t', 1), { message: 'away' })
  t.same(away.heard, [])
})
