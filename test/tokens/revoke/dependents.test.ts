import t from 'tap'
import type { IntegrationStore } from '../../../src/integrations/integration-store.ts'
import type { SaveResult } from '../../../src/store/store.ts'
import { createDropDependents } from '../../../src/tokens/revoke/dependents.ts'
import { integrationOf, lookOf } from '../../support/integrations.ts'

const madeOf = (name: string, integration: string) =>
  integrationOf({ name, grant: { type: 'token_exchange', subjectToken: { integration } } })

/** `far` is made of `near`, which is made of `source`. */
function dropping(results: readonly SaveResult[]) {
  const items = [madeOf('near', 'source'), madeOf('far', 'near')]
  const list: IntegrationStore['list'] = async () => ({ items, next: null })
  const left = [...results]
  const dropped: string[] = []
  const warned: string[] = []
  const drop = createDropDependents({
    integrations: { list, read: async () => undefined },
    outcomes: {
      look: async () => lookOf(),
      async save(name) {
        const result = left.shift() ?? { saved: false as const, reason: 'changed' as const }
        if (result.saved) dropped.push(name)
        return result
      },
    },
    log: { warn: ({ integration }: { integration?: string }) => warned.push(integration ?? '') },
  })
  return { drop, dropped, warned }
}

t.test(
  'what is made of a source is dropped, nearest first, and tried again where it changed',
  async (t) => {
    const { drop, dropped, warned } = dropping([
      { saved: true, orev: 2, rev: 7 },
      { saved: false, reason: 'changed' },
      { saved: true, orev: 3, rev: 9 },
    ])
    await drop('source')
    t.same(dropped, ['near', 'far'])
    t.same(warned, [])
  },
)

t.test('what would not go is said so', async (t) => {
  const { drop, dropped, warned } = dropping([])
  await drop('source')
  t.same(dropped, [])
  t.same(warned, ['near', 'far'])
})

t.test('what signs with the credential of one that stays inside now is minted anew', async (t) => {
  const follower = (name: string, serveTokens: boolean) =>
    integrationOf({ name, serveTokens, credentialFrom: 'crm' })
  const owner = (serveTokens: boolean) =>
    integrationOf({
      ...{ name: 'crm', serveTokens },
      grant: { type: 'jwt_bearer', clientId: '3MVG9', username: 'u@acme.com' },
    })
  for (const serves of [true, false]) {
    const dropped: string[] = []
    const drop = createDropDependents({
      integrations: {
        list: async () => ({
          items: [follower('serving', true), follower('kept', false)],
          next: null,
        }),
        read: async () => owner(serves),
      },
      outcomes: {
        look: async () => lookOf(),
        async save(name) {
          dropped.push(name)
          return { saved: true, orev: 2, rev: 2 }
        },
      },
      log: { warn: () => undefined },
    })
    await drop('crm')
    t.same(dropped, serves ? [] : ['serving'], 'in another way than its owner, too')
  }
})
