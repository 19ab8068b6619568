import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Secret } from '../../../src/crypto/secret.ts'
import { BrokerError } from '../../../src/errors/errors.ts'
import { refusalOf } from '../../../src/grants/refusals/refusals.ts'
import {
  clientSecretBasic,
  clientSecretPost,
  noClientAuth,
} from '../../../src/grants/token-endpoint/client-auth.ts'
import { createTokenEndpoint } from '../../../src/grants/token-endpoint/token-endpoint.ts'
import { createHostRules } from '../../../src/http/outbound/login-host.ts'
import type { OutboundOutcome } from '../../../src/http/outbound/outbound.ts'
import { type Answer, json } from '../../http/listener.ts'
import { CLIENT_ID, fixture, NOW, problemOf, TOKEN } from '../fixture.ts'

const SECRET = 'planted-client-secret'

async function ask(t: Test, answer: Answer, deadlineMs?: number) {
  const { context, loginUrl, signal, server } = await fixture(t, answer, deadlineMs)
  const request = {
    loginUrl,
    clientId: CLIENT_ID,
    clientAuth: clientSecretPost(new Secret(SECRET)),
    grantType: 'client_credentials',
    repeatable: true,
    signal,
  }
  return { result: context.endpoint.token(request), server }
}

const raw =
  (status: number, headers: Record<string, string>, body: string | Buffer): Answer =>
  (response) =>
    response.writeHead(status, headers).end(body)

const HTML = { 'content-type': 'text/html; charset=UTF-8' }
const JSON_TYPE = { 'content-type': 'application/json' }
const PAGE = '<!DOCTYPE html><html><body>Down for maintenance</body></html>'
const TEXT = JSON.stringify(TOKEN)

t.test('posts a form that says what is asked, and nothing in the URL', async (t) => {
  const { context, loginUrl, signal, server } = await fixture(t, json(TOKEN))
  const answer = await context.endpoint.token({
    loginUrl,
    clientId: CLIENT_ID,
    clientAuth: noClientAuth,
    grantType: 'urn:example',
    parameters: { assertion: 'a+b c' },
    repeatable: true,
    signal,
  })
  t.equal(answer.accessToken.reveal(), TOKEN.access_token)
  const [request] = server.requests
  t.equal(request?.method, 'POST')
  t.equal(request?.url, '/services/oauth2/token')
  t.equal(request?.headers.accept, 'application/json')
  t.match(request?.headers['content-type'], /^application\/x-www-form-urlencoded/)
  t.equal(request?.headers.authorization, undefined)
  t.same(Object.fromEntries(new URLSearchParams(request?.body)), {
    assertion: 'a+b c',
    grant_type: 'urn:example',
  })
})

t.test('takes a token in whatever envelope it comes', async (t) => {
  const envelopes: [string, Answer][] = [
    ['plain', json(TOKEN)],
    ['lower-case type', json({ ...TOKEN, token_type: 'bearer' })],
    ['with an id token of another issuer', json({ ...TOKEN, id_token: 'a.b.c' })],
    ['without content type', raw(200, {}, TEXT)],
    ['with a byte order mark', raw(200, JSON_TYPE, `\uFEFF${TEXT}`)],
    ['packed', raw(200, { ...JSON_TYPE, 'content-encoding': 'gzip' }, gzipSync(TEXT))],
    ['with a challenge', raw(200, { ...JSON_TYPE, 'www-authenticate': 'Bearer' }, TEXT)],
    ['as a form', raw(200, { 'content-type': 'application/x-www-form-urlencoded' }, form(TOKEN))],
    ['with status 201', raw(201, JSON_TYPE, TEXT)],
    ['with null members', json({ ...TOKEN, scope: null, refresh_token: null, expires_in: null })],
  ]
  for (const [name, answer] of envelopes) {
    const { result } = await ask(t, answer)
    t.equal((await result).accessToken.reveal(), TOKEN.access_token, name)
  }
})

function form(members: Record<string, string>): string {
  return new URLSearchParams(members).toString()
}

