import fc from 'fast-check'
import t from 'tap'
import { patternRefusal } from '../../src/callers/proof-pattern.ts'
import { permitsRequest } from '../../src/callers/request-pattern.ts'

const refusal = (patterns: readonly string[], method: string, target: string) =>
  patternRefusal(patterns, { method, target })

t.test('a pattern permits proofs as it permits requests', async (t) => {
  const patterns = ['GET /services/data/*/query', 'POST /services/data/*/sobjects/*']
  t.equal(refusal(patterns, 'GET', '/services/data/v66.0/query?q=SELECT+Id'), undefined)
  t.equal(refusal(patterns, 'POST', '/services/data/v66.0/sobjects/Account/'), undefined)
  t.equal(refusal(patterns, 'POST', '/services/data/v66.0/query'), 'not_permitted')
  t.equal(refusal([], 'GET', '/services/data/v66.0/query'), 'not_permitted')
  t.equal(refusal(patterns, 'GET', '/services/data/v66.0/x/../query'), 'ambiguous')
  t.equal(refusal(patterns, 'GET', '/services/data/v66.0//query'), 'ambiguous')
  t.equal(refusal(patterns, 'GET', '/services/data/v66.0%2Fquery'), 'ambiguous')
  t.equal(refusal(patterns, 'get', '/services/data/v66.0/query'), 'ambiguous')
  t.equal(refusal(patterns, 'GET', '/services/data/v66.0/query?_HttpMethod=PATCH'), 'ambiguous')
})

t.test('no pattern permits what belongs to the token itself', async (t) => {
  const never = [
    ...['/services/oauth2/token', '/services/oauth2/revoke', '/services/oauth2', '/oauth2/token'],
    ...['/services/OAuth2/token', '/Services/OAUTH2/userinfo', '/site/services/oauth2/token'],
    ...['/services/%C5%BFx/oauth2/singleaccess', '/services/data/oauth2/x'],
    ...[
      '/id/00D000000000001AAA/005000000000001AAA',
      '/ID/x',
      '/id',
      '/site/id/00D/005',
      '/%C4%B1d/x',
    ],
    ...['/secur/frontdoor.jsp', '/secur/frontdoor.jsp?sid=x', '/Secur/x', '/FrontDoor.jsp'],
    ...['/services/data/v66.0/frontdoor.jsp', '/services/oauth2/singleaccess', '/singleaccess'],
  ]
  for (const path of never) {
    const literal = `* ${path.split('?')[0]}`
    for (const patterns of [['* /*'], ['* /*/*/*', '* /*'], [literal], [literal, '* /*']]) {
      t.equal(refusal(patterns, 'POST', path), 'never', path)
    }
  }
  t.equal(
    refusal(['* /services/*'], 'PATCH', '/services/data/v66.0/sobjects/Account/Id/x'),
    undefined,
  )
})

t.test('a star stands for no segment that hides many acts', async (t) => {
  const data = '/services/data/v66.0'
  const wide = [
    ...[`${data}/composite`, `${data}/composite/batch`, `${data}/composite/graph`],
    ...[`${data}/graphql`, `${data}/Composite/sobjects`, `${data}/connect/batch/a,b`],
    ...[`${data}/tooling/executeAnonymous`, `${data}/tooling/executeanonymous/`],
    ...['/services/Soap/u/66.0', '/services/soap/m/66.0', '/services/Soap/class/MyClass'],
    ...['/services/apexrest/orders', '/services/ApexRest/ns/orders/1', `${data}/GraphQL`],
    ...[`${data}/%EF%BD%87raphql`],
  ]
  for (const path of wide) {
    const parts = path.split('/').filter(Boolean)
    t.equal(refusal(['* /*'], 'POST', path), 'unnamed', path)
    t.equal(refusal(['* /services/*'], 'POST', path), 'unnamed', path)
    t.equal(refusal([`* /${parts.map(() => '*').join('/')}`], 'POST', path), 'unnamed', path)
    const stars = parts.map((part) => `${part[0]}*`).filter((part) => !part.startsWith('%'))
    if (stars.length === parts.length) {
      t.equal(refusal([`* /${stars.join('/')}`], 'POST', path), 'unnamed', path)
    }
    if (!path.includes('%')) t.equal(refusal([`POST ${path}`], 'POST', path), undefined, path)
  }
  t.equal(refusal(['POST /services/data/*/composite'], 'POST', `${data}/composite`), undefined)
  t.equal(refusal(['* /services/data/*/composite/*'], 'POST', `${data}/composite/batch`), 'unnamed')
  t.equal(
    refusal(['* /services/data/*/composite/*'], 'POST', `${data}/composite/tree/A`),
    undefined,
  )
  t.equal(
    refusal(['* /services/apexrest/orders/*'], 'GET', '/services/apexrest/orders/7'),
    undefined,
  )
  t.equal(refusal(['* /services/apexrest/*'], 'GET', '/services/APEXREST/orders'), 'not_permitted')
})

const piece = fc.constantFrom(
  ...['services', 'Services', 'data', 'v66.0', 'query', 'composite', 'graphql', 'oauth2', 'OAUTH2'],
  ...[
    'id',
    'secur',
    'apexrest',
    'Soap',
    'batch',
    'Account',
    '001',
    '%2e',
    '%2F',
    '..',
    '.',
    '',
    ';x',
  ],
  ...['%c5%bf', '\u00e9', 'a b', '?x', '#y', '\\', '%00', '@', ':'],
)
const path = fc.array(piece, { maxLength: 7 }).map((pieces) => `/${pieces.join('/')}`)
const glob = fc.constantFrom('*', 'services', 'data', 'composite', 'apexrest', 'v*', 'id', 'oauth2')
const pattern = fc
  .array(glob, { minLength: 1, maxLength: 6 })
  .map((globs) => `* /${globs.join('/')}`)

t.test('what is permitted for a proof is permitted, and is named where it must be', async () => {
  let permitted = 0
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 4 }), path, (patterns, target) => {
      if (refusal(patterns, 'POST', target) !== undefined) return true
      permitted += 1
      const [called = ''] = target.split('?')
      const segments = called.split('/').slice(1)
      // What stands in the query changes no path, but a fragment and a blank belong to no request.
      const isClean = !/[\\;]|%2|%00|\/\/|\/\.{1,2}(\/|$)/i.test(called) && !/[#\s]/.test(target)
      const isNever = segments.some((segment) => segment.toLowerCase() === 'oauth2')
      const isWide = segments.some((segment) =>
        /^(composite|graphql|soap|apexrest|batch)$/i.test(segment),
      )
      const names = patterns.join(' ').split(/[ /]/)
      return (
        permitsRequest(patterns, { method: 'POST', target }) &&
        isClean &&
        !isNever &&
        (!isWide || segments.some((segment) => names.includes(segment)))
      )
    }),
    { numRuns: 5_000, examples: [[['* /services/*'], '/services/data/v66.0/query']] },
  )
  if (permitted === 0) throw new Error('no request was permitted, so nothing was shown')
})
