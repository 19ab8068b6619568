import fc from 'fast-check'
import t from 'tap'
import { matchesGlob } from '../../src/callers/glob.ts'
import { allows, allowsSome, type Principal } from '../../src/callers/policy.ts'

const principal = (permits: Principal['permits']): Principal => ({
  id: 'api-key:billing',
  kind: 'api_key',
  name: 'billing',
  permits,
})

t.test('a principal without permits may do nothing', async (t) => {
  t.notOk(allows(principal([]), 'tokens:read', { name: 'billing', labels: {} }))
  t.notOk(allowsSome(principal([]), 'tokens:read'))
})

t.test('a permit counts for its permission and its globs alone', async (t) => {
  const billing = principal([
    { permission: 'tokens:read', integrations: ['billing', 'billing-*'], labels: {} },
  ])
  t.ok(allows(billing, 'tokens:read', { name: 'billing', labels: {} }))
  t.ok(allows(billing, 'tokens:read', { name: 'billing-eu', labels: {} }))
  t.notOk(allows(billing, 'tokens:read', { name: 'billings', labels: {} }))
  t.notOk(allows(billing, 'tokens:revoke', { name: 'billing', labels: {} }))
})

t.test('every label of a permit must be on the integration', async (t) => {
  const production = principal([
    {
      permission: 'tokens:read',
      integrations: ['*'],
      labels: { environment: 'production', owner: 'billing' },
    },
  ])
  const labels = { environment: 'production', owner: 'billing', tier: '1' }
  t.ok(allows(production, 'tokens:read', { name: 'x', labels }))
  t.notOk(allows(production, 'tokens:read', { name: 'x', labels: { environment: 'production' } }))
  t.notOk(allows(production, 'tokens:read', { name: 'x', labels: {} }))
})

t.test('a permit limited by labels does not cover what does not exist', async (t) => {
  const labelled = principal([
    { permission: 'tokens:read', integrations: ['*'], labels: { owner: 'billing' } },
  ])
  t.notOk(allows(labelled, 'tokens:read', { name: 'nowhere' }))
})

t.test('a glob agrees with the regular expression that it stands for', async () => {
  const alphabet = fc.constantFrom('a', 'b', '*', '-')
  const glob = fc.array(alphabet, { maxLength: 8 }).map((parts) => parts.join(''))
  const name = fc
    .array(fc.constantFrom('a', 'b', '-'), { maxLength: 12 })
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(glob, name, (glob, name) => {
      const expected = new RegExp(`^${glob.replaceAll('*', '.*')}$`).test(name)
      return matchesGlob(glob, name) === expected
    }),
    { numRuns: 5_000 },
  )
})

t.test('nothing but the star is special in a glob', async (t) => {
  t.notOk(matchesGlob('b.lling', 'billing'))
  t.notOk(matchesGlob('billin?', 'billing'))
  t.notOk(matchesGlob('[b]illing', 'billing'))
})
