import { gzipSync } from 'node:zlib'
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import {
  ENVELOPE,
  elementsIn,
  envelope,
  login,
  PARTNER,
  SOAP_PATH,
  soap,
  textIn,
  told,
} from './soap-world.ts'
import { type DoorRequest, doorWorld } from './world.ts'

const { ask, broker, call, makeKey, simulator } = await doorWorld(t)
const wide = await makeKey('wide')
const one = await makeKey('one', { integrations: ['billing'] })
const ROOT = '/services/Soap/u/60.0'

const jsforce = `<se:Envelope xmlns:se="${ENVELOPE}"><se:Header/><se:Body><login xmlns="${PARTNER}"><username>billing</username><password>${wide.key}</password></login></se:Body></se:Envelope>`
const simpleSalesforce = `<?xml version="1.0" encoding="utf-8" ?>
        <env:Envelope
                xmlns:xsd="http://www.w3.org/2001/XMLSchema"
                xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
                xmlns:env="${ENVELOPE}"
                xmlns:urn="${PARTNER}">
            <env:Header>
                <urn:CallOptions>
                    <urn:client>simple-salesforce</urn:client>
                    <urn:defaultNamespace>sf</urn:defaultNamespace>
                </urn:CallOptions>
            </env:Header>
            <env:Body>
                <n1:login xmlns:n1="${PARTNER}">
                    <n1:username>billing</n1:username>
                    <n1:password>${wide.key}</n1:password>
                </n1:login>
            </env:Body>
        </env:Envelope>`
const wsc = `<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="${ENVELOPE}" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><env:Body><m:login xmlns:m="${PARTNER}" xmlns:sobj="urn:sobject.partner.soap.sforce.com"><m:username>billing</m:username><m:password>${wide.key}</m:password></m:login></env:Body></env:Envelope>`

/** Each is a login to `billing`. */
const TAKEN: Readonly<Record<string, DoorRequest>> = {
  jsforce: soap(jsforce, { headers: { 'content-type': 'text/xml' } }),
  'jsforce with a slash at the end of its login URL': soap(jsforce, {
    path: '/login/billing//services/Soap/u/50.0',
  }),
  'simple-salesforce': soap(simpleSalesforce, {
    headers: { 'content-type': 'text/xml', charset: 'UTF-8', soapaction: 'login' },
  }),
  'the Java client': soap(gzipSync(wsc), {
    headers: {
      ...{ 'content-type': 'text/xml; charset=UTF-8', accept: 'text/xml' },
      'content-encoding': 'gzip',
    },
  }),
  'rustforce, which escapes nothing': soap(login('billing@a&b c', wide.key), {
    path: '/login/billing/services/Soap/u/v44.0',
  }),
  'escaped text': soap(
    login('billing@a&amp;b&lt;&#x41;', wide.key.replace('vk_', '&#118;&#x6b;_')),
  ),
  'a CDATA section': soap(login('billing@x', `<![CDATA[${wide.key}]]>`)),
  'a default namespace': soap(
    `<Envelope xmlns="${ENVELOPE}"><Body><login xmlns="${PARTNER}"><username>billing</username><password>${wide.key}</password></login></Body></Envelope>`,
  ),
  'an indented body': soap(login('\n    billing\n  ', `\n    ${wide.key}\n  `)),
  'a byte order mark': soap(`\uFEFF${jsforce}`),
  'unknown headers': soap(
    envelope(
      `<login><username>billing</username><password>${wide.key}</password></login>`,
      `<LoginScopeHeader><organizationId>00D</organizationId></LoginScopeHeader><a:b xmlns:a="c"/>`,
    ),
  ),
  'no content type': soap(jsforce, { headers: { 'content-type': '' } }),
  'the content type of SOAP 1.2': soap(jsforce, {
    headers: { 'content-type': 'application/soap+xml' },
  }),
  'a credential of something else': soap(jsforce, { headers: { authorization: 'Basic YTpi' } }),
  'a security token': soap(login('billing', `${wide.key}${'s'.repeat(40)}`)),
  'a username of Salesforce under a name': soap(login('jane@acme.com', wide.key)),
  'the Enterprise API': soap(login('billing', wide.key), {
    path: '/login/billing/services/Soap/c/60.0',
  }),
  'a name as username at the root': soap(login('billing', wide.key), { path: ROOT }),
  'a name in a username at the root': soap(login('billing@x', wide.key), { path: ROOT }),
  'a key for one integration at the root': soap(login('', one.key), { path: ROOT }),
  'slashes everywhere': soap(jsforce, { path: '//login//billing//services//Soap//u//60.0/' }),
}

