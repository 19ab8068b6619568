import fc from 'fast-check'
import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import { createHostRules, loginHostMistakes } from '../../../src/http/outbound/login-host.ts'

const rules = createHostRules([
  'sso.acme.example',
  '*.orgs.acme.example',
  'http://127.0.0.1:8055',
  'http://[::1]:8056',
  'http://localhost:8057',
])

function codeOf(text: string): string {
  try {
    return rules.checkLoginUrl(text)
  } catch (error) {
    return error instanceof BrokerError ? error.code : `not a BrokerError: ${error}`
  }
}

t.test('takes login URLs on allowed hosts, in normal form', async (t) => {
  const good = [
    ['https://login.salesforce.com', 'https://login.salesforce.com'],
    ['https://login.salesforce.com/', 'https://login.salesforce.com'],
    ['https://test.salesforce.com', 'https://test.salesforce.com'],
    ['HTTPS://LOGIN.Salesforce.com', 'https://login.salesforce.com'],
    ['https://acme.my.salesforce.com', 'https://acme.my.salesforce.com'],
    ['https://acme--uat.sandbox.my.salesforce.com', 'https://acme--uat.sandbox.my.salesforce.com'],
    ['https://acme.my.salesforce.mil', 'https://acme.my.salesforce.mil'],
    ['https://acme.my.site.com', 'https://acme.my.site.com'],
    ['https://acme.my.site.com/customers', 'https://acme.my.site.com/customers'],
    ['https://acme.my.site.com/a/b_c-D/', 'https://acme.my.site.com/a/b_c-D'],
    ['https://sso.acme.example', 'https://sso.acme.example'],
    ['https://sso.acme.example/customers/', 'https://sso.acme.example/customers'],
    ['https://acme.my.sfcrmproducts.cn', 'https://acme.my.sfcrmproducts.cn'],
    [
      'https://acme--uat.sandbox.my.sfcrmproducts.cn',
      'https://acme--uat.sandbox.my.sfcrmproducts.cn',
    ],
    ['https://a.b.orgs.acme.example', 'https://a.b.orgs.acme.example'],
    ['http://127.0.0.1:8055', 'http://127.0.0.1:8055'],
    ['http://127.0.0.1:8055/', 'http://127.0.0.1:8055'],
    ['http://[::1]:8056', 'http://[::1]:8056'],
    ['http://localhost:8057', 'http://localhost:8057'],
  ] as const
  for (const [text, normal] of good) t.equal(codeOf(text), normal, text)
})

