/** What is no OAuth answer is told for what it is: a page, an error of another API, or nothing. */
import t, { type Test } from 'tap'
import { Secret } from '../../../src/crypto/secret.ts'
import { refusalOf } from '../../../src/grants/refusals/refusals.ts'
import {
  TRANSIENT,
  type TransientReason,
  transientOf,
} from '../../../src/grants/refusals/transient.ts'
import { type AnswerForm, formOf, wordsIn } from '../../../src/grants/token-endpoint/answer-form.ts'
import { clientSecretPost } from '../../../src/grants/token-endpoint/client-auth.ts'
import { isSalesforcesOwn } from '../../../src/grants/token-endpoint/salesforce-answer.ts'
import { createTokenEndpoint } from '../../../src/grants/token-endpoint/token-endpoint.ts'
import { createHostRules } from '../../../src/http/outbound/login-host.ts'
import { createOutbound } from '../../../src/http/outbound/outbound.ts'
import { listen } from '../../http/listener.ts'
import { problemOf, TOKEN } from '../fixture.ts'

const HTML = 'text/html'
const JSON_TYPE = 'application/json'
const XML = 'application/xml'
const TEXT = 'text/plain'
const REST = JSON.stringify([
  {
    errorCode: 'API_DISABLED_FOR_ORG',
    message: 'The REST API is not enabled for this Organization.',
  },
])
const REST_XML =
  '<?xml version="1.0" encoding="UTF-8"?><Errors><Error><errorCode>API_DISABLED_FOR_ORG</errorCode><message>The REST API is not enabled &amp; so on.</message></Error></Errors>'
const SOAP =
  '<soapenv:Envelope xmlns:soapenv="x"><soapenv:Body><soapenv:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>Invalid Session</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>'
const BULK =
  '<?xml version="1.0"?><error xmlns="x"><exceptionCode>InvalidSessionId</exceptionCode><exceptionMessage>Gone</exceptionMessage></error>'
const OAUTH_XML =
  '<?xml version="1.0"?><OAuth><error>invalid_grant</error><error_description>user is frozen</error_description></OAuth>'
const FRAGMENT = '<center><table><tr><td>We are down for maintenance.</td></tr></table></center>'

const answer = (status: number, type: string, body: string) => ({
  ok: true as const,
  status,
  headers: { 'content-type': type },
  body: Buffer.from(body),
})

t.test('the form of an answer is told by its type and by how it begins', async (t) => {
  const cases: readonly (readonly [string, string, AnswerForm])[] = [
    [HTML, '<html></html>', 'page'],
    [HTML, 'no tags', 'page'],
    [TEXT, FRAGMENT, 'page'],
    [JSON_TYPE, '\uFEFF  <!DOCTYPE html><html></html>', 'page'],
    ['', '<?xml version="1.0"?><!DOCTYPE html><html></html>', 'page'],
    ['application/xhtml+xml', '<?xml version="1.0"?><html/>', 'page'],
    [TEXT, '<h1>502</h1>', 'page'],
    [XML, REST_XML, 'xml'],
    [XML, SOAP, 'xml'],
    [XML, BULK, 'xml'],
    [XML, OAUTH_XML, 'xml'],
    [JSON_TYPE, '{}', 'json'],
    [TEXT, REST, 'json'],
    ['application/x-www-form-urlencoded', 'access_token=x', 'form'],
    [TEXT, 'error=invalid_grant&error_description=x', 'form'],
    [JSON_TYPE, '', 'empty'],
    [TEXT, ' \n', 'empty'],
    [TEXT, 'We are down.', 'other'],
    [JSON_TYPE, '{"half', 'other'],
  ]
  for (const [type, body, form] of cases) t.equal(formOf(answer(200, type, body)), form, body)
})

