import t from 'tap'
import { createGivenTokens } from '../../../src/tokens/look/given-tokens.ts'

const at = (now: number, until: number, address = '203.0.113.7') => ({ now, until, address })

const lease = { integration: 'billing', tokenId: 't' }

t.test('a principal comes back while what it was given has not ended', async (t) => {
  const given = createGivenTokens()
  t.equal(given.note('me', lease, at(0, 100)), false)
  t.equal(given.note('you', lease, at(50, 100)), false, 'another principal')
  t.equal(given.note('me', lease, at(99, 200)), true)
  t.equal(given.note('me', lease, at(200, 300)), false, 'it ended')
  t.equal(given.note('me', { ...lease, integration: 'other' }, at(201, 300)), false)
  t.equal(given.note('me', { ...lease, tokenId: 'next' }, at(202, 300)), false)
  t.equal(given.note('me', { ...lease, tokenId: 'next' }, at(203, 300)), true)
})

t.test('it remembers a limited number of principals', async (t) => {
  const given = createGivenTokens()
  for (let i = 0; i < 100_001; i += 1) given.note(`${i}`, lease, at(0, 100))
  t.equal(given.note('1', lease, at(1, 100)), false, 'the first ones are forgotten')
  t.equal(given.note('100000', lease, at(1, 100)), true)
})

t.test('a holder is known by its address, if it is the only one there', async (t) => {
  const given = createGivenTokens()
  given.note('me', lease, at(0, 100, 'here'))
  given.note('you', lease, at(0, 100, 'there'))
  t.equal(given.givenTo(lease, 'here'), 'me')
  t.equal(given.givenTo(lease, 'elsewhere'), undefined)
  t.equal(given.givenTo({ ...lease, tokenId: 'other' }, 'here'), undefined)
  given.note('you', lease, at(0, 100, 'here'))
  t.equal(given.givenTo(lease, 'here'), undefined, 'they cannot be told apart')
})
