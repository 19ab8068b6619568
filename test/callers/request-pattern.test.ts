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
  ]
  for (const target of ambiguous) t.notOk(permits(all, 'POST', target), target)
  for (const method of ['', 'post', 'POST ', 'GET, POST', 'GET\n', '*']) {
    t.notOk(permits(all, method, '/a'), method)
  }
  const clear = ['/', '/a', '/a/', '/a%20b', '/a%C3%A9', '/a?b=%2f..//', "/a/b(c)'d':e@f,g=h&i!j$k"]
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
