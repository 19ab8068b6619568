import t from 'tap'
import { everyIntegration } from '../../src/integrations/every.ts'
import { integrationOf } from '../support/integrations.ts'

const ALL = Array.from({ length: 1_050 }, (_, index) =>
  integrationOf({ name: `n${String(index).padStart(4, '0')}` }),
)

/** Answers at once, as the embedded store does. */
const store = {
  async list({ limit, after }: { readonly limit: number; readonly after?: string }) {
    const from = after === undefined ? 0 : ALL.findIndex(({ name }) => name === after) + 1
    const items = ALL.slice(from, from + limit)
    return { items, next: from + limit < ALL.length ? (items.at(-1)?.name ?? null) : null }
  },
}

t.test('each comes once, in order, and requests get their turn in between', async (t) => {
  let turns = 0
  const turn = () => {
    turns += 1
    next = setImmediate(turn)
  }
  let next = setImmediate(turn)
  const names: string[] = []
  for await (const { name } of everyIntegration(store)) names.push(name)
  clearImmediate(next)
  t.same(
    names,
    ALL.map(({ name }) => name),
  )
  t.ok(turns >= 10, `${turns} turns`)
})
