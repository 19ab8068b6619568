import t from 'tap'
import type { Integration } from '../../src/integrations/integration.ts'
import type { IntegrationStore } from '../../src/integrations/integration-store.ts'
import type { Look, SaveResult } from '../../src/store/store.ts'
import { createDropDependents } from '../../src/tokens/dependents.ts'

const madeOf = (name: string, integration: string) =>
  ({
    name,
    grant: { type: 'token_exchange', subjectToken: { integration } },
  }) as unknown as Integration

/** `far` is made of `near`, which is made of `source`. */
function dropping(results: readonly SaveResult[]) {
  const items = [madeOf('near', 'source'), madeOf('far', 'near')]
  const list: IntegrationStore['list'] = async () => ({ items, next: null })
  const left = [...results]
  const told: (readonly [string, number])[] = []
  const warned: string[] = []
  const drop = createDropDependents({
    integrations: { list },
    outcomes: {
      look: async () => ({ integration: { uid: 'u', orev: 1 } }) as unknown as Look,
      save: async () => left.shift() ?? { saved: false, reason: 'changed' },
    },
    onDropped: (name, rev) => told.push([name, rev]),
    log: { warn: ({ integration }: { integration?: string }) => warned.push(integration ?? '') },
  })
  return { drop, told, warned }
}

t.test('this replica is told of each lease that it dropped, nearest first', async (t) => {
  const { drop, told } = dropping([
    { saved: true, orev: 2, rev: 7 },
    { saved: false, reason: 'changed' },
    { saved: true, orev: 3, rev: 9 },
  ])
  await drop('source')
  t.same(told, [
    ['near', 7],
    ['far', 9],
  ])
})

t.test('and of none that would not go', async (t) => {
  const { drop, told, warned } = dropping([])
  await drop('source')
  t.same(told, [])
  t.same(warned, ['near', 'far'])
})