const HOSTILE = [
  // not https, not a URL
  '',
  ' ',
  'login.salesforce.com',
  '//login.salesforce.com',
  'http://login.salesforce.com',
  'ftp://login.salesforce.com',
  'file:///etc/passwd',
  'javascript:alert(1)',
  'data:text/plain,x',
  'gopher://login.salesforce.com',
  'ws://login.salesforce.com',
  'https:login.salesforce.com',
  'https:/login.salesforce.com',
  'https:///login.salesforce.com',
  'https://',
  // userinfo
  'https://user@login.salesforce.com',
  'https://user:pass@login.salesforce.com',
  'https://login.salesforce.com@evil.example',
  'https://login.salesforce.com:443@evil.example',
  'https://@login.salesforce.com',
  'https://login.salesforce.com%40evil.example',
  // port
  'https://login.salesforce.com:8443',
  'https://login.salesforce.com:443',
  'https://login.salesforce.com:',
  'https://login.salesforce.com:99999',
  'https://sso.acme.example:8443',
  // query, fragment, path
  'https://login.salesforce.com?x=1',
  'https://login.salesforce.com?',
  'https://login.salesforce.com#x',
  'https://evil.example#.my.salesforce.com',
  'https://evil.example/.my.salesforce.com',
  'https://evil.example?.my.salesforce.com',
  'https://login.salesforce.com/services/oauth2/token',
  'https://acme.my.salesforce.com/customers',
  'https://sso.acme.example/customers/services/oauth2/token',
  'https://acme.my.sfcrmproducts.cn/customers',
  'https://sfcrmproducts.cn',
  'https://my.sfcrmproducts.cn',
  'https://evilmy.sfcrmproducts.cn',
  'https://acme.my.site.com/a/../b',
  'https://acme.my.site.com/./b',
  'https://acme.my.site.com//b',
  'https://acme.my.site.com/a%2fb',
  'https://acme.my.site.com/a;b',
  'https://acme.my.site.com/customers/services/oauth2/token',
  'http://127.0.0.1:8055/customers',
  // addresses, in every spelling
  'https://127.0.0.1',
  'https://127.1',
  'https://2130706433',
  'https://0x7f000001',
  'https://0x7f.0.0.1',
  'https://0177.0.0.1',
  'https://017700000001',
  'https://0',
  'https://0.0.0.0',
  'https://10.0.0.1',
  'https://169.254.169.254',
  'https://[::]',
  'https://[::1]',
  'https://[::ffff:127.0.0.1]',
  'https://[::ffff:7f00:1]',
  'https://[fe80::1]',
  'https://[fd00:ec2::254]',
  'https://[64:ff9b::7f00:1]',
  'https://203.0.113.7',
  'https://8.8.8.8',
  // names of inner hosts
  'https://localhost',
  'https://metadata.google.internal',
  'https://kubernetes.default.svc',
  'https://127.0.0.1.nip.io',
  // suffix and label tricks
  'https://my.salesforce.com',
  'https://my.site.com',
  'https://salesforce.com',
  'https://evilmy.salesforce.com',
  'https://evil-my.salesforce.com',
  'https://acme.my.salesforce.com.evil.example',
  'https://login.salesforce.com.evil.example',
  'https://evil-login.salesforce.com',
  'https://xlogin.salesforce.com',
  'https://login-salesforce.com',
  'https://acme.lightning.force.com',
  'https://acme.my.salesforce.co',
  'https://acme.my.salesforce.comm',
  'https://orgs.acme.example',
  'https://x.sso.acme.example',
  'https://.my.salesforce.com',
  'https://a..my.salesforce.com',
  'https://-a.my.salesforce.com',
  'https://a_b.my.salesforce.com',
  'https://*.my.salesforce.com',
  `https://${'a'.repeat(64)}.my.salesforce.com`,
  `https://${'a.'.repeat(130)}my.salesforce.com`,
  'https://login.salesforce.com.',
  'https://acme.my.salesforce.com./',
  // what a parser would repair
  'https://login.salesforce.com\\@evil.example',
  'https:\\\\login.salesforce.com',
  'https://login.salesforce.com\\.evil.example',
  'https://login%2esalesforce.com',
  'https://%6cogin.salesforce.com',
  'https://evil.example%00.my.salesforce.com',
  'https://evil.example%23.my.salesforce.com',
  'https://login.salesforce.com\t',
  'https://lo\ngin.salesforce.com',
  'https://login.salesforce.com\r\nHost: evil.example',
  ' https://login.salesforce.com',
  'https://login.salesforce.com ',
  'https://login。salesforce.com',
  'https://ｌogin.salesforce.com',
  'https://lоgin.salesforce.com',
  'https://log\u00adin.salesforce.com',
  'https://ⓛogin.salesforce.com',
  // listed loopback, but not exactly
  'http://127.0.0.1',
  'http://127.0.0.1:8054',
  'https://127.0.0.1:8055',
  'http://127.0.0.2:8055',
  'http://127.1:8055',
  'http://0x7f.1:8055',
  'http://user@127.0.0.1:8055',
  'http://localhost:8055',
  'http://[::1]:8055',
  'http://[::ffff:127.0.0.1]:8055',
  'http://localhost.:8057',
]

t.test(`refuses ${HOSTILE.length} hostile login URLs`, async (t) => {
  t.ok(HOSTILE.length >= 60)
  for (const text of HOSTILE) t.equal(codeOf(text), 'request_invalid', JSON.stringify(text))
})

t.test('says which rule a login URL breaks', async (t) => {
  const detail = (text: string) => {
    try {
      return rules.checkLoginUrl(text)
    } catch (error) {
      return (error as BrokerError).detail
    }
  }
  t.match(detail('http://login.salesforce.com'), /https/)
  t.match(detail('https://u@login.salesforce.com'), /user name/)
  t.match(detail('https://login.salesforce.com:8443'), /port/)
  t.match(detail('https://login.salesforce.com?a'), /query/)
  t.match(detail('https://acme.my.salesforce.com/x'), /path/)
  t.match(detail('https://8.8.8.8'), /IP address/)
  t.match(detail('https://login.salesforce.com.'), /dot/)
  t.match(detail('https://evil.example'), /VALETKEY_LOGIN_HOSTS/)
})

