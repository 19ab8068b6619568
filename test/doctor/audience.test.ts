import t from 'tap'
import { otherWays, wayOf } from '../../src/doctor/audience.ts'
import type { RefusalReason } from '../../src/grants/refusals/refusal-table.ts'
import { createHostRules } from '../../src/http/outbound/login-host.ts'

const LOGIN = 'https://login.salesforce.com'
const TEST = 'https://test.salesforce.com'
const hosts = createHostRules(['sso.acme.com', 'http://127.0.0.1:8090', 'http://127.0.0.2:8090'])

const ways = (loginUrl: string, audience: string, reason: RefusalReason = 'audience_invalid') =>
  otherWays({ loginUrl, audience }, reason, hosts).map((way) => [way.loginUrl, way.audience])

t.test('a My Domain: the other login hosts as audience, then themselves', async (t) => {
  const acme = 'https://acme.my.salesforce.com'
  t.strictSame(ways(acme, acme), [
    [acme, LOGIN],
    [acme, TEST],
    [LOGIN, LOGIN],
    [TEST, TEST],
  ])
  t.strictSame(ways(acme, LOGIN).at(-1), [acme, acme])
  const sandbox = 'https://acme--dev.sandbox.my.salesforce.com'
  t.strictSame(ways(sandbox, LOGIN, 'client_id_invalid').slice(0, 2), [
    [TEST, TEST],
    [LOGIN, LOGIN],
  ])
})

t.test('a common login host leads to the other', async (t) => {
  t.strictSame(ways(TEST, TEST, 'client_id_invalid')[0], [LOGIN, LOGIN])
  t.strictSame(ways(LOGIN, LOGIN, 'app_not_found')[0], [TEST, TEST])
})

t.test('sites and the government cloud are asked themselves, and nobody else', async (t) => {
  for (const host of ['https://acme.my.site.com/customers', 'https://acme.my.salesforce.mil']) {
    t.ok(ways(host, LOGIN).every(([loginUrl]) => loginUrl === host))
    t.ok(ways(host, LOGIN).some(([, audience]) => audience === host))
  }
})

t.test('a loopback host leads to those that are listed, and to no real one', async (t) => {
  const here = 'http://127.0.0.1:8090'
  const found = ways(here, LOGIN, 'client_id_invalid')
  t.strictSame(found[0], ['http://127.0.0.2:8090', LOGIN])
  t.ok(found.every(([loginUrl]) => loginUrl?.startsWith('http://127.0.0.')))
})

t.test(
  "a host that is not Salesforce's gets nothing that it could use at Salesforce",
  async (t) => {
    const own = 'https://sso.acme.com'
    t.strictSame(ways(own, TEST), [[own, own]])
    t.strictSame(ways(own, own), [])
  },
)

t.test('what was tried is not tried again, and no pair twice', async (t) => {
  for (const reason of ['audience_invalid', 'client_id_invalid'] as const) {
    for (const loginUrl of ['https://acme.my.salesforce.com', LOGIN, TEST]) {
      for (const audience of [LOGIN, TEST, loginUrl]) {
        const found = ways(loginUrl, audience, reason).map((way) => way.join(' '))
        t.equal(new Set(found).size, found.length, `${loginUrl} ${audience}: ${found}`)
        t.notOk(found.includes(`${loginUrl} ${audience}`))
      }
    }
  }
})

t.test('only a grant that names an audience has another', async (t) => {
  t.equal(wayOf(LOGIN, { type: 'client_credentials' }), undefined)
  t.strictSame(wayOf(TEST, { type: 'jwt_bearer' }), { loginUrl: TEST, audience: TEST })
})
