import t from 'tap'
import { type CallerEntry, type Proven, permitsFor } from '../../src/callers/caller-entry.ts'

const entry = (match: CallerEntry['match'], rest: Partial<CallerEntry> = {}): CallerEntry => ({
  name: 'billing',
  match,
  permissions: ['tokens:read'],
  integrations: ['billing-*'],
  labels: {},
  ...rest,
})
const issuer = 'https://issuer.example'
const jwt = (subject: string, claims: Readonly<Record<string, unknown>> = {}): Proven => ({
  kind: 'jwt',
  issuer,
  subject,
  claims,
})
const certificate = (id: string): Proven => ({ kind: 'mtls', certificate: id })
const matches = (match: CallerEntry['match'], proven: Proven) =>
  permitsFor([entry(match)], proven).permits.length > 0

t.test('a JWT matches by its exact issuer and a glob on its subject', async (t) => {
  const match = { issuer, subject: 'system:serviceaccount:billing:*' }
  t.ok(matches(match, jwt('system:serviceaccount:billing:worker')))
  t.notOk(matches(match, jwt('system:serviceaccount:crm:worker')))
  t.notOk(matches({ ...match, issuer: `${issuer}/` }, jwt('system:serviceaccount:billing:w')))
  t.ok(matches({ issuer }, jwt('anybody')))
})

t.test('an entry without an issuer matches no JWT', async (t) => {
  t.notOk(matches({ subject: '*' }, jwt('billing')))
  t.notOk(matches({ claims: { team: 'billing' } }, jwt('x', { team: 'billing' })))
  t.notOk(matches({}, jwt('billing')))
})

t.test('a claim matches by its value, or contains it where it is an array', async (t) => {
  const wants = (claims: CallerEntry['match']['claims']) => ({ issuer, ...(claims && { claims }) })
  t.ok(matches(wants({ team: 'billing' }), jwt('x', { team: 'billing' })))
  t.ok(matches(wants({ groups: 'billing' }), jwt('x', { groups: ['crm', 'billing'] })))
  t.ok(matches(wants({ level: 3, admin: true }), jwt('x', { level: 3, admin: true })))
  t.notOk(matches(wants({ level: 3 }), jwt('x', { level: '3' })))
  t.notOk(matches(wants({ admin: true }), jwt('x', { admin: 'true' })))
  t.notOk(matches(wants({ groups: 'billing' }), jwt('x', { groups: 'billing-admins' })))
  t.notOk(matches(wants({ groups: 'billing' }), jwt('x', { groups: [['billing']] })))
  t.notOk(matches(wants({ team: 'billing' }), jwt('x')))
  t.notOk(matches(wants({ toString: 'x' }), jwt('x')), 'nothing inherited counts')
  t.notOk(
    matches(wants({ team: 'billing', level: 3 }), jwt('x', { team: 'billing' })),
    'all of them',
  )
})

t.test('a certificate matches by a glob on its id, and nothing else', async (t) => {
  const match = { certificate: 'spiffe://acme.example/ns/billing/*' }
  t.ok(matches(match, certificate('spiffe://acme.example/ns/billing/sa/worker')))
  t.notOk(matches(match, certificate('spiffe://acme.example.evil/ns/billing/sa/worker')))
  t.notOk(matches({ ...match, issuer }, certificate('spiffe://acme.example/ns/billing/x')))
  t.notOk(matches(match, jwt('spiffe://acme.example/ns/billing/x')))
  t.notOk(matches({}, certificate('CN=billing')))
  t.notOk(matches({ subject: '*' }, certificate('CN=billing')))
})

t.test('several matching entries add up, and the first one gives the name', async (t) => {
  const found = permitsFor(
    [
      entry({ issuer: 'https://other.example' }, { name: 'other' }),
      entry({ issuer }, { name: 'first' }),
      entry({ issuer }, { name: 'second', permissions: ['tokens:revoke'], labels: { tier: '1' } }),
    ],
    jwt('x'),
  )
  t.same(found, {
    name: 'first',
    permits: [
      { permission: 'tokens:read', integrations: ['billing-*'], labels: {} },
      { permission: 'tokens:revoke', integrations: ['billing-*'], labels: { tier: '1' } },
    ],
  })
})

t.test('who matches nothing may do nothing', async (t) => {
  t.same(permitsFor([], jwt('x')), { name: undefined, permits: [] })
})

t.test(
  'without a list of integrations only what concerns the whole service is permitted',
  async (t) => {
    const { integrations: _none, ...bare } = entry(
      { issuer },
      {
        permissions: ['tokens:read', 'audit:read', 'service:manage', 'api-keys:write'],
      },
    )
    t.same(
      permitsFor([bare], jwt('x')).permits.map(({ permission, integrations }) => [
        permission,
        integrations,
      ]),
      [
        ['tokens:read', []],
        ['audit:read', ['*']],
        ['service:manage', ['*']],
        ['api-keys:write', []],
      ],
    )
  },
)