t.test('answers any text with a normal URL or a problem, and the URL is stable', async (t) => {
  const anyUrl = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.webUrl(),
    fc.string().map((tail) => `https://login.salesforce.com${tail}`),
    fc.string().map((head) => `https://${head}.my.salesforce.com`),
    fc.constantFrom(...HOSTILE),
  )
  const property = fc.property(anyUrl, (text) => {
    const answer = codeOf(text)
    if (answer === 'request_invalid') return true
    const host = new URL(answer).hostname
    return (
      codeOf(answer) === answer && (rules.isSalesforceOwn(host) || host.endsWith('.acme.example'))
    )
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2_000 }))
})

t.test('lets callers be sent to hosts of Salesforce alone', async (t) => {
  const good = [
    ['https://acme.my.salesforce.com', 'https://acme.my.salesforce.com'],
    ['https://acme.my.salesforce.com/', 'https://acme.my.salesforce.com'],
    ['https://na1.salesforce.com', 'https://na1.salesforce.com'],
    ['https://api.salesforce.com', 'https://api.salesforce.com'],
    ['https://acme.force.com', 'https://acme.force.com'],
    ['https://acme.my.salesforce.mil', 'https://acme.my.salesforce.mil'],
    ['https://acme.my.site.com', 'https://acme.my.site.com'],
    ['https://acme.my.sfcrmproducts.cn', 'https://acme.my.sfcrmproducts.cn'],
    ['https://acme.my.site.com/customers/', 'https://acme.my.site.com/customers'],
    ['https://acme.my.salesforce.com/path', 'https://acme.my.salesforce.com/path'],
    ['https://sso.acme.example/customers', 'https://sso.acme.example/customers'],
    ['https://x.orgs.acme.example', 'https://x.orgs.acme.example'],
    ['http://127.0.0.1:8055', 'http://127.0.0.1:8055'],
  ] as const
  for (const [text, origin] of good) t.equal(rules.checkInstanceUrl(text), origin, text)
  const bad = [
    'http://acme.my.salesforce.com',
    'https://evil.example',
    'https://salesforce.com.evil.example',
    'https://evilsalesforce.com',
    'https://evil-force.com',
    'https://force.com',
    'https://site.com',
    'https://acme.site.com',
    'https://evilmy.site.com',
    'https://user@acme.my.salesforce.com',
    'https://acme.my.salesforce.com@evil.example',
    'https://acme.my.salesforce.com:8443',
    'https://acme.my.salesforce.com/services/oauth2/token',
    'https://acme.my.site.com/a/../b',
    'https://acme.my.site.com/a%2fb',
    'https://acme.my.site.com//b',
    'https://evil.example/path',
    'https://acme.my.salesforce.com?x',
    'https://acme.my.salesforce.com\\.evil.example',
    'https://acme.my.salesforce.com.',
    'https://127.0.0.1',
    'http://127.0.0.1:8054',
    'http://169.254.169.254',
    'acme.my.salesforce.com',
    '',
  ]
  for (const text of bad) t.equal(rules.checkInstanceUrl(text), undefined, JSON.stringify(text))
})

t.test("tells Salesforce's own login hosts from listed ones", async (t) => {
  t.ok(rules.isSalesforceOwn('acme.my.salesforce.com'))
  t.ok(rules.isSalesforceOwn('LOGIN.salesforce.com'))
  t.notOk(rules.isSalesforceOwn('sso.acme.example'))
  t.notOk(rules.isSalesforceOwn('127.0.0.1'))
  t.notOk(rules.isSalesforceOwn('my.salesforce.com'))
})

t.test('exempts exactly the listed loopback origins from the rule on addresses', async (t) => {
  t.ok(rules.allowsPrivate(new URL('http://127.0.0.1:8055/services/oauth2/token')))
  t.notOk(rules.allowsPrivate(new URL('http://127.0.0.1:8054/')))
  t.notOk(rules.allowsPrivate(new URL('https://127.0.0.1:8055/')))
  t.notOk(rules.allowsPrivate(new URL('https://sso.acme.example/')))
})

t.test('reports every bad entry of the setting, and none of the good', async (t) => {
  const good = [
    'sso.acme.example',
    '*.acme.example',
    'http://127.0.0.1:1',
    'http://[::1]:1',
    'SSO.example',
  ]
  t.same(loginHostMistakes(good), [])
  const bad = [
    '',
    '*',
    '*.',
    '*.com',
    'a b',
    'sso.acme.example:8443',
    'https://sso.acme.example',
    'http://10.0.0.1:80',
    'http://127.0.0.1.evil.example',
    'http://127.0.0.1:1/path',
    '10.0.0.1',
    '[::1]',
    'user@host',
    '*.*.acme.example',
    'acme..example',
  ]
  t.equal(loginHostMistakes(bad).length, bad.length)
  t.throws(() => createHostRules(['*']))
})
