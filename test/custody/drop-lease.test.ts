import t from 'tap'
import { BrokerError } from '../../src/errors/errors.ts'
import { dropLease } from '../../src/store/outcome.ts'
import { lookOf } from '../support/integrations.ts'

/** Outcomes of `crm`; the first `lost` saves lose their race. */
function outcomesWith(lost: number) {
  const look = lookOf('crm')
  const { uid } = look.integration
  let orev = 1
  const saves: unknown[] = []
  const outcomes: Parameters<typeof dropLease>[0] = {
    look: async (name) => {
      if (name !== 'crm') return undefined
      return { ...look, integration: { ...look.integration, orev } }
    },
    async save(name, expected, change) {
      saves.push({ name, expected, change })
      orev += 1
      return saves.length > lost
        ? { saved: true, orev, rev: 1 }
        : { saved: false, reason: 'changed' }
    },
  }
  return { outcomes, saves, uid }
}

t.test('a lease is dropped with what stands beside it, of the record that is there', async (t) => {
  const { outcomes, saves, uid } = outcomesWith(1)
  t.equal(await dropLease(outcomes, { name: 'crm', uid }), true)
  const change = { lease: null, refusal: null, stillLive: null }
  t.same(saves, [
    { name: 'crm', expected: { uid, orev: 1 }, change },
    { name: 'crm', expected: { uid, orev: 2 }, change },
  ])
})

t.test('nothing is dropped of an integration that is gone, or is another one', async (t) => {
  const { outcomes, saves } = outcomesWith(0)
  t.equal(await dropLease(outcomes, { name: 'gone' }), true)
  t.equal(await dropLease(outcomes, { name: 'crm', uid: 'another' }), true)
  t.same(saves, [])
})

t.test('a race that is lost ten times is told, and another failure is thrown', async (t) => {
  const { outcomes, saves } = outcomesWith(10)
  t.equal(await dropLease(outcomes, { name: 'crm' }), false)
  t.equal(saves.length, 10)
  const away = async () => Promise.reject(new BrokerError('store_unavailable', 'It is away'))
  await t.rejects(dropLease({ ...outcomes, look: away }, { name: 'crm' }), {
    code: 'store_unavailable',
  })
})
