import t from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { oneCopyOf, withSharedTexts } from '../../src/runtime/one-copy.ts'

t.test('a text stays the same text', async (t) => {
  for (const text of ['', 'billing', '7', '4294967296', '__proto__', 'constructor', 'ä€😀']) {
    t.equal(oneCopyOf(text), text)
    t.equal(oneCopyOf(`${text}-longer-than-that`.slice(0, text.length)), text)
  }
})

t.test('a tree says the same as before', async (t) => {
  const tree = () => ({
    ...{ text: 'a', many: ['b', 'c'], within: { text: 'd', number: 1, nothing: null } },
    ...{ none: [], empty: {}, truth: true, absent: undefined },
  })
  const shared = withSharedTexts(tree())
  t.strictSame(shared, tree())
  t.equal(withSharedTexts(tree()).none, shared.none, 'there is one empty list')
  t.equal(withSharedTexts(tree()).empty, shared.empty, 'and one empty object')
  t.strictSame(withSharedTexts(shared), tree())
})

t.test('a secret stays as it is', async (t) => {
  const secret = new Secret('text')
  t.equal(withSharedTexts({ secret }).secret, secret)
  t.equal(secret.reveal(), 'text')
})
