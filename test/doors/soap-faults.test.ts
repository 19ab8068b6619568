import { gzipSync } from 'node:zlib'
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import { ENVELOPE, envelope, login, SOAP_PATH, soap, textIn, told } from './soap-world.ts'
import { type DoorRequest, doorWorld } from './world.ts'

const { ask, broker, call, makeKey, integration, simulator } = await doorWorld(t)
const wide = await makeKey('wide')
const other = await makeKey('other', { integrations: ['shipping'] })
const blind = await makeKey('blind', { permissions: ['integrations:read'] })
const limited = await makeKey('limited', { requests: ['GET /services/data/*'] })
await call('PUT', '/integrations/down', {
  body: { ...integration, login_url: 'http://127.0.0.1:9' },
})
await call('PUT', '/integrations/off', { body: { ...integration, enabled: false } })
await call('PUT', '/integrations/draft', {
  body: { login_url: integration.login_url, grant: { type: 'client_credentials' } },
})
await call('PUT', '/integrations/wrong', {
  body: { ...integration, credential: { client_secret: 'wrong' } },
})
const gone = { username: 'gone@acme.com', orgId: simulator.acme.id }
simulator.addUser(gone)
simulator.updateUser(gone.username, { state: 'inactive' })
const leaver = simulator.addClientCredentialsApp(gone)
await call('PUT', '/integrations/gone', {
  body: {
    ...integration,
    grant: { type: 'client_credentials', client_id: leaver.clientId },
    credential: { client_secret: leaver.clientSecret },
  },
})
await call('PUT', '/integrations/rare', { body: { ...integration, logins_per_hour: 1 } })
await call('GET', '/tokens/rare')
await call('DELETE', '/tokens/rare')

const at = (name: string) => `/login/${name}/services/Soap/u/60.0`
const ROOT = '/services/Soap/u/60.0'
const good = login('billing', wide.key)

/** They must not tell what was right. */
const INVALID: Readonly<Record<string, DoorRequest>> = {
  'a wrong key': soap(login('billing', `${wide.key.slice(0, -1)}-`)),
  'a key that nobody has': soap(login('billing', wide.key.replace(/.{50}$/, '0'.repeat(50)))),
  'no key': soap(login('billing', '')),
  'no parameters': soap(envelope('<login/>')),
  'a password of Salesforce': soap(login('jane@acme.com', 'correct horse')),
  'a security token that is too long': soap(login('billing', `${wide.key}${'s'.repeat(41)}`)),
  'a key for another integration': soap(login('billing', other.key)),
  'a key for another integration, by its username': soap(login('billing', other.key), {
    path: ROOT,
  }),
  'an integration that does not exist': soap(login('nowhere', other.key), { path: at('nowhere') }),
  'a key that reads no tokens': soap(login('billing', blind.key)),
}

t.test('every wrong key and every forbidden name gets the same fault', async (t) => {
  const answers = new Set<string>()
  for (const [name, request] of Object.entries(INVALID)) {
    const answer = await ask(request)
    t.match(told(answer), { status: 500, faultcode: 'sf:INVALID_LOGIN' }, name)
    answers.add(answer.body)
  }
  t.equal(answers.size, 1)
  const [text = ''] = answers
  t.match(text, '<sf:LoginFault xsi:type="sf:LoginFault">')
  t.match(text, 'INVALID_LOGIN: Invalid username, password, security token; or user locked out.')
  const reasons = () =>
    broker
      .audit()
      .filter(({ detail }) => detail?.operation === 'logInBySoap')
      .map(({ detail }) => detail?.reason)
  await eventually(() => new Set(reasons()).size === 2)
  t.same([...new Set(reasons())].sort(), ['caller_forbidden', 'caller_unauthenticated'])
})

const nested = (depth: number) => '<a>'.repeat(depth) + '</a>'.repeat(depth)
const attributes = (count: number) =>
  Array.from({ length: count }, (_, index) => `a${index}="b"`).join(' ')