t.test('answers a problem to everything that is no token response', async (t) => {
  const drip: Answer = (response) => {
    response.writeHead(200, { ...JSON_TYPE, 'content-length': 10_000 })
    const timer = setInterval(() => response.write(' '), 10)
    response.on('close', () => clearInterval(timer))
  }
  const truncated: Answer = (response) => {
    response.writeHead(200, { ...JSON_TYPE, 'content-length': 500 })
    response.write(TEXT.slice(0, 20), () => response.destroy())
  }
  const bomb = gzipSync(Buffer.alloc(5_000_000, ' '))
  const bombType = { ...JSON_TYPE, 'content-encoding': 'gzip' }
  const INVALID = 'token_response_invalid'
  const DOWN = 'salesforce_unavailable'
  const junk: [string, Answer, string][] = [
    ['empty', raw(200, JSON_TYPE, ''), INVALID],
    ['no JSON', raw(200, JSON_TYPE, 'OK'), INVALID],
    ['half a JSON text', raw(200, JSON_TYPE, TEXT.slice(0, 20)), INVALID],
    ['JSON null', raw(200, JSON_TYPE, 'null'), INVALID],
    ['a JSON list', raw(200, JSON_TYPE, '[]'), INVALID],
    ['a JSON string', raw(200, JSON_TYPE, '"token"'), INVALID],
    ['no members', json({}), INVALID],
    ['no access_token', json({ instance_url: TOKEN.instance_url }), INVALID],
    ['no instance_url', json({ access_token: TOKEN.access_token }), INVALID],
    ['foreign instance_url', json({ ...TOKEN, instance_url: 'https://x.example' }), INVALID],
    ['more than 64 KiB', json({ ...TOKEN, extra: 'x'.repeat(70_000) }), INVALID],
    ['a gzip bomb', raw(200, bombType, bomb), INVALID],
    ['broken gzip', raw(200, bombType, 'no gzip'), INVALID],
    ['status 400 and nothing', raw(400, JSON_TYPE, ''), INVALID],
    ['status 404 and REST errors', json([{ errorCode: 'NOT_FOUND' }], 404), INVALID],
    ['status 404 and a page', raw(404, HTML, PAGE), DOWN],
    ['an error that is no text', json({ error: { a: 1 } }, 400), INVALID],
    ['a redirect', raw(302, { location: 'https://x.example/' }, ''), INVALID],
    ['a redirect to nowhere', raw(302, { location: 'http://[' }, ''), INVALID],
    ['status 304', raw(304, {}, ''), INVALID],
    ['a page with status 200', raw(200, HTML, PAGE), DOWN],
    ['a page that says it is JSON', raw(200, JSON_TYPE, `\n ${PAGE}`), DOWN],
    ['status 500 and nothing', raw(500, {}, ''), DOWN],
    ['status 503 and a page', raw(503, HTML, PAGE), DOWN],
    ['status 502 and an OAuth error', json({ error: 'unknown_error' }, 502), DOWN],
    ['status 503 and a token', json(TOKEN, 503), DOWN],
    ['status 429', raw(429, {}, ''), DOWN],
    ['status 429 in unknown words', json({ error: 'too_many' }, 429), DOWN],
    ['a reset', (response) => response.destroy(), DOWN],
    ['a truncated body', truncated, DOWN],
    ['a drip feed', drip, 'salesforce_timeout'],
  ]
  for (const [name, answer, code] of junk) {
    const { result } = await ask(t, answer, code === 'salesforce_timeout' ? 150 : undefined)
    const problem = await problemOf(result)
    t.equal(problem.code, code, name)
    t.notMatch(problem.detail, /undefined|\[object|<|x\.example/, name)
  }
})

t.test('passes on how long to wait, as far as that makes sense', async (t) => {
  const cases = [
    ['30', 30_000],
    [new Date(NOW + 60_000).toUTCString(), 60_000],
    [new Date(NOW - 60_000).toUTCString(), 0],
    ['999999999', 3_600_000],
    ['soon', undefined],
  ] as const
  for (const [value, retryAfterMs] of cases) {
    for (const status of [429, 503]) {
      const { result } = await ask(t, raw(status, { 'retry-after': value }, ''))
      t.equal((await problemOf(result)).retryAfterMs, retryAfterMs, value)
    }
  }
})

t.test('says that a My Domain was renamed, and to which host', async (t) => {
  const redirected = async (location: string) => {
    const { result } = await ask(t, raw(301, { location }, ''))
    const problem = await problemOf(result)
    t.equal(problem.code, 'token_response_invalid')
    return problem.detail
  }
  const renamed = await redirected('https://newname.my.salesforce.com/services/oauth2/token?x=1')
  t.match(renamed, /My Domain was renamed.*/)
  t.match(renamed, /newname\.my\.salesforce\.com/)
  t.notMatch(renamed, /x=1/)
  for (const location of [
    'https://evil.example/.my.salesforce.com',
    'https://a.my.salesforce.com.evil.example/',
    'https://login.salesforce.com/',
    '/elsewhere',
  ]) {
    const detail = await redirected(location)
    t.match(detail, /redirect/)
    t.notMatch(detail, /renamed|evil|elsewhere/)
  }
})

t.test('classifies a refusal, whatever the status and the encoding', async (t) => {
  const refused = { error: 'invalid_grant', error_description: 'inactive user' }
  const urlencoded = { 'content-type': 'application/x-www-form-urlencoded' }
  const challenge = { ...JSON_TYPE, 'www-authenticate': 'Basic realm="x"' }
  const answers: [string, Answer][] = [
    ['400', json(refused, 400)],
    ['401', json(refused, 401)],
    ['401 with a challenge', raw(401, challenge, JSON.stringify(refused))],
    ['403', json(refused, 403)],
    ['200', json(refused, 200)],
    ['a form', raw(400, urlencoded, form(refused))],
    ['a form without a type', raw(400, {}, form(refused))],
  ]
  for (const [name, answer] of answers) {
    const { result } = await ask(t, answer)
    const problem = await problemOf(result)
    t.match(problem, { code: 'grant_refused', status: 424 }, name)
    t.match(refusalOf(problem), { reason: 'user_inactive', error: 'invalid_grant' }, name)
  }
  const { result } = await ask(t, json({ error: 'rate_limit_exceeded' }, 429))
  const problem = await problemOf(result)
  t.match(problem, { code: 'grant_refused', status: 503, retryAfterMs: 3_600_000 })
})

t.test('repeats no secret that the server sends back', async (t) => {
  const secret = 'planted:secret with/spaces'
  for (const make of [clientSecretBasic, clientSecretPost]) {
    const { context, loginUrl, signal, server } = await fixture(t, (response, request) => {
      const { authorization = '' } = request.headers
      const error_description = `${secret} ${authorization} ${new URLSearchParams(request.body).get('client_secret')}`
      return json({ error: 'invalid_client', error_description }, 400)(response, request)
    })
    const problem = await problemOf(
      context.endpoint.token({
        loginUrl,
        clientId: CLIENT_ID,
        clientAuth: make(new Secret(secret)),
        grantType: 'client_credentials',
        repeatable: true,
        signal,
      }),
    )
    const shown = JSON.stringify([problem.detail, problem.members, String(problem.cause)])
    t.notMatch(shown, /planted/)
    const { authorization = 'Basic cGxhbnRlZA' } = server.requests[0]?.headers ?? {}
    t.notOk(shown.includes(authorization.slice(6)))
  }
})

t.test('times out with the caller’s signal, and sends nothing after it', async (t) => {
  const { context, loginUrl, server } = await fixture(t, () => undefined)
  const request = {
    loginUrl,
    clientId: CLIENT_ID,
    clientAuth: noClientAuth,
    grantType: 'x',
    repeatable: true,
  }
  const slow = context.endpoint.token({ ...request, signal: AbortSignal.timeout(100) })
  t.equal((await problemOf(slow)).code, 'salesforce_timeout')
  const sent = server.requests.length
  const late = context.endpoint.token({ ...request, signal: AbortSignal.abort() })
  t.equal((await problemOf(late)).code, 'salesforce_timeout')
  t.equal(server.requests.length, sent)
})

t.test('calls no host that the setting does not allow any more', async (t) => {
  const { context, signal } = await fixture(t, json(TOKEN))
  for (const loginUrl of ['https://evil.example', 'http://127.0.0.1:1', 'http://169.254.169.254']) {
    const problem = await problemOf(
      context.endpoint.token({
        loginUrl,
        clientId: CLIENT_ID,
        clientAuth: noClientAuth,
        grantType: 'x',
        repeatable: true,
        signal,
      }),
    )
    t.equal(problem.code, 'salesforce_unavailable')
    t.match(problem.detail, /VALETKEY_LOGIN_HOSTS/)
  }
})

t.test('introspects a token with the client’s own authentication', async (t) => {
  const introspect = async (answer: Answer) => {
    const { context, loginUrl, signal, server } = await fixture(t, answer)
    const result = context.endpoint.introspect({
      loginUrl,
      clientId: CLIENT_ID,
      clientAuth: clientSecretPost(new Secret(SECRET)),
      token: new Secret(TOKEN.access_token),
      tokenType: 'access_token',
      signal,
    })
    return { result, server }
  }
  const exp = 1_528_502_109
  const alive = await introspect(json({ active: true, scope: 'id api', exp, iat: exp - 7_200 }))
  t.same(await alive.result, { active: true, expiresAt: exp * 1_000 })
  const [request] = alive.server.requests
  t.equal(request?.url, '/services/oauth2/introspect')
  t.same(Object.fromEntries(new URLSearchParams(request?.body)), {
    token: TOKEN.access_token,
    token_type_hint: 'access_token',
    client_id: CLIENT_ID,
    client_secret: SECRET,
  })
  t.same(await (await introspect(json({ active: false }))).result, { active: false })
  t.same(await (await introspect(json({ active: true }))).result, { active: true })
  const text = await introspect(json({ active: true, exp: `${exp}` }))
  t.same(await text.result, { active: true, expiresAt: exp * 1_000 })
  const junk: [Answer, string][] = [
    [json({}), 'token_response_invalid'],
    [json({ active: 'yes' }), 'token_response_invalid'],
    [raw(401, {}, ''), 'token_response_invalid'],
    [json({ error: 'invalid_client' }, 401), 'grant_refused'],
    [raw(200, HTML, PAGE), 'salesforce_unavailable'],
  ]
  for (const [answer, code] of junk) {
    t.equal((await problemOf((await introspect(answer)).result)).code, code)
  }
})

t.test('revokes a token, and takes one that is unknown for gone', async (t) => {
  const revoke = async (answer: Answer) => {
    const { context, loginUrl, signal, server } = await fixture(t, answer)
    const token = new Secret(TOKEN.access_token)
    return { result: context.endpoint.revoke({ loginUrl, token, signal }), server }
  }
  const done = await revoke(raw(200, {}, ''))
  t.equal(await done.result, 'revoked')
  const [request] = done.server.requests
  t.equal(request?.url, '/services/oauth2/revoke')
  t.equal(request?.body, form({ token: TOKEN.access_token }))
  t.equal(await (await revoke(json({}))).result, 'revoked')
  const urlencoded = { 'content-type': 'application/x-www-form-urlencoded' }
  for (const answer of [
    json({ error: 'invalid_token', error_description: 'invalid token' }, 400),
    json({ error: 'unsupported_token_type' }, 400),
    raw(400, {}, 'error=invalid_token&error_description=invalid%20token'),
    raw(400, urlencoded, 'error=unsupported_token_type'),
  ]) {
    t.equal(await (await revoke(answer)).result, 'unknown_token')
  }
  const junk: [Answer, string][] = [
    [raw(503, HTML, PAGE), 'salesforce_unavailable'],
    [raw(200, HTML, PAGE), 'salesforce_unavailable'],
    [(response) => response.destroy(), 'salesforce_unavailable'],
    [raw(302, { location: 'https://x.example' }, ''), 'token_response_invalid'],
    [raw(400, {}, ''), 'token_response_invalid'],
    [json({ error: 'invalid_request' }, 400), 'grant_refused'],
  ]
  for (const [answer, code] of junk) {
    t.equal((await problemOf((await revoke(answer)).result)).code, code)
  }
})

t.test('probes a token with one REST call', async (t) => {
  const probe = async (answer: Answer) => {
    const { context, loginUrl, signal, server } = await fixture(t, answer)
    const accessToken = new Secret(TOKEN.access_token)
    return {
      result: context.endpoint.probe({ instanceUrl: loginUrl, accessToken, signal }),
      server,
    }
  }
  const rest = (message: string, errorCode: string, status: number) =>
    json([{ message, errorCode }], status)
  const live = await probe(json({ sobjects: '/services/data/v60.0/sobjects' }))
  t.same(await live.result, { verdict: 'live' })
  const [request] = live.server.requests
  t.match(request?.url, /^\/services\/data\/v\d+\.0\/$/)
  t.equal(request?.headers.authorization, `Bearer ${TOKEN.access_token}`)
  const cases: [Answer, string][] = [
    [rest('Session expired or invalid', 'INVALID_SESSION_ID', 401), 'dead'],
    [raw(401, {}, ''), 'dead'],
    [
      rest('This session is not valid for use with the REST API', 'INVALID_SESSION_ID', 401),
      'no_api',
    ],
    [rest('Connected app is not attached to Agent', 'INVALID_SESSION_ID', 401), 'no_api'],
    [rest('The REST API is not enabled', 'API_DISABLED_FOR_ORG', 403), 'no_api'],
    [rest('TotalRequests Limit exceeded.', 'REQUEST_LIMIT_EXCEEDED', 403), 'untold'],
  ]
  for (const [answer, expected] of cases) {
    t.match(await (await probe(answer)).result, { verdict: expected })
  }
  const junk: [Answer, string][] = [
    [raw(503, HTML, PAGE), 'salesforce_unavailable'],
    [raw(200, HTML, PAGE), 'salesforce_unavailable'],
    [raw(301, { location: 'https://x.example' }, ''), 'token_response_invalid'],
    [raw(404, {}, ''), 'token_response_invalid'],
    [(response) => response.destroy(), 'salesforce_unavailable'],
  ]
  for (const [answer, code] of junk) {
    t.equal((await problemOf((await probe(answer)).result)).code, code)
  }
})

t.test('sends no token to an instance that the rules do not allow', async (t) => {
  const { context, signal } = await fixture(t, json({}))
  const accessToken = new Secret(TOKEN.access_token)
  for (const instanceUrl of ['https://evil.example', 'http://127.0.0.1:1', 'no url']) {
    const problem = await problemOf(context.endpoint.probe({ instanceUrl, accessToken, signal }))
    t.equal(problem.code, 'token_response_invalid')
  }
})

t.test('throws nothing but problems, whatever bytes come as an answer', async (t) => {
  const hosts = createHostRules([])
  const headers = fc.dictionary(
    fc.constantFrom('content-type', 'retry-after', 'location', 'www-authenticate', 'x'),
    fc.oneof(
      fc.constantFrom('application/json', 'text/html', 'application/x-www-form-urlencoded'),
      fc.string(),
    ),
  )
  const member = fc.oneof(fc.jsonValue(), fc.constantFrom(...Object.values(TOKEN), '00D!x', '1'))
  const members = fc.dictionary(
    fc.constantFrom(
      ...['access_token', 'instance_url', 'token_type', 'expires_in', 'issued_at', 'id', 'scope'],
      ...['refresh_token', 'error', 'error_description', 'active', 'exp', '__proto__', 'id_token'],
    ),
    member,
  )
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(text)),
    members.map((value) => Buffer.from(JSON.stringify(value))),
    members.map((value) => Buffer.from(JSON.stringify({ ...TOKEN, ...value }))),
  )
  const status = fc.oneof(fc.constantFrom(200, 302, 400, 401, 429, 503), fc.nat(999))
  const answer = fc.record({ ok: fc.constant(true as const), status, headers, body })
  const signal = new AbortController().signal
  let successes = 0
  const property = fc.asyncProperty(answer, async (outcome: OutboundOutcome) => {
    const endpoint = createTokenEndpoint({
      clock: { learn: () => undefined, aheadMs: () => 0 },
      outbound: { send: async () => outcome },
      hosts,
      now: () => NOW,
    })
    const loginUrl = 'https://acme.my.salesforce.com'
    const token = new Secret('t')
    const client = { loginUrl, clientId: CLIENT_ID, clientAuth: noClientAuth, signal }
    const works = [
      endpoint.token({ ...client, grantType: 'x', repeatable: true }),
      endpoint.introspect({ ...client, token, tokenType: 'access_token' }),
      endpoint.revoke({ loginUrl, token, signal }),
      endpoint.probe({ instanceUrl: loginUrl, accessToken: token, signal }),
    ]
    for (const settled of await Promise.allSettled<unknown>(works)) {
      if (settled.status === 'fulfilled') successes += 1
      else if (!(settled.reason instanceof BrokerError)) throw settled.reason
    }
  })
  await t.resolves(fc.assert(property, { numRuns: 1_500 }))
  t.ok(successes > 0, 'some answers were good, so the property says something')
})
