import fc from 'fast-check'
import t from 'tap'
import { mergePatch } from '../../src/integrations/view.ts'

t.test('a merge patch does what the examples of RFC 7396 say', async (t) => {
  const examples: readonly [unknown, unknown, unknown][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ]
  for (const [target, patch, expected] of examples) {
    t.same(mergePatch(target, patch), expected, JSON.stringify(patch))
  }
})

t.test('a merge patch never reaches a prototype', async (t) => {
  const patch = JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"x": 1}}')
  mergePatch({}, patch)
  t.notOk('polluted' in {})
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (target, patch) => {
      mergePatch(target, patch)
      return !('polluted' in {})
    }),
  )
})