/** Refused before anything is looked up. */
const BAD_XML: Readonly<Record<string, string | Uint8Array>> = {
  'no body': '',
  'only space': '  \n ',
  JSON: JSON.stringify({ username: 'billing', password: wide.key }),
  'half of an envelope': good.slice(0, good.length / 2),
  'an element that is not closed': good.replace('</username>', ''),
  'elements that cross': good.replace('</username><password>', '<password></username>'),
  'two roots': `${good.replace(/<\?xml[^>]*>/, '')}<a/>`,
  'text after the root': `${good}a`,
  'an attribute twice': good.replace('<login', '<login a="1" a="2"'),
  'an unquoted attribute': good.replace('<login', '<login a=1'),
  'a document type': good.replace('?><', '?><!DOCTYPE a><'),
  'a document type with an entity': good
    .replace('?><', '?><!DOCTYPE a [<!ENTITY n "billing">]><')
    .replace('>billing<', '>&n;<'),
  'a billion laughs': `<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>`,
  'an external entity': `<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><a>&f;</a>`,
  'an entity of HTML': good.replace('>billing<', '>billing@&nbsp;<'),
  'an entity of JavaScript': good.replace('>billing<', '>billing@&constructor;<'),
  'a character that XML forbids': good.replace('>billing<', '>billing@\u0001<'),
  'a reference to such a character': good.replace('>billing<', '>billing@&#0;<'),
  'a reference beyond Unicode': good.replace('>billing<', '>billing@&#x110000;<'),
  'UTF-16': Buffer.from(good, 'utf16le'),
  'too deep': good.replace('<soapenv:Header>', `<soapenv:Header>${nested(30)}`),
  'too many elements': good.replace('<soapenv:Header>', `<soapenv:Header>${'<a/>'.repeat(3_000)}`),
  'too many references': good.replace('>billing<', `>${'&amp;'.repeat(3_000)}<`),
  'too many attributes': good.replace('<login', `<login ${attributes(300)}`),
  'a long attribute': good.replace('<login', `<login a="${'b'.repeat(2_000)}"`),
  'another root': '<methodCall><methodName>login</methodName></methodCall>',
  'an envelope without a body': `<e:Envelope xmlns:e="${ENVELOPE}"/>`,
  'an empty body': envelope(''),
  'two operations': envelope('<login/><login/>'),
  'a large body': good.replace('>billing<', `>${'b'.repeat(70_000)}<`),
}

for (const [name, body] of Object.entries(BAD_XML)) {
  t.test(`${name} is refused as no call of SOAP`, async (t) => {
    const fault = told(await ask(soap(body)))
    t.match(fault, { status: 500, faultcode: 'soapenv:Client' })
    t.match(fault.faultstring, /^(?:request_invalid|body_too_large): .*\.$/)
    t.notMatch(fault.faultstring, wide.key.slice(12))
  })
}

t.test('a compressed body is bounded', async (t) => {
  const zip = { headers: { 'content-encoding': 'gzip' } }
  const bodies: Readonly<Record<string, readonly [Uint8Array | string, DoorRequest?]>> = {
    bomb: [gzipSync('x'.repeat(10_000_000)), zip],
    'great ratio': [gzipSync(`${good}${' '.repeat(60_000)}`), zip],
    'no gzip': [good, zip],
    brotli: [good, { headers: { 'content-encoding': 'br' } }],
  }
  for (const [name, [body, request]] of Object.entries(bodies)) {
    t.match(told(await ask(soap(body, request))), { faultcode: 'soapenv:Client' }, name)
  }
})

