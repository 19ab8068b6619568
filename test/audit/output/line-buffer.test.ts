import fc from 'fast-check'
import t from 'tap'
import { createLineBuffer } from '../../../src/audit/output/line-buffer.ts'

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

t.test('gives what it was given, of any alphabet and length', (t) => {
  const lines = fc.array(fc.string({ unit: 'grapheme', maxLength: 50 }), { maxLength: 20 })
  fc.assert(
    fc.property(fc.array(lines), (batches) => {
      const buffer = createLineBuffer()
      for (const batch of batches) {
        for (const line of batch) buffer.add(line)
        const whole = batch.join('')
        t.equal(buffer.size(), Buffer.byteLength(whole))
        t.equal(text(buffer.take()), whole)
        t.equal(buffer.size(), 0)
      }
    }),
  )
  t.end()
})

t.test('makes room for what is larger than usual, and goes on as before', (t) => {
  const buffer = createLineBuffer()
  const large = 'é'.repeat(1_000_000)
  buffer.add('first\n')
  buffer.add(large)
  t.equal(text(buffer.take()), `first\n${large}`)
  buffer.add('second\n')
  t.equal(text(buffer.take()), 'second\n')
  t.end()
})

t.test('what was taken stays while the next lines come', (t) => {
  const buffer = createLineBuffer()
  buffer.add('first\n')
  const taken = buffer.take()
  buffer.add('second\n')
  t.equal(text(taken), 'first\n')
  t.end()
})