t.test('the words of other APIs are read, printable and without secrets', async (t) => {
  const words = (type: string, body: string) => wordsIn(answer(400, type, body), ['s3cret-text'])
  t.same(words(JSON_TYPE, REST), JSON.parse(REST)[0])
  t.same(words(JSON_TYPE, JSON.stringify(JSON.parse(REST)[0])), JSON.parse(REST)[0])
  t.same(words(XML, REST_XML), {
    errorCode: 'API_DISABLED_FOR_ORG',
    message: 'The REST API is not enabled & so on.',
  })
  t.same(words(XML, SOAP), { errorCode: 'sf:INVALID_SESSION_ID', message: 'Invalid Session' })
  t.same(words(XML, BULK), { errorCode: 'InvalidSessionId', message: 'Gone' })
  const loud = JSON.stringify([
    { errorCode: 'X', message: 'a\u0000b s3cret-text 00Dxx0000001gPL!AQ.x' },
  ])
  t.same(words(JSON_TYPE, loud), { errorCode: 'X', message: 'a b [secret] [secret]' })
  for (const body of [
    '[]',
    '[1]',
    'null',
    '{}',
    '[{"errorCode":7}]',
    '[{"errorCode":"no code"}]',
  ]) {
    t.equal(words(JSON_TYPE, body), undefined, body)
  }
  t.equal(words(HTML, '<html><message>x</message></html>'), undefined)
})

t.test('what passes by itself is in one table, each row with its source', async (t) => {
  const cases: readonly (readonly [number, string, string, TransientReason | undefined])[] = [
    [420, HTML, '<html>interstitial</html>', 'edge'],
    [420, '', '', 'edge'],
    [429, '', '', 'too_many_requests'],
    [408, '', '', 'request_timeout'],
    [500, '', '', 'server_error'],
    [503, HTML, '<html></html>', 'server_error'],
    [599, JSON_TYPE, REST, 'server_error'],
    [200, HTML, '<html></html>', 'page'],
    [200, TEXT, FRAGMENT, 'page'],
    [403, HTML, '<html><head><title>Access Denied</title></head></html>', 'page'],
    [404, TEXT, '<h1>nothing here</h1>', 'page'],
    [400, JSON_TYPE, '{"error":"invalid_grant"}', undefined],
    [400, JSON_TYPE, REST, undefined],
    [400, XML, REST_XML, undefined],
    [404, TEXT, 'nothing here', undefined],
    [200, JSON_TYPE, '{}', undefined],
    [302, HTML, '<html></html>', undefined],
  ]
  for (const [status, type, body, reason] of cases) {
    t.equal(transientOf(answer(status, type, body)), reason, `${status} ${body}`)
  }
  const reached = new Set(cases.map(([, , , reason]) => reason))
  for (const [reason, { source, meaning }] of Object.entries(TRANSIENT)) {
    t.ok(reached.has(reason as TransientReason), reason)
    t.ok(source.length > 10 && meaning.length > 10, reason)
  }
})

t.test("only what is in Salesforce's own form tells Salesforce's time", async (t) => {
  for (const [type, body] of [
    [JSON_TYPE, JSON.stringify(TOKEN)],
    [JSON_TYPE, '{"active":false}'],
    [JSON_TYPE, '{"error":"invalid_grant","error_description":"anything"}'],
    [JSON_TYPE, '{"error":"OAUTH_APP_BLOCKED"}'],
    [JSON_TYPE, '{"issuer":"https://login.salesforce.com","token_endpoint":"https://x"}'],
    [JSON_TYPE, REST],
    [XML, REST_XML],
    [XML, OAUTH_XML],
  ] as const) {
    t.ok(isSalesforcesOwn(answer(400, type, body)), body)
  }
  for (const [type, body] of [
    [HTML, '<html></html>'],
    [TEXT, FRAGMENT],
    [TEXT, 'We are down.'],
    [JSON_TYPE, ''],
    [JSON_TYPE, '{}'],
    [JSON_TYPE, '{"error":"Forbidden by policy 7"}'],
    [JSON_TYPE, '{"message":"no healthy upstream"}'],
    [JSON_TYPE, '[]'],
  ] as const) {
    t.notOk(isSalesforcesOwn(answer(400, type, body)), body)
  }
})

