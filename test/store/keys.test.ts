import t from 'tap'
import { createKeys } from '../../src/store/keys.ts'

t.test('puts every key under the prefix and one hash tag', async (t) => {
  const keys = createKeys('vk:')
  const all = [
    keys.meta,
    keys.changes,
    keys.integrations,
    keys.dead,
    keys.due,
    keys.integration('billing'),
    keys.outcome('billing'),
    keys.holders('T_-9'),
    keys.lock('billing'),
    keys.budget('user {x}', 1_000),
    keys.document('api-key', '{evil}x{other}'),
    keys.documents('api-key'),
    keys.documentEnds('api-key'),
    keys.events('changes'),
    keys.events('denials'),
    keys.eventLines('denials'),
    keys.eventLineBodies('denials'),
  ]
  t.equal(keys.integration('billing'), 'vk:{vk}:i:billing')
  t.ok(all.every((key) => key.startsWith('vk:{vk}:')))
  t.equal(new Set(all).size, all.length)
})

t.test('gives keys a hash tag whatever the prefix', async (t) => {
  t.equal(createKeys('').meta, '{vk}:meta')
  t.equal(createKeys('a').meta, 'a{a}:meta')
  t.equal(createKeys('a:b:').meta, 'a:b:{a:b}:meta')
  t.equal(createKeys(':').meta, ':{vk}:meta')
  for (const prefix of ['{x}', 'a b', 'a\n', 'x'.repeat(65)]) {
    t.throws(() => createKeys(prefix), RangeError, prefix)
  }
})

t.test('makes no key of what is no name', async (t) => {
  const keys = createKeys('vk:')
  for (const name of ['', 'a}', 'a:b', 'A', 'a'.repeat(65), 'a\n']) {
    t.throws(() => keys.integration(name), RangeError)
    t.throws(() => keys.outcome(name), RangeError)
  }
  t.throws(() => keys.holders(''), RangeError)
  t.throws(() => keys.holders('a b'), RangeError)
  t.throws(() => keys.document('Kind', 'x'), RangeError)
  t.throws(() => keys.document('kind:x', 'x'), RangeError)
})
