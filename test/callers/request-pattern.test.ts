import fc from 'fast-check'
import t from 'tap'
import { permitsRequest, REQUEST_PATTERN } from '../../src/callers/request-pattern.ts'

const QUERY = 'GET /services/data/*/query'
const ACCOUNTS = 'POST /services/data/*/sobjects/Account/'

const permits = (patterns: readonly string[], method: string, target: string) =>
  permitsRequest(patterns, { method, target })

t.test('a method and a path decide, and the query does not', async (t) => {
  const permitted = [
    ['GET', '/services/data/v66.0/query'],
    ['GET', '/services/data/v66.0/query/'],
    ['GET', '/services/data/v66.0/query?q=SELECT+Id+FROM+Account%3B'],
    ['POST', '/services/data/v66.0/sobjects/Account'],
    ['POST', '/services/data/v66.0/sobjects/Account/'],
  ] as const
  for (const [method, target] of permitted) {
    t.ok(permits([QUERY, ACCOUNTS], method, target), `${method} ${target}`)
  }
  const refused = [
    ['POST', '/services/data/v66.0/query'],
    ['get', '/services/data/v66.0/query'],
    ['GET', '/services/data/v66.0/tooling/query'],
    ['GET', '/services/data/v66.0/query/01g'],
    ['GET', '/services/data/query'],
    ['GET', '/services/data/v66.0/Query'],
    ['POST', '/services/data/v66.0/sobjects/Account/001'],
    ['POST', '/services/data/v66.0/sobjects/AccountShare'],
    ['', ''],
  ] as const
  for (const [method, target] of refused) {
    t.notOk(permits([QUERY, ACCOUNTS], method, target), `${method} ${target}`)
  }
})

t.test('a star is any method, a run within a segment, or the rest at the end', async (t) => {
  t.ok(permits(['* /services/data/*'], 'PATCH', '/services/data/v66.0/sobjects/A/b'))
  t.notOk(permits(['* /services/data/*'], 'GET', '/services/data'))
  t.ok(permits(['GET /services/data/v*.0/limits'], 'GET', '/services/data/v66.0/limits'))
  t.notOk(permits(['GET /services/data/v*.0/limits'], 'GET', '/services/data/v66.0/x/y.0/limits'))
  t.ok(permits(['GET /'], 'GET', '/?a'))
})

t.test('a request that can be read in two ways is not permitted', async (t) => {
  const all = ['* /*', '* /']
  const ambiguous = [
    ...['', 'x', '*', '//', '//a', '/a//b', '/a/../b', '/a/./b', '/a/..', '/..;/a', '/a;x=1/b'],
    ...['/a\\b', '/a%2fb', '/a%2Fb', '/a%5cb', '/%2e%2e/a', '/a%2E', '/%41', '/a%252fb', '/a%3bx'],
    ...['/a%00', '/a%0d%0ab', '/a%7f', '/a%', '/a%2', '/a%zz', '/a b', '/a\tb', '/a#b', '/a?x#y'],
    ...['/é', '/a"b', '/a<b', '/a|b', '/a^b', '/a`b', '/a{b}', '/a%3fb', '/a%23b', '/.../a'],
    ...['http://host/a', '/a, /b', '/a%7e', '/a%5f'],
    ...['/a?_HttpMethod=PATCH', '/a?x=1&_httpmethod=DELETE', '/a?%5FHttpMethod=PATCH'],
    ...['/a?x;_HttpMethod=PATCH', '/a??_HttpMethod=PATCH', '/a?+_HttpMethod=PATCH'],
    ...['/a?_HttpMethod%00=PATCH', '/a?%u005fHttpMethod=PATCH', '/a?_HttpMethod%ff=x', '/a?%=x'],
    ...['/a?x, /b', '/a?x\ty'],
    // Overlong, half and surrogate characters, and those that fold to dots and slashes.
    ...['/%c0%ae%c0%ae/a', '/a%c0%afb', '/a%e0%80%af', '/a%c3', '/a%ed%a0%80', '/a%ff'],
    ...['/%ef%bc%8e%ef%bc%8e/a', '/a%ef%bc%8fb', '/%e2%80%a5/a', '/%e2%80%a6', '/a%ef%bc%85'],
  ]
  for (const target of ambiguous) t.notOk(permits(all, 'POST', target), target)
  for (const method of ['', 'post', 'POST ', 'GET, POST', 'GET\n', '*']) {
    t.notOk(permits(all, method, '/a'), method)
  }
  const clear = [
    '/a%E2%84%A2',
    '/a?caf%C3%A9=%ff',
    '/',
    '/a',
    '/a/',
    '/a%20b',
    '/a%C3%A9',
    '/a?b=%2f..//',
    "/a/b(c)'d':e@f,g=h&i!j$k",
  ]
  for (const target of clear) t.ok(permits(all, 'POST', target), target)
})

t.test('a pattern has a form', async (t) => {
  const form = new RegExp(REQUEST_PATTERN.pattern)
  for (const pattern of [QUERY, ACCOUNTS, '* /*', 'GET /', 'DELETE /a/b*c/']) {
    t.match(pattern, form, pattern)
  }
  const wrong = [
    ...['', 'GET', '/a', 'get /a', 'GET  /a', 'GET /a?b', 'GET /a//b', 'GET /a%20b', 'GET a'],
    ...['GET /a;b', 'GET /a b', 'G*T /a', 'GET /a\n'],
  ]
  for (const pattern of wrong) t.notMatch(pattern, form, pattern)
})

/** What other servers make of a target: each reads a part of it in a way of its own. */
const STEPS: readonly ((target: string) => string)[] = [
  (target) => target.replace(/[?#].*/s, ''),
  (target) =>
    target.replaceAll(/(?:%[0-9a-f]{2})+/gi, (run) =>
      Buffer.from(run.replaceAll('%', ''), 'hex').toString(),
    ),
  (target) => target.replaceAll(/%c0%ae/gi, '.'),
  (target) => target.replaceAll('\\', '/'),
  (target) => target.replaceAll(/;[^/]*/g, ''),
  (target) => target.replaceAll(/\p{Cc}.*/gsu, ''),
  (target) => target.normalize('NFKC'),
  (target) => new URL(`http://host${target.startsWith('/') ? '' : '/'}${target}`).pathname,
  (target) => target.replaceAll(/\/+/g, '/'),
]

t.test('what is permitted has the same path for every reader', (t) => {
  const piece = fc.constantFrom(
    ...[
      '/services/data/v66.0/query',
      '/services/data/v66.0/limits',
      '/query',
      '/limits',
      '/',
      '//',
    ],
    ...['/.', '/..', '/%2e%2e', '%2f', '%5c', '\\', ';', ';x=1', '%3b', '?', '#', '%3f', '%23'],
    ...['%00', '%0a', '%25', '%252e', '%c0%ae%c0%ae', '%ef%bc%8f', '%e2%80%a5', '%C3%A9', '%20'],
  )
  const target = fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(''))
  const steps = fc.array(fc.constantFrom(...STEPS), { maxLength: 6 })
  let permitted = 0
  fc.assert(
    fc.property(target, steps, (written, readers) => {
      if (!permits(['* /services/data/v*/query'], 'GET', written)) return
      permitted += 1
      const read = [...readers, STEPS[0]].reduce((now, step) => step?.(now) ?? now, written)
      if (!/^\/services\/data\/v[^/]*\/query\/?$/.test(read)) throw new Error(`${written}: ${read}`)
    }),
    { numRuns: 20_000 },
  )
  t.ok(permitted > 100, `${permitted} were permitted`)
  t.end()
})
