/** A store that is put back, with the fleet alive or down, with witnesses or without. */
import fc from 'fast-check'
import t from 'tap'
import type { ModelFile } from '../support/custody-model.ts'
import {
  type CustodyWorldOptions,
  createCustodyWorld,
  type Fate,
} from '../support/custody-world.ts'

const act = fc.record({ kind: fc.nat({ max: 99 }), choice: fc.nat({ max: 999 }) })
const ACTS = fc.array(act, { minLength: 60, maxLength: 250 })
const FATES: readonly Fate[] = ['lives', 'restarts', 'anew']
const fateOf = (choice: number) => FATES[choice % FATES.length] as Fate

/** Gives what was violated, and how often a store was put back, or in doubt though nothing of it lacked. */
async function story(
  acts: readonly { kind: number; choice: number }[],
  options: CustodyWorldOptions,
) {
  const world = createCustodyWorld(options)
  await world.begin()
  const files: ModelFile[] = [world.model.file()]
  const seen = { putBack: 0, doubted: 0, needless: 0 }
  for (const { kind, choice } of acts) {
    if (kind < 66) await world.step(choice)
    else if (kind < 78) world.ask(choice)
    else if (kind < 81) world.kill(choice)
    else if (kind < 86) world.pass()
    else if (kind < 88) world.fault.answer = choice % 2 ? 'lost' : 'unsent'
    else if (kind < 92) await world.look(choice)
    else if (kind < 95) files.push(world.model.file())
    else {
      const fates = [fateOf(choice), fateOf(Math.floor(choice / 3))]
      const old = kind < 98 ? files[Math.floor(choice / 9) % files.length] : undefined
      const before = (await world.model.age()).doubt
      await world.restart(fates, choice, old)
      const { doubt } = await world.model.age()
      if (old) seen.putBack += 1
      if (doubt) seen.doubted += 1
      const isKnown = fates.some((fate) => fate !== 'anew')
      if (!old && !before && doubt && isKnown) seen.needless += 1
    }
  }
  await world.drain()
  return { violations: world.violations, ...seen }
}

for (const canAsk of [true, false]) {
  const title = canAsk ? 'tells which tokens live' : 'does not tell'
  t.test(
    `no store that was put back has a used token presented: Salesforce ${title}`,
    async (t) => {
      const sum = { putBack: 0, doubted: 0 }
      await fc.assert(
        fc.asyncProperty(ACTS, async (acts) => {
          const { violations, needless, putBack, doubted } = await story(acts, { canAsk })
          // Thrown, so that the story is made short.
          if (violations.length + needless > 0)
            throw new Error(JSON.stringify({ violations, needless }))
          sum.putBack += putBack
          sum.doubted += doubted
        }),
        { numRuns: 300 },
      )
      t.ok(sum.putBack > 100 && sum.doubted > 50, JSON.stringify(sum))
    },
  )
}

t.test('without the guard chance finds one that ends the connection', async (t) => {
  const found = await fc.check(
    fc.asyncProperty(ACTS, async (acts) => {
      const { violations } = await story(acts, { isGuarded: false })
      return violations.length === 0
    }),
    { numRuns: 300 },
  )
  t.ok(found.failed)
  t.comment(`found after ${found.numRuns} stories, in ${found.counterexample?.[0].length} acts`)
})
