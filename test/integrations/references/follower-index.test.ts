import t from 'tap'
import { createFollowerIndex } from '../../../src/integrations/references/follower-index.ts'
import { integrationOf } from '../../support/integrations.ts'

t.test('one pass answers all who ask within a second, and none after a write', async (t) => {
  let clock = 0
  let passes = 0
  let isAway = false
  const items = ['a', 'b'].map((name) => integrationOf({ name, credentialFrom: 'owner' }))
  const index = createFollowerIndex({
    store: {
      async list() {
        passes += 1
        if (isAway) throw new Error('away')
        return { items, next: null }
      },
    },
    monotonic: () => clock,
  })
  const names = async (owner = 'owner') => (await index.of(owner)).map(({ name }) => name)
  t.same(await Promise.all([names(), names(), names('other')]), [['a', 'b'], ['a', 'b'], []])
  t.equal(passes, 1)
  items.pop()
  index.forget()
  t.same(await names(), ['a'], 'a write here shows at once')
  items.pop()
  clock += 1_001
  t.same(await names(), [], 'and one elsewhere within a second')
  t.equal(passes, 3)
  isAway = true
  index.forget()
  await t.rejects(index.of('owner'), { message: 'away' })
  isAway = false
  t.same(await names(), [], 'a pass that failed is not believed')
})
