import fc from 'fast-check'
import t from 'tap'
import { matchesGlob } from '../../src/callers/glob.ts'
import { allows, allowsSome, type Principal, passing } from '../../src/callers/policy.ts'
import { provingBy } from '../../src/callers/proof-policy.ts'

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

t.test('the permits of a request count for it alone, whatever came before', async (t) => {
  const limited = (permission: 'tokens:read' | 'tokens:prove') =>
    ['query', 'limits'].map((path) => ({
      ...{ permission, integrations: [path, 'both'], labels: {} },
      requests: [`GET /services/data/*/${path}`],
    }))
  const reader = principal(limited('tokens:read'))
  const prover = principal(limited('tokens:prove'))
  const targets = ['query', 'limits', 'other', 'query', 'query', 'limits']
  for (const target of targets) {
    const request = { method: 'GET', target: `/services/data/v66.0/${target}` }
    const reads = passing(reader, () => [request])
    for (const name of ['query', 'limits', 'both']) {
      const isPermitted = target === name || (name === 'both' && target !== 'other')
      const found = provingBy(prover, 'tokens:prove', name, [request])
      const proves = typeof found === 'object' && 'prover' in found ? found.prover : undefined
      const asked = { name, labels: {} }
      t.equal(allows(reads, 'tokens:read', asked), isPermitted, `${target} reads ${name}`)
      t.equal(proves !== undefined, isPermitted, `${target} proves ${name}`)
      t.equal(proves ? allows(proves, 'tokens:read', asked) : false, isPermitted)
      const again = provingBy(prover, 'tokens:prove', name, [request])
      t.same(again, found)
    }
  }
  const query = { method: 'GET', target: '/services/data/v66.0/query' }
  const both = () => [
    passing(reader, () => [query]),
    provingBy(reader, 'tokens:read', 'query', [query]),
  ]
  const [[passed, proved], [passedAgain, provedAgain]] = [both(), both()]
  t.equal(passedAgain, passed, 'one request may need both, and what is remembered of each holds')
  t.same(provedAgain, proved)
  t.notOk(allows(reader, 'tokens:read', { name: 'both', labels: {} }), 'not without a request')
  t.equal(
    passing(reader, () => []),
    reader,
  )
})