/** Cause, and what a client shows. */
const CAUSES: Readonly<Record<string, readonly [DoorRequest, string, RegExp, boolean?]>> = {
  'a disabled integration': [
    soap(login('', wide.key), { path: at('off') }),
    'sf:API_DISABLED_FOR_ORG',
    /integration_disabled: .*Enable it/,
  ],
  'a draft': [
    soap(login('', wide.key), { path: at('draft') }),
    'sf:API_DISABLED_FOR_ORG',
    /integration_draft: /,
  ],
  'a refusal of Salesforce': [
    soap(login('', wide.key), { path: at('gone') }),
    'sf:API_DISABLED_FOR_ORG',
    /grant_refused: /,
  ],
  'a refusal that may pass': [
    soap(login('', wide.key), { path: at('wrong') }),
    'sf:SERVER_UNAVAILABLE',
    /grant_refused: .*\b\d+ seconds?\b/,
    true,
  ],
  'an integration that does not exist, for a key that may read all': [
    soap(login('', wide.key), { path: at('nowhere') }),
    'sf:INVALID_LOGIN',
    /integration_not_found: /,
  ],
  'a key that is limited to requests': [
    soap(login('', limited.key)),
    'sf:INSUFFICIENT_ACCESS',
    /request_not_allowed: /,
  ],
  'an outage of Salesforce': [
    soap(login('', wide.key), { path: at('down') }),
    'sf:SERVER_UNAVAILABLE',
    /salesforce_unavailable: .*\b\d+ seconds?\b/,
    true,
  ],
  'a spent login budget': [
    soap(login('', wide.key), { path: at('rare') }),
    'sf:LOGIN_RATE_EXCEEDED',
    /login_budget_exhausted: .*\b\d+ seconds?\b/,
    true,
  ],
  'two integrations': [
    soap(login('shipping', wide.key)),
    'soapenv:Client',
    /request_invalid: .*two integrations/,
  ],
  'no integration': [
    soap(login('', wide.key), { path: ROOT }),
    'soapenv:Client',
    /request_invalid: .*\/login\/NAME/,
  ],
  'a version that is none': [
    soap(login('', wide.key), { path: '/login/billing/services/Soap/u/latest' }),
    'sf:UNSUPPORTED_API_VERSION',
    /request_invalid: .*\/services\/Soap\/u\/60\.0/,
  ],
  'the Metadata API': [
    soap(login('', wide.key), { path: '/login/billing/services/Soap/m/60.0' }),
    'sf:UNSUPPORTED_API_VERSION',
    /request_invalid: /,
  ],
  'a secret in the URL': [
    soap(good, { path: `${SOAP_PATH}?password=${wide.key}` }),
    'soapenv:Client',
    /secret_in_url: /,
  ],
}

for (const [name, [request, faultcode, faultstring, hasWait = false]] of Object.entries(CAUSES)) {
  t.test(`${name} is a fault that says so`, async (t) => {
    const answer = await ask(request)
    t.match(told(answer), { status: 500, faultcode, faultstring })
    t.equal(answer.headers.has('retry-after'), hasWait)
    t.notMatch(answer.body, wide.key.slice(12))
  })
}

t.test('too many failures are told to wait', async (t) => {
  const headers = { 'x-forwarded-for': '192.0.2.1' }
  const fault = await eventually(async () => {
    const answer = await ask(soap(login('billing', 'wrong'), { headers }))
    return told(answer).faultcode === 'sf:LOGIN_RATE_EXCEEDED' ? answer : undefined
  })
  t.match(told(fault), { faultstring: /rate_limited: .*\b\d+ seconds?\b/ })
  // The Java client knows the values of the WSDL alone.
  t.equal(textIn(fault.body, 'exceptionCode'), 'REQUEST_LIMIT_EXCEEDED')
  t.ok(Number(fault.headers.get('retry-after')) >= 1)
})

t.test('a fault of the Enterprise API is in its namespace', async (t) => {
  const path = '/login/billing/services/Soap/c/60.0'
  const { body } = await ask(soap(login('billing', 'wrong'), { path }))
  t.match(body, 'xmlns:sf="urn:fault.enterprise.soap.sforce.com"')
})

t.test('a GET is sent to the instance, as all that is none of the login host', async (t) => {
  const { status } = await ask({ path: `${SOAP_PATH}?wsdl`, method: 'GET' })
  t.equal(status, 421)
})

t.test('nothing of a body is in the log', async (t) => {
  const said = broker.logs() + JSON.stringify(broker.audit())
  for (const { key } of [wide, other, blind, limited]) t.notMatch(said, key.slice(12))
  t.notMatch(said, 'correct horse')
  t.equal(simulator.log.filter(({ path }) => path.startsWith('/services/Soap')).length, 0)
})