/** One request to an endpoint that answers this, under a date of its own. */
async function ask(t: Test, status: number, type: string, body: string) {
  const server = await listen(t, (response) => {
    response.writeHead(status, { 'content-type': type, date: 'Sun, 22 Nov 2026 07:00:00 GMT' })
    response.end(body)
  })
  const hosts = createHostRules([server.origin])
  const outbound = createOutbound({ hosts, deadlineMs: 5_000 })
  t.teardown(() => outbound.close())
  const learned: string[] = []
  const endpoint = createTokenEndpoint({
    outbound,
    hosts,
    now: () => Date.UTC(2026, 10, 22, 10),
    clock: { learn: (host) => learned.push(host), aheadMs: () => 0 },
  })
  const problem = await problemOf(
    endpoint.token({
      loginUrl: server.origin,
      clientId: '3MVG9.acme',
      clientAuth: clientSecretPost(new Secret('s3cret-text')),
      grantType: 'client_credentials',
      repeatable: true,
      signal: new AbortController().signal,
    }),
  )
  return { problem, learned }
}

t.test('the answers of a token endpoint that people ran into', async (t) => {
  const edge = await ask(t, 420, HTML, '<!DOCTYPE HTML><html><body>interstitial</body></html>')
  t.match(edge.problem, { code: 'salesforce_unavailable', detail: /no route to the org.*420/ })
  t.same(edge.learned, [], 'its clock is nobody’s')

  const fragment = await ask(t, 200, TEXT, FRAGMENT)
  t.match(fragment.problem, { code: 'salesforce_unavailable', detail: /a page/ })
  const filter = await ask(t, 403, HTML, '<html><head><title>Access Denied</title></head></html>')
  t.match(filter.problem, {
    code: 'salesforce_unavailable',
    detail: /a page.*403/,
    remedy: /proxy or filter/,
  })
  t.same([...fragment.learned, ...filter.learned], [])

  const rest = await ask(t, 400, JSON_TYPE, REST)
  t.match(rest.problem, {
    code: 'token_response_invalid',
    detail:
      /status 400.*API_DISABLED_FOR_ORG: The REST API is not enabled for this Organization\. One of these: .*API Enabled/,
    remedy: /permission set with API Enabled/,
    members: {
      salesforce: {
        status: 400,
        error_code: 'API_DISABLED_FOR_ORG',
        message: 'The REST API is not enabled for this Organization.',
      },
    },
  })
  t.equal(rest.learned.length, 1)
  const down = await ask(t, 503, JSON_TYPE, REST)
  t.match(down.problem, { code: 'salesforce_unavailable', detail: /API_DISABLED_FOR_ORG/ })
  const xml = await ask(t, 400, XML, REST_XML)
  t.match(xml.problem, { code: 'token_response_invalid', detail: /API_DISABLED_FOR_ORG: The REST/ })

  const frozen = await ask(t, 400, XML, OAUTH_XML)
  t.match(refusalOf(frozen.problem), {
    reason: 'user_inactive',
    errorDescription: 'user is frozen',
  })
  const two = await ask(
    t,
    400,
    JSON_TYPE,
    JSON.stringify({
      error: 'unsupported_grant_type',
      error_description: 'grant type not supported',
    }),
  )
  t.match(refusalOf(two.problem), { cause: /\(1\) The client credentials flow.*\(2\)/ })
  const failure = await ask(
    t,
    400,
    JSON_TYPE,
    JSON.stringify({ error: 'invalid_grant', error_description: 'authentication failure' }),
  )
  t.match(refusalOf(failure.problem), { cause: /run-as user/, remedy: /Login History/ })
})
