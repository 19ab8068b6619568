import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import { createGivenAnnouncer } from '../../../src/tokens/look/given-announcer.ts'
import { leaseOf } from '../../support/integrations.ts'
import { partOf } from '../../support/part.ts'

type Dependencies = Parameters<typeof createGivenAnnouncer>[0]

function setUp(announced: (change: unknown) => Promise<void> = async () => undefined) {
  const told: unknown[] = []
  const warned: unknown[] = []
  let wake = (): void => undefined
  const announce = createGivenAnnouncer({
    changes: {
      announce(change) {
        told.push(change)
        return announced(change)
      },
    },
    runtime: partOf<Dependencies['runtime']>({
      sleep: () =>
        new Promise((resolve) => {
          wake = () => resolve()
        }),
    }),
    log: { warn: (...line: unknown[]) => warned.push(line) },
  })
  const pass = async () => {
    wake()
    await new Promise(setImmediate)
  }
  return { announce, told, warned, pass }
}

const lease = leaseOf({ tokenId: 't', mintedAt: 1, expiresAt: 500 })
const first = { type: 'given', integration: 'billing', tokenId: 't', mintedAt: 1, until: 500 }

t.test('the first one is told at once, and those of the next moment together', async (t) => {
  const { announce, told, pass } = setUp()
  announce('a', lease)
  t.same(told, [{ ...first, principals: ['a'] }])
  announce('b', lease)
  announce('c', lease)
  announce('a', { ...lease, tokenId: 'other' })
  t.equal(told.length, 1)
  await pass()
  t.same(told.slice(1), [
    { ...first, principals: ['b', 'c'] },
    { ...first, tokenId: 'other', principals: ['a'] },
  ])
  await pass()
  t.equal(told.length, 3)
  announce('d', lease)
  t.equal(told.length, 4, 'after the pause, at once again')
})

t.test('a batch has limits', async (t) => {
  const { announce, told, pass } = setUp()
  announce('a', lease)
  for (let i = 0; i < 100; i += 1) {
    for (let token = 0; token < 30; token += 1) {
      announce(`${i}`, { ...lease, tokenId: `t${token}` })
    }
  }
  await pass()
  t.equal(told.length, 21)
  t.ok(told.every((change) => (change as { principals: string[] }).principals.length <= 50))
})

t.test('a store that is away is nothing that this one says', async (t) => {
  const away = setUp(async () => {
    throw new BrokerError('store_unavailable', 'away')
  })
  away.announce('a', lease)
  await away.pass()
  t.same(away.warned, [])
  const broken = setUp(async () => {
    throw new Error('a bug')
  })
  broken.announce('a', lease)
  await broken.pass()
  t.equal(broken.warned.length, 1)
})