for (const [name, request] of Object.entries(TAKEN)) {
  t.test(`a login of ${name} gets the token`, async (t) => {
    const answer = await ask(request)
    t.match(told(answer), { status: 200 }, answer.body)
    const { body: token } = await call('GET', '/tokens/billing')
    t.equal(textIn(answer.body, 'sessionId'), token.access_token)
    t.match(textIn(answer.body, 'serverUrl'), `${token.instance_url}/services/Soap/`)
    t.equal(answer.headers.get('cache-control'), 'no-store')
  })
}

const RESULT = [
  ...['metadataServerUrl', 'passwordExpired', 'sandbox', 'serverUrl', 'sessionId', 'userId'],
  'userInfo',
]
/** Of the classes of force-partner-api 31, 38, 40 and 65. */
const USER_INFO = [
  ...['accessibilityMode', 'chatterExternal', 'currencySymbol', 'orgAttachmentFileSizeLimit'],
  ...['orgDefaultCurrencyIsoCode', 'orgDefaultCurrencyLocale', 'orgDisallowHtmlAttachments'],
  ...['orgHasPersonAccounts', 'organizationId', 'organizationMultiCurrency', 'organizationName'],
  ...['profileId', 'roleId', 'sessionSecondsValid', 'userDefaultCurrencyIsoCode', 'userEmail'],
  ...['userFullName', 'userId', 'userLanguage', 'userLocale', 'userName', 'userTimeZone'],
  ...['userType', 'userUiSkin'],
]
const LATER = ['orgDefaultCurrencyLocale', 'chatterExternal']

t.test('the elements of the answer are those of the WSDL, in its order', async (t) => {
  const versions: Readonly<Record<string, readonly string[]>> = {
    '31.0': LATER,
    '37.0': LATER,
    '38.0': LATER.slice(1),
    '39.0': LATER.slice(1),
    '40.0': [],
    '60.0': [],
    '65.0': [],
  }
  for (const kind of ['u', 'c']) {
    for (const [version, absent] of Object.entries(versions)) {
      const path = `/login/billing/services/Soap/${kind}/${version}`
      const { body } = await ask(soap(login('billing', wide.key), { path }))
      t.same(elementsIn(body, 'result'), RESULT, path)
      t.same(
        elementsIn(body, 'userInfo'),
        USER_INFO.filter((element) => !absent.includes(element)),
        path,
      )
    }
  }
})

