import fc from 'fast-check'
import t from 'tap'
import { patternRefusal } from '../../../src/callers/proof-pattern.ts'
import { htuOf } from '../../../src/dpop/proof.ts'
import { provableAt, splitRequest } from '../../../src/tokens/prove/asked-request.ts'

const ORIGIN = 'https://acme.my.salesforce.com'
const PATTERNS = ['* /services/data/*', '* /a']

/** What would be signed. Undefined: nothing. */
function signed(url: string, origin = ORIGIN): string | undefined {
  const split = splitRequest({ method: 'GET', url })
  if (split?.origin !== origin || patternRefusal(PATTERNS, split) !== undefined) return undefined
  return provableAt(origin, split).url
}

t.test('signs the bytes of the URL up to the query', async (t) => {
  for (const path of ['/a', '/services/data/v66.0/query', '/services/data/v66.0/x%20y/']) {
    for (const query of ['', '?', '?q=SELECT+Id', "?q='%2F..//&x=http://evil/"]) {
      t.equal(signed(`${ORIGIN}${path}${query}`), `${ORIGIN}${path}`)
    }
  }
})

t.test('signs for no other place, however it is written', async (t) => {
  const urls = [
    ...[
      '',
      '/a',
      '//acme.my.salesforce.com/a',
      'acme.my.salesforce.com/a',
      ORIGIN,
      `${ORIGIN}?x=/a`,
    ],
    ...['http://acme.my.salesforce.com/a', 'HTTPS://acme.my.salesforce.com/a', `${ORIGIN}:443/a`],
    ...[`${ORIGIN}:8443/a`, 'https://ACME.my.salesforce.com/a', `${ORIGIN}./a`, `${ORIGIN}.evil/a`],
    ...['https://user@acme.my.salesforce.com/a', 'https://u:p@acme.my.salesforce.com/a'],
    ...[`${ORIGIN}@evil/a`, `${ORIGIN}:x@evil/a`, `${ORIGIN}#@evil/a`, `${ORIGIN}\\@evil/a`],
    ...['https:/acme.my.salesforce.com/a', 'https:\\\\acme.my.salesforce.com/a', `${ORIGIN}\\a`],
    ...['https://acm\u00e9.my.salesforce.com/a', 'https://acme.my.salesforce\u3002com/a'],
    ...['https://xn--acm-dma.my.salesforce.com/a', 'https://acme%2emy.salesforce.com/a'],
    ...[` ${ORIGIN}/a`, `${ORIGIN}/a `, `${ORIGIN}/a\n`, `\t${ORIGIN}/a`, `${ORIGIN}/\u00e9`],
    ...[`${ORIGIN}/a#x`, `${ORIGIN}/a?x#y`, `${ORIGIN}//a`, `${ORIGIN}/x/../a`, `${ORIGIN}/./a`],
    ...[`${ORIGIN}/%61`, `${ORIGIN}/a%2f`, `${ORIGIN}/a;x`, `${ORIGIN}/a?_HttpMethod=PATCH`],
    ...['https://evil/a', 'https://evil/https://acme.my.salesforce.com/a', 'https:///a', 'data:/a'],
    ...[`${ORIGIN}/services/data/v66.0/../../oauth2/token`, `${ORIGIN}/services/oauth2/token`],
  ]
  for (const url of urls) t.equal(signed(url), undefined, url)
})

t.test('a port is part of the place', async (t) => {
  t.equal(signed('http://127.0.0.1:8081/a?x', 'http://127.0.0.1:8081'), 'http://127.0.0.1:8081/a')
  t.equal(signed('http://127.0.0.1:8082/a', 'http://127.0.0.1:8081'), undefined)
  t.equal(signed('http://127.0.0.1/a', 'http://127.0.0.1:8081'), undefined)
  t.equal(signed('http://[::1]:8081/a', 'http://[::1]:8081'), 'http://[::1]:8081/a')
})

const PIECES = [
  ...[
    'https:',
    '//',
    '/',
    '\\',
    '@',
    ':',
    ':443',
    '.',
    '..',
    '%2e',
    '%2F',
    ';',
    '?',
    '#',
    ' ',
    '\t',
  ],
  ...['acme.my.salesforce.com', 'ACME', 'evil.example', 'services', 'data', 'v66.0', 'a', 'oauth2'],
  ...['user', '\u00e9', '\u3002', '_HttpMethod=PATCH', '&', '=', '%', '%00'],
]

t.test('what is signed is what every client would call, and what was allowed', async () => {
  let count = 0
  const tail = fc.array(fc.constantFrom(...PIECES), { maxLength: 8 }).map((parts) => parts.join(''))
  const url = fc.oneof(
    tail,
    tail.map((rest) => `${ORIGIN}${rest}`),
    tail.map((rest) => `${ORIGIN}/services/data/${rest}`),
  )
  fc.assert(
    fc.property(url, (text) => {
      const htu = signed(text)
      if (htu === undefined) return true
      count += 1
      const parsed = new URL(text)
      return (
        text.startsWith(htu) &&
        htu === htuOf(text) &&
        htu === `${parsed.origin}${parsed.pathname}` &&
        parsed.origin === ORIGIN &&
        parsed.username === '' &&
        parsed.hash === '' &&
        patternRefusal(PATTERNS, { method: 'GET', target: parsed.pathname }) === undefined
      )
    }),
    { numRuns: 20_000 },
  )
  if (count < 10) throw new Error(`only ${count} were signed, so little was shown`)
})
