/** What holds whatever order chance finds; `custody-world.ts` is the world. */
import fc from 'fast-check'
import t from 'tap'
import { createCustodyWorld } from '../support/custody-world.ts'

const act = fc.record({ kind: fc.nat({ max: 99 }), choice: fc.nat({ max: 999 }) })

t.test('no token is used twice, and none is served before it is kept', async (t) => {
  const ends = { alive: 0, lost: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 60, maxLength: 250 }), async (acts) => {
      const world = createCustodyWorld()
      await world.begin()
      for (const { kind, choice } of acts) {
        if (kind < 76) await world.step(choice)
        else if (kind < 86) world.ask(choice)
        else if (kind < 90) world.kill(choice)
        else if (kind < 94) world.pass()
        else if (kind < 96) world.fault.answer = choice % 2 ? 'lost' : 'unsent'
        else world.fault.store = choice % 2 ? 'before' : 'after'
      }
      delete world.fault.store
      delete world.fault.answer
      await world.drain()
      const end = await world.settle()
      t.same(world.violations, [])
      if (end === 'dead') ends.lost += 1
      else {
        ends.alive += 1
        t.equal(end, world.salesforce.current, 'what is kept is what lives')
      }
    }),
    { numRuns: 300 },
  )
  t.ok(ends.alive > 30 && ends.lost > 30, JSON.stringify(ends))
})
