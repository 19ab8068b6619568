import t from 'tap'
import type { Credential, CredentialState } from '../../../src/credentials/credential.ts'
import type { Integration } from '../../../src/integrations/integration.ts'
import { candidatesOf } from '../../../src/tokens/mint/candidates.ts'

const integration: Pick<Integration, 'grant'> = {
  grant: { type: 'client_credentials', clientId: 'blue' },
}
const make = (id: string, state: CredentialState, more: Partial<Credential> = {}): Credential => ({
  ...{ id, state, type: 'client_secret', clientId: null, createdAt: 1, activatedAt: null },
  ...{ retiresAt: null, certificate: null },
  ...more,
})
const ALL = [
  make('r', 'retired'),
  make('s', 'staged'),
  make('p', 'pending'),
  make('a', 'active'),
] as const
const idsOf = (credentials: readonly Credential[], workedLast?: string) =>
  candidatesOf(integration, credentials, workedLast).map(({ id }) => id)

t.test('the active one comes first, then the staged, then the retired', async (t) => {
  t.same(idsOf(ALL), ['a', 's', 'r'])
  t.same(idsOf(ALL, 'r'), ['r', 'a', 's'], 'but for the one that worked last')
  t.same(idsOf(ALL, 's'), ['a', 's', 'r'], 'which is never a staged one')
  t.same(idsOf([make('s', 'staged')]), [], 'without an active one there is none')
})

t.test('a staged one of another client is no candidate, a retired one is', async (t) => {
  const green = { clientId: 'green' }
  t.same(idsOf([make('a', 'active'), make('s', 'staged', green)]), ['a'])
  t.same(idsOf([make('a', 'active', green), make('s', 'staged')]), ['a'])
  t.same(idsOf([make('a', 'active'), make('r', 'retired', green)]), ['a', 'r'])
  const named = make('s', 'staged', { clientId: 'blue' })
  t.same(idsOf([make('a', 'active'), named]), ['a', 's'], 'it is the same client')
})

t.test('one of another kind, from before a change of the grant, is no candidate', async (t) => {
  const key = { type: 'certificate' } as const
  t.same(idsOf([make('a', 'active'), make('s', 'staged', key), make('r', 'retired', key)]), ['a'])
})