t.test('the answer says what Salesforce says', async (t) => {
  const { body: token } = await call('GET', '/tokens/billing')
  const { body } = await ask(soap(login('billing', wide.key)))
  const org15 = token.org_id.slice(0, 15)
  t.match(body, `<loginResponse><result>`)
  t.match(body, `xmlns="${PARTNER}"`)
  t.equal(textIn(body, 'serverUrl'), `${token.instance_url}/services/Soap/u/60.0/${org15}`)
  t.equal(textIn(body, 'metadataServerUrl'), `${token.instance_url}/services/Soap/m/60.0/${org15}`)
  t.equal(textIn(body, 'sandbox'), 'false')
  t.match(textIn(body, 'userId'), /^005\w{15}$/)
  t.match(textIn(body, 'organizationId'), /^00D\w{15}$/)
  t.equal(textIn(body, 'organizationName'), 'Acme &amp; Sons &lt;acme&gt;')
  t.equal(textIn(body, 'userName'), 'billing@acme.com')
  t.match(body, '<roleId xsi:nil="true"/>')
  const seconds = Number(textIn(body, 'sessionSecondsValid'))
  t.ok(seconds > 0 && seconds <= token.expires_in + 1, String(seconds))
  const path = '/login/billing/services/Soap/c/64.0/0DF000000000001'
  const enterprise = await ask(soap(login('billing', wide.key), { path }))
  t.match(enterprise.body, 'xmlns="urn:enterprise.soap.sforce.com"')
  t.equal(
    textIn(enterprise.body, 'serverUrl'),
    `${token.instance_url}/services/Soap/c/64.0/${org15}/0DF000000000001`,
  )
})

t.test('max_expires_in of a key bounds the seconds', async (t) => {
  const short = await makeKey('short', { max_expires_in: 60 })
  const { body } = await ask(soap(login('billing', short.key)))
  t.equal(textIn(body, 'sessionSecondsValid'), '60')
})

t.test('another operation is told where it belongs, and nothing is done', async (t) => {
  const session = `<SessionHeader><sessionId>00D000000000001!AQ</sessionId></SessionHeader>`
  for (const operation of ['query', 'getUserInfo', 'describeGlobal', 'constructor']) {
    const answer = await ask(soap(envelope(`<m:${operation} xmlns:m="${PARTNER}"/>`, session)))
    t.match(told(answer), {
      faultcode: 'sf:INVALID_OPERATION',
      faultstring: /serverUrl/,
    })
    t.notMatch(answer.body, simulator.origins.myDomain, 'nobody is told the instance')
  }
})

t.test('a logout is answered, ends nothing, and is audited with who got the session', async (t) => {
  const headers = { 'x-forwarded-for': '192.0.2.77' }
  const { body } = await ask(soap(login('billing', wide.key), { headers }))
  const sessionId = textIn(body, 'sessionId') ?? ''
  for (const path of [SOAP_PATH, '/services/Soap/c/60.0']) {
    for (const session of [sessionId, '00D000000000001!AQ', '']) {
      const header = `<SessionHeader><sessionId>${session}</sessionId></SessionHeader>`
      const answer = await ask(soap(envelope('<logout/>', header), { path, headers }))
      t.equal(answer.status, 200)
      t.match(answer.body, '<soapenv:Body><logoutResponse/></soapenv:Body>')
    }
  }
  const again = await ask(soap(login('billing', wide.key), { headers }))
  t.equal(textIn(again.body, 'sessionId'), sessionId)
  t.ok(simulator.sessions().some(({ token }) => token === sessionId))
  const ignored = () => broker.audit().filter(({ detail }) => detail?.reason === 'revoke_ignored')
  await eventually(() => ignored().length > 0)
  t.match(ignored()[0], {
    integration: 'billing',
    detail: { operation: 'logInBySoap', client: 'api-key:wide' },
  })
})

t.test('a login is audited as a read, and its key is nowhere', async (t) => {
  const count = () => broker.audit().filter(({ action }) => action === 'token.read').length
  const before = count()
  await ask(soap(login('billing', wide.key)))
  await eventually(() => count() > before)
  await ask(soap(login('billing', `${wide.key}x`).replace('</login>', '')))
  await ask(soap(login('billing', `${wide.key.slice(0, 60)}x`)))
  const { body: counts } = await call('GET', '/integrations/billing/callers')
  t.match(JSON.stringify(counts), 'api-key:wide')
  const said = broker.logs() + JSON.stringify(broker.audit())
  t.notMatch(said, wide.key.slice(12))
  t.notMatch(said, wide.key.slice(12, 40))
})
