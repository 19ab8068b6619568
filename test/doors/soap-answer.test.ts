import t from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { loginResponse } from '../../src/doors/soap/login-response.ts'
import { soapApiIn } from '../../src/doors/soap/soap-address.ts'
import { readSoapRequest } from '../../src/doors/soap/soap-request.ts'
import { defaultUserInfo, userInfoIn } from '../../src/doors/soap/user-info.ts'
import { readXml } from '../../src/doors/soap/xml.ts'
import type { Lease } from '../../src/tokens/serve/lease.ts'
import { textIn } from './soap-world.ts'

const leaseAt = (instanceUrl: string, members: Partial<Lease> = {}): Lease => ({
  ...{ integration: 'billing', uid: 'a', tokenId: 'b', digest: 'c', instanceUrl },
  ...{ accessToken: new Secret('00D!<&>'), expirySource: 'expires_in' },
  ...{ issuedAt: 0, mintedAt: 0, expiresAt: 60_000, refreshAt: 50_000 },
  ...members,
})

const PARTNER = { kind: 'u', version: '60.0' } as const
const answer = (lease: Lease, info = defaultUserInfo(lease)) =>
  loginResponse(lease, PARTNER, info, 7)

t.test('the host tells a sandbox', async (t) => {
  const hosts: Readonly<Record<string, string>> = {
    'https://acme.my.salesforce.com': 'false',
    'https://acme--dev.sandbox.my.salesforce.com': 'true',
    'https://acme--dev.my.salesforce.com': 'true',
    'https://cs42.salesforce.com': 'true',
    'https://na42.salesforce.com': 'false',
  }
  for (const [host, sandbox] of Object.entries(hosts)) {
    t.equal(textIn(answer(leaseAt(host)), 'sandbox'), sandbox, host)
  }
  const issued = leaseAt('https://acme.my.salesforce.com', {
    issuer: 'https://test.salesforce.com',
  })
  t.equal(textIn(answer(issued), 'sandbox'), 'true')
})

t.test('ids that nobody knows are those of nothing', async (t) => {
  const text = answer(leaseAt('https://acme.my.salesforce.com'))
  t.equal(textIn(text, 'organizationId'), '000000000000000AAA')
  t.match(textIn(text, 'serverUrl'), /\/services\/Soap\/u\/60\.0\/000000000000000$/)
  t.equal(textIn(text, 'sessionSecondsValid'), '7')
})

t.test('what is written is escaped', async (t) => {
  const text = answer(leaseAt('https://acme.my.salesforce.com'))
  t.equal(textIn(text, 'sessionId'), '00D!&lt;&amp;&gt;')
  t.type(readXml(text), Object)
})

t.test('user info of another form is not passed on', async (t) => {
  const lease = leaseAt('https://acme.my.salesforce.com', { orgId: '00D000000000001' })
  const result = readXml(
    '<result><organizationId>00D000000000002AAA</organizationId><userName>a</userName><accessibilityMode>perhaps</accessibilityMode><profileId>x</profileId><sessionSecondsValid>9</sessionSecondsValid><more>b</more></result>',
  )
  if (typeof result === 'string') throw new Error(result)
  t.match(userInfoIn(result, lease), {
    organizationId: '00D000000000001EAA',
    userName: 'a',
    accessibilityMode: 'false',
    profileId: '000000000000000AAA',
  })
  t.notMatch(answer(lease, userInfoIn(result, lease)), '<more>')
})

t.test('a URL names an API and a version', async (t) => {
  const none = [
    ['m', '60.0'],
    ['u', ''],
    ['u', '60'],
    ['u', '060.0'],
    ['u', '60.1'],
    ['u', '6000.0'],
    ['u', 'vv60.0'],
    ['constructor', '60.0'],
  ] as const
  for (const [kind, version] of none) t.equal(soapApiIn(kind, version), undefined, version)
  t.same(soapApiIn('u', 'v44.0'), { kind: 'u', version: '44.0' })
  t.same(soapApiIn('c', '64.0', '../..'), { kind: 'c', version: '64.0' })
})

t.test('a bare ampersand is a character, and an unknown entity is none', async (t) => {
  const of = (username: string) =>
    `<Envelope><Body><login><username>${username}</username></login></Body></Envelope>`
  for (const name of ['a&b', '&', 'a && b', 'a&;', 'a&b ;']) {
    t.equal(readSoapRequest(of(name)).form.username, name, name)
  }
  t.equal(readSoapRequest(of('<![CDATA[a&b&amp;]]>')).form.username, 'a&b&amp;')
  for (const name of ['&nbsp;', '&a;', '&toString;', '&__proto__;', '&#0;', '&#xD800;']) {
    t.throws(() => readSoapRequest(of(name)), { code: 'request_invalid' }, name)
  }
})
