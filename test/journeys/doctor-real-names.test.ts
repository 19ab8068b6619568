/** `valetkey doctor` against Salesforce by its real names, over TLS and a proxy, as in a pipeline. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { startSimulator } from '../../simulator/simulator.ts'
import { createAuthority } from '../support/authority.ts'
import { endWithThisProcess } from '../support/children.ts'
import { ENTRY_POINT } from '../support/entry-point.ts'
import { newSigningKey } from '../support/signing-key.ts'
import { tunnelProxy } from '../support/tunnel-proxy.ts'

const LOGIN = 'https://login.salesforce.com'
const TEST = 'https://test.salesforce.com'
const ACME = 'https://acme.my.salesforce.com'

const authority = createAuthority(t)
const names = [
  ...['login.salesforce.com', 'test.salesforce.com', 'acme.my.salesforce.com'],
  'shop.acme.com',
]
const tls = authority.issue({
  san: names.map((name) => `DNS:${name}`).join(','),
  purpose: 'serverAuth',
})
const simulator = await startSimulator({ tls })
t.teardown(() => simulator.stop())
const proxy = await tunnelProxy(t, simulator.port)
const key = await newSigningKey()
const folder = t.testdir({
  'ca.pem': authority.certificate,
  'key.pem': key.privateKey,
  'certificate.pem': key.certificate,
  secret: 'a-secret-of-acme',
})
const path = (name: string) => join(folder, name)
const app = simulator.addJwtApp({ certificatePem: key.certificate })

const billing = (loginUrl: string, more: object = {}) => ({
  login_url: loginUrl,
  grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username, ...more },
  credential: { private_key_file: path('key.pem'), certificate_file: path('certificate.pem') },
})

async function doctor(integrations: object, env: Readonly<Record<string, string>>) {
  writeFileSync(path('valetkey.yaml'), stringify({ integrations }))
  const args = [ENTRY_POINT, 'doctor', path('valetkey.yaml'), '--json']
  const child = endWithThisProcess(
    spawn(process.execPath, args, {
      env: { PATH: process.env.PATH, HTTPS_PROXY: proxy.url, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  )
  let stdout = ''
  child.stdout?.on('data', (text) => {
    stdout += text
  })
  const [code] = await once(child, 'close')
  const { reports } = JSON.parse(stdout)
  const byName = reports.map(
    ({ integration, checks }: { integration: string; checks: object[] }) => [
      integration,
      Object.fromEntries(checks.map((one) => [(one as { check: string }).check, one])),
    ],
  )
  return { code, checks: Object.fromEntries(byName) }
}

t.test('the pair that works is named, by real names', async (t) => {
  const { code, checks } = await doctor(
    {
      well: billing(ACME),
      mistaken: billing(ACME, { audience: TEST }),
      misled: billing(TEST),
      renamed: billing('https://was-acme.my.salesforce.com'),
    },
    { NODE_EXTRA_CA_CERTS: path('ca.pem') },
  )
  t.equal(code, 1)
  t.match(checks.well, { tls: { ok: true, detail: /acme\.my\.salesforce\.com is trusted/ } })
  t.match(checks.well, { mint: { ok: true }, instance_url: { ok: true } })
  t.match(checks.mistaken.audience, { works: { login_url: ACME, audience: LOGIN } })
  t.match(checks.misled.audience, {
    works: { login_url: LOGIN, audience: LOGIN },
    remedy: new RegExp(`^Set login_url to ${LOGIN} and grant\\.audience to ${LOGIN}`),
  })
  t.match(checks.renamed, {
    tls: { outcome: 'failed', detail: /ERR_TLS_CERT_ALTNAME_INVALID/ },
    mint: { outcome: 'skipped', remedy: 'Mend `tls`.' },
  })
})

t.test('a certificate that nobody trusts is told, and nothing is sent there', async (t) => {
  simulator.clear()
  const { code, checks } = await doctor({ billing: billing(ACME) }, {})
  t.equal(code, 1)
  t.match(checks.billing, {
    login_host: { ok: true },
    tls: { outcome: 'failed', detail: /UNABLE_TO_VERIFY/, remedy: /NODE_EXTRA_CA_CERTS/ },
    clock: { outcome: 'skipped' },
  })
  t.equal(simulator.log.length, 0)
})

t.test('a proxy that is gone is told', async (t) => {
  const { checks } = await doctor({ billing: billing(ACME) }, { HTTPS_PROXY: 'http://127.0.0.1:1' })
  t.match(checks.billing.login_host, { outcome: 'failed', remedy: /HTTPS_PROXY/ })
})

t.test('a grant that needs the My Domain is told so, and nobody logs in', async (t) => {
  const before = simulator.tokenRequests().length
  const { code, checks } = await doctor(
    {
      common: {
        login_url: LOGIN,
        grant: { type: 'client_credentials', client_id: app.clientId },
        credential: { client_secret_file: path('secret') },
      },
    },
    { NODE_EXTRA_CA_CERTS: path('ca.pem') },
  )
  t.equal(code, 1)
  t.match(checks.common, {
    definition: { ok: false, detail: /use your My Domain/, remedy: /my\.salesforce\.com/ },
    mint: { ok: false, outcome: 'skipped' },
  })
  t.equal(simulator.tokenRequests().length, before)
})

t.test('a site below a path of a custom domain', async (t) => {
  const SHOP = 'https://shop.acme.com/customers'
  simulator.updateOrg(simulator.acme.id, { customDomain: 'shop.acme.com' })
  simulator.addFault({ kind: 'members', set: { instance_url: `${SHOP}/` }, times: null })
  t.teardown(() => simulator.clearFaults())
  const env = { NODE_EXTRA_CA_CERTS: path('ca.pem'), VALETKEY_LOGIN_HOSTS: 'shop.acme.com' }
  const { code, checks } = await doctor(
    { shop: billing(SHOP, { audience: SHOP }), mistaken: billing(SHOP, { audience: TEST }) },
    env,
  )
  t.equal(code, 1)
  t.match(checks.shop, { audience: { ok: true }, mint: { ok: true }, instance_url: { ok: true } })
  t.match(checks.mistaken.audience, { works: { login_url: SHOP, audience: SHOP } })
  const asked = simulator.log.filter(({ endpoint }) => endpoint === 'rest').map(({ path }) => path)
  t.ok(asked.includes('/customers/services/data/v60.0/'), 'its instance has the path, too')
})
