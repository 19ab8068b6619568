import t from 'tap'
import { declaredCaller, placed } from '../../src/callers/authentication/declared-caller.ts'
import { type CallerEntry, type Proven, permitsFor } from '../../src/callers/caller-entry.ts'
import { gainedBy } from '../../src/callers/policy.ts'

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

t.test('an entry with networks counts for the requests from there alone', async (t) => {
  const home = entry({ issuer }, { name: 'home', networks: ['10.0.0.0/8', '2001:db8::/32'] })
  const lab = entry(
    { issuer },
    { name: 'lab', networks: ['192.0.2.0/24'], permissions: ['tokens:revoke'] },
  )
  const free = entry({ issuer }, { name: 'free', permissions: ['audit:read'] })
  const from = (entries: readonly CallerEntry[], ip: string | undefined) => {
    const caller = declaredCaller(entries, jwt('x'), { id: 'x', name: 'x' })
    const refuse = () => new Error('outside')
    return placed(caller, ip === undefined ? undefined : { ip }, refuse)
  }
  for (const ip of ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::1']) {
    t.match(from([home, lab], ip), { name: 'home', permits: [{ permission: 'tokens:read' }] })
  }
  t.equal(from([home, lab], '10.1.2.3').permits.length, 1)
  t.match(from([home, lab], '192.0.2.7'), { name: 'lab', permits: [{ networks: lab.networks }] })
  for (const ip of ['198.51.100.1', '::ffff:198.51.100.1', '2001:db9::1', '', undefined]) {
    t.throws(() => from([home, lab], ip), { message: 'outside' }, `from ${ip}`)
    t.match(from([home, free], ip), { name: 'free', permits: [{ permission: 'audit:read' }] })
    t.same(from([], ip).permits, [], 'who matches nothing is not outside of anything')
  }
  const both = declaredCaller([home, free], jwt('x'), { id: 'x', name: 'x' })
  t.equal(both.from?.('10.0.0.1'), both.from?.('10.0.0.2'), 'made once')
  t.notOk('from' in declaredCaller([free], jwt('x'), { id: 'x', name: 'x' }), 'nothing to look at')
})

t.test('nobody gains by labels from one network what counts from another', async (t) => {
  const lab = entry({ issuer }, { networks: ['192.0.2.0/24'], labels: { lab: '1' } })
  const free = entry({ issuer }, { permissions: ['integrations:write'] })
  const caller = declaredCaller([lab, free], jwt('x'), { id: 'x', name: 'x' })
  const target = { name: 'billing-1', labels: {} }
  const labelled = { ...target, labels: { lab: '1' } }
  for (const ip of ['192.0.2.1', '198.51.100.1']) {
    const principal = placed(caller, { ip }, () => new Error('outside'))
    t.same(gainedBy(principal, target, labelled), ['tokens:read'], ip)
  }
  const wide = entry({ issuer }, { labels: { open: '1' } })
  const opened = { ...target, labels: { open: '1' } }
  const { principal } = declaredCaller([lab, wide], jwt('x'), { id: 'x', name: 'x' })
  t.same(gainedBy(principal, labelled, opened), ['tokens:read'], 'from everywhere is more')
  t.same(gainedBy(principal, opened, labelled), [])
})
