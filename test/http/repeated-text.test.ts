import type { Socket } from 'node:net'
import t from 'tap'
import { createRepeatedText } from '../../src/http/repeated-text.ts'

function counted() {
  const texts: string[] = []
  const read = createRepeatedText((text) => {
    texts.push(text)
    if (text === 'wrong') throw new Error('unreadable')
    return { text }
  })
  return { read, texts }
}

/** It is only compared. */
const connection = () => ({}) as Socket

t.test('a text that its connection repeats is read once', async (t) => {
  const { read, texts } = counted()
  const one = connection()
  const meaning = read(one, 'a')
  t.equal(read(one, 'a'), meaning)
  t.same(read(one, 'b'), { text: 'b' })
  t.same(read(one, 'a'), { text: 'a' })
  t.same(texts, ['a', 'b', 'a'])
})

t.test('each connection has its own', async (t) => {
  const { read, texts } = counted()
  t.not(read(connection(), 'a'), read(connection(), 'a'))
  t.same(texts, ['a', 'a'])
})

t.test('what cannot be read is not remembered, and displaces nothing', async (t) => {
  const { read, texts } = counted()
  const one = connection()
  const meaning = read(one, 'a')
  t.throws(() => read(one, 'wrong'))
  t.throws(() => read(one, 'wrong'))
  t.equal(read(one, 'a'), meaning)
  t.same(texts, ['a', 'wrong', 'wrong'])
})

t.test('a long text is not kept', async (t) => {
  const { read, texts } = counted()
  const one = connection()
  const long = 'x'.repeat(4_097)
  read(one, long)
  read(one, long)
  t.equal(texts.length, 2)
})
