import t from 'tap'
import { createGivenTokens } from '../../../src/tokens/look/given-tokens.ts'

const lease = { integration: 'billing', tokenId: 't' }

t.test('a principal comes back while what it was given has not ended', async (t) => {
  const given = createGivenTokens()
  t.equal(given.note('me', lease, { now: 0, until: 100 }), false)
  t.equal(given.note('you', lease, { now: 50, until: 100 }), false, 'another principal')
  t.equal(given.note('me', lease, { now: 99, until: 200 }), true)
  t.equal(given.note('me', lease, { now: 200, until: 300 }), false, 'it ended')
  t.equal(given.note('me', { ...lease, integration: 'other' }, { now: 201, until: 300 }), false)
  t.equal(given.note('me', { ...lease, tokenId: 'next' }, { now: 202, until: 300 }), false)
  t.equal(given.note('me', { ...lease, tokenId: 'next' }, { now: 203, until: 300 }), true)
})

t.test('it remembers a limited number of principals', async (t) => {
  const given = createGivenTokens()
  for (let i = 0; i < 100_001; i += 1) given.note(`${i}`, lease, { now: 0, until: 100 })
  t.equal(given.note('1', lease, { now: 1, until: 100 }), false, 'the first ones are forgotten')
  t.equal(given.note('100000', lease, { now: 1, until: 100 }), true)
})
