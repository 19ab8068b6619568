import fc from 'fast-check'
import t from 'tap'
import { matchesGlob } from '../../src/callers/glob.ts'
import { containsGlob, managesGrant, mayGrant } from '../../src/callers/granting.ts'
import type { Permit, Principal } from '../../src/callers/policy.ts'

const maker = (...permits: readonly Permit[]): Principal => ({
  id: 'api-key:maker',
  kind: 'api_key',
  name: 'maker',
  permits,
})
const permit = (
  permission: Permit['permission'],
  integrations: readonly string[],
  labels: Permit['labels'] = {},
): Permit => ({ permission, integrations, labels })

const grant = (
  permissions: readonly Permit['permission'][],
  integrations: readonly string[],
  labels: Permit['labels'] = {},
) => ({ permissions, integrations, labels })

t.test('a glob that contains another matches whatever the other matches', async () => {
  const glob = fc
    .array(fc.constantFrom('a', 'b', '-', '*'), { maxLength: 6 })
    .map((parts) => parts.join(''))
  const filler = fc.array(fc.constantFrom('a', 'b', '-'), { maxLength: 4 }).map((p) => p.join(''))
  fc.assert(
    fc.property(
      glob,
      glob,
      fc.array(filler, { minLength: 6, maxLength: 6 }),
      (outer, inner, fill) => {
        const parts = inner.split('*')
        const name = parts
          .map((part, at) => (at === 0 ? part : (fill[at - 1] ?? '') + part))
          .join('')
        return !containsGlob(outer, inner) || !matchesGlob(inner, name) || matchesGlob(outer, name)
      },
    ),
    { numRuns: 20_000 },
  )
})

t.test('containment is shown where it is plain', async (t) => {
  const yes = [
    ['*', '*'],
    ['*', 'billing'],
    ['*', 'a*b'],
    ['billing-*', 'billing-*'],
    ['billing-*', 'billing-eu-*'],
    ['billing-*', 'billing-eu'],
    ['*-prod', 'eu-*-prod'],
    ['a*c', 'ab*bc'],
    ['billing', 'billing'],
  ] as const
  for (const [outer, inner] of yes) t.ok(containsGlob(outer, inner), `${outer} contains ${inner}`)
  const no = [
    ['billing', '*'],
    ['billing', 'billing*'],
    ['billing-*', 'billing*'],
    ['billing-*', '*'],
    ['billing-*', '*billing-*'],
    ['*-prod', '*'],
    ['a*c', 'a*'],
    ['', '*'],
  ] as const
  for (const [outer, inner] of no) t.notOk(containsGlob(outer, inner), `${outer} not ${inner}`)
})

t.test(
  'each permission that is granted must be the own one, over as many integrations',
  async (t) => {
    const billing = maker(
      permit('api-keys:write', ['*']),
      permit('tokens:read', ['billing-*']),
      permit('integrations:read', ['*']),
    )
    t.ok(mayGrant(billing, grant(['tokens:read'], ['billing-*'])))
    t.ok(mayGrant(billing, grant(['tokens:read', 'integrations:read'], ['billing-eu'])))
    t.notOk(mayGrant(billing, grant(['tokens:read'], ['*'])))
    t.notOk(mayGrant(billing, grant(['tokens:read'], ['billing-eu', 'crm'])))
    t.notOk(mayGrant(billing, grant(['tokens:revoke'], ['billing-eu'])))
  },
)

t.test('api-keys:write itself is limited to integrations', async (t) => {
  const narrow = maker(permit('api-keys:write', ['dev-*']), permit('tokens:read', ['*']))
  t.ok(mayGrant(narrow, grant(['tokens:read'], ['dev-*'])))
  t.notOk(mayGrant(narrow, grant(['tokens:read'], ['*'])))
  t.ok(managesGrant(narrow, { integrations: ['dev-1'], labels: {} }))
  t.notOk(managesGrant(narrow, { integrations: ['dev-1', 'prod-1'], labels: {} }))
})

t.test('a limit by labels is handed on, and may be narrowed', async (t) => {
  const labelled = maker(
    permit('api-keys:write', ['*']),
    permit('tokens:read', ['*'], { environment: 'test' }),
  )
  t.notOk(mayGrant(labelled, grant(['tokens:read'], ['*'])))
  t.notOk(mayGrant(labelled, grant(['tokens:read'], ['*'], { environment: 'production' })))
  t.notOk(mayGrant(labelled, grant(['tokens:read'], ['*'], { toString: 'test' })))
  t.ok(mayGrant(labelled, grant(['tokens:read'], ['*'], { environment: 'test' })))
  t.ok(mayGrant(labelled, grant(['tokens:read'], ['a'], { environment: 'test', owner: 'x' })))
})

t.test('several permits add up glob by glob, and never label by label', async (t) => {
  const both = maker(
    permit('api-keys:write', ['*']),
    permit('tokens:read', ['a-*']),
    permit('tokens:read', ['b-*']),
    permit('tokens:read', ['c-*'], { one: '1' }),
    permit('tokens:read', ['c-*'], { two: '2' }),
  )
  t.ok(mayGrant(both, grant(['tokens:read'], ['a-1', 'b-*'])))
  t.notOk(mayGrant(both, grant(['tokens:read'], ['*-1'])))
  t.notOk(mayGrant(both, grant(['tokens:read'], ['c-1'])))
})

t.test('without api-keys:write nothing can be granted', async (t) => {
  t.notOk(mayGrant(maker(permit('tokens:read', ['*'])), grant(['tokens:read'], ['a'])))
  t.notOk(mayGrant(maker(), grant(['tokens:read'], ['a'])))
})

t.test('what counts from some networks is granted for these, or for fewer', async (t) => {
  const read = permit('tokens:read', ['a-*'])
  const inside = maker(permit('api-keys:write', ['*']), {
    ...read,
    networks: ['10.0.0.0/8', '::1'],
  })
  const wanted = grant(['tokens:read'], ['a-1'])
  t.notOk(mayGrant(inside, wanted))
  t.notOk(mayGrant(inside, { ...wanted, networks: ['0.0.0.0/0'] }))
  t.notOk(mayGrant(inside, { ...wanted, networks: ['::1', '10.0.0.1'] }), 'compared as text')
  t.ok(mayGrant(inside, { ...wanted, networks: ['::1'] }))
  const free = maker(permit('api-keys:write', ['*']), ...inside.permits, read)
  t.ok(mayGrant(free, wanted), 'it may do so from everywhere')
})
