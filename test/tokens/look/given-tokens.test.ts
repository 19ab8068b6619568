import t from 'tap'
import { createGivenTokens } from '../../../src/tokens/look/given-tokens.ts'
import { leaseOf } from '../../support/integrations.ts'

const at = (now: number, until: number, address = '203.0.113.7') => ({ now, until, address })

const lease = leaseOf({ integration: 'billing', tokenId: 't', mintedAt: 1, expiresAt: 500 })

function setUp() {
  const first: unknown[] = []
  const given = createGivenTokens((principal, { tokenId }) => first.push([principal, tokenId]))
  return { given, first }
}

t.test('a principal comes back while what it was given has not ended', async (t) => {
  const { given } = setUp()
  t.equal(given.note('me', lease, at(0, 100)), false)
  t.equal(given.note('you', lease, at(50, 100)), false, 'another principal')
  t.equal(given.note('me', lease, at(99, 200)), true)
  t.equal(given.note('me', lease, at(200, 300)), false, 'it ended')
  t.equal(given.note('me', { ...lease, integration: 'other' }, at(201, 300)), false)
  t.equal(given.note('me', { ...lease, tokenId: 'next' }, at(202, 300)), false)
  t.equal(given.note('me', { ...lease, tokenId: 'next' }, at(203, 300)), true)
})

t.test('it remembers a limited number of principals', async (t) => {
  const { given } = setUp()
  for (let i = 0; i < 100_001; i += 1) given.note(`${i}`, lease, at(0, 100))
  t.equal(given.note('1', lease, at(1, 100)), false, 'the first ones are forgotten')
  t.equal(given.note('100000', lease, at(1, 100)), true)
})

t.test('a holder is known by its address, if it is the only one there', async (t) => {
  const { given } = setUp()
  given.note('me', lease, at(0, 100, 'here'))
  given.note('you', lease, at(0, 100, 'there'))
  t.equal(given.givenTo(lease, 'here'), 'me')
  t.equal(given.givenTo(lease, 'elsewhere'), undefined)
  t.equal(given.givenTo({ ...lease, tokenId: 'other' }, 'here'), undefined)
  given.note('you', lease, at(0, 100, 'here'))
  t.equal(given.givenTo(lease, 'here'), undefined, 'they cannot be told apart')
})

const told = (change: object) =>
  ({
    type: 'given',
    ...{ integration: 'billing', tokenId: 't', mintedAt: 1, until: 500 },
    ...{ principals: ['me'], ...change },
  }) as const

t.test('a caller that another replica served comes back here', async (t) => {
  const { given, first } = setUp()
  given.heard(told({}))
  t.equal(given.note('me', lease, at(2, 500)), true)
  t.equal(given.note('you', lease, at(2, 500)), false)
  t.same(first, [['you', 't']], 'only what is new is told')
  given.heard(told({ principals: ['you'] }))
  t.equal(given.givenTo(lease, '203.0.113.7'), undefined, 'both were here')
})

t.test('what is heard of an older token changes nothing', async (t) => {
  const { given } = setUp()
  given.note('me', lease, at(2, 500))
  given.heard(told({ tokenId: 'former', mintedAt: 0 }))
  t.equal(given.note('me', lease, at(3, 500)), true)
  given.heard(told({ tokenId: 'next', mintedAt: 9 }))
  t.equal(given.note('me', { ...lease, tokenId: 'next', mintedAt: 9 }, at(4, 500)), true)
})
