import t from 'tap'
import { forgettingAtOnce } from '../../src/tokens/own-changes.ts'

t.test('memory is told of a refusal that was forgotten, before anybody else is', async (t) => {
  const told: (readonly [string, number | undefined])[] = []
  const refused = new Map([['billing', 7]])
  const { forgetRefusal } = forgettingAtOnce(
    { forgetRefusal: async (name) => refused.get(name) },
    { written: (name, rev) => told.push([name, rev]) },
  )
  t.equal(await forgetRefusal('billing'), 7)
  t.equal(await forgetRefusal('crm'), undefined)
  t.same(told, [['billing', 7]], 'and of nothing that did not change')
})
