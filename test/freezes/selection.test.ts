import t from 'tap'
import type { Freeze, Selector } from '../../src/freezes/freeze.ts'
import { type Selectable, selectionOf } from '../../src/freezes/selection.ts'

const ORG = '00D000000000001EAA'
const billing = {
  name: 'billing',
  labels: { environment: 'production', owner: 'billing' },
  grant: { type: 'client_credentials', clientId: 'app' },
  credentials: [{ id: '1', clientId: 'green' }],
  identity: { pin: 'off' },
} as unknown as Selectable

const selector = (members: Partial<Selector>): Selector => ({
  ...{ integrations: [], labels: {}, clientIds: [], orgIds: [], all: false },
  ...members,
})

const freeze = (id: string, members: Partial<Selector>): Freeze => ({
  ...{ id, selector: selector(members), reason: 'x', since: 0, by: 'admin' },
  ...{ revoke: true, revokeRefreshTokens: false },
})

const selects = (members: Partial<Selector>, orgIds: readonly string[] = [], of = billing) =>
  selectionOf([freeze('one', members)]).find(of, orgIds) !== undefined

t.test('any member of a selector selects', async (t) => {
  t.notOk(selects({}), 'an empty one selects nothing')
  t.ok(selects({ all: true }))
  t.ok(selects({ integrations: ['crm', 'billing'] }))
  t.notOk(selects({ integrations: ['crm'] }))
  t.ok(selects({ labels: { owner: 'billing' } }))
  t.notOk(selects({ labels: { owner: 'billing', environment: 'test' } }), 'all labels are needed')
  t.ok(selects({ clientIds: ['app'] }))
  t.ok(selects({ clientIds: ['green'] }), 'also of a staged credential')
  t.notOk(selects({ clientIds: ['other'] }))
  t.ok(selects({ integrations: ['crm'], clientIds: ['app'] }))
})

t.test('an org is the same with 15 and with 18 characters', async (t) => {
  t.ok(selects({ orgIds: [ORG] }, [ORG.slice(0, 15)]))
  t.ok(selects({ orgIds: [ORG.slice(0, 15)] }, [ORG]))
  t.notOk(selects({ orgIds: [ORG] }, []))
  const expecting = { ...billing, identity: { pin: 'user', expect: { orgId: ORG } } } as Selectable
  t.ok(selects({ orgIds: [ORG] }, [], expecting), 'also the org that it is to belong to')
})

t.test('the first of several freezes is the one that is told', async (t) => {
  const selection = selectionOf([
    freeze('other', { integrations: ['crm'] }),
    freeze('first', { all: true }),
    freeze('second', { integrations: ['billing'] }),
  ])
  t.equal(selection.find(billing, [])?.id, 'first')
  t.notOk(selection.usesOrgs)
})
