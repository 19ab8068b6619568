/** A broker whose way to Salesforce leads through a proxy, in each of its moods: whose trouble it is, and for how long. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import t, { type Test } from 'tap'
import { stringify } from 'yaml'
import { startSimulator } from '../../simulator/simulator.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { createOutbound } from '../../src/http/outbound/outbound.ts'
import type { WebhookEvent } from '../../src/webhooks/webhook-event.ts'
import { createWebhookSender } from '../../src/webhooks/webhook-sender.ts'
import { createAuthority } from '../support/authority.ts'
import { newAdminKey, startBroker, startBrokerProcess } from '../support/broker.ts'
import { endWithThisProcess } from '../support/children.ts'
import { ENTRY_POINT } from '../support/entry-point.ts'
import { eventually } from '../support/eventually.ts'
import { forwardProxy, type Mood } from '../support/forward-proxy.ts'
import { newSigningKey } from '../support/signing-key.ts'
import { newWebhookSecret } from '../support/webhook-receiver.ts'

t.setTimeout(120_000)

const ACME = 'https://acme.my.salesforce.com'
const SECOND_MS = 1_000
const USER = { name: 'broker', password: 'a-canary-of-a-password' }
const PASSWORDS = [
  USER.password,
  Buffer.from(`${USER.name}:${USER.password}`).toString('base64'),
] as const

const authority = createAuthority(t)
const tls = authority.issue({ san: 'DNS:acme.my.salesforce.com', purpose: 'serverAuth' })
setDefaultCACertificates([...getCACertificates(), authority.certificate])
const simulator = await startSimulator({ tls })
t.teardown(() => simulator.stop())
const key = await newSigningKey()
const app = simulator.addJwtApp({ certificatePem: key.certificate })
const folder = t.testdir({
  'ca.pem': authority.certificate,
  'key.pem': key.privateKey,
  'certificate.pem': key.certificate,
})
const definition = {
  login_url: ACME,
  grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
}
const billing = {
  ...definition,
  credential: { private_key: key.privateKey, certificate: key.certificate },
}

const proxyFor = (t: Test, mood: Mood) =>
  forwardProxy(t, { mood, target: simulator.port, user: USER })

async function world(t: Test, mood: Mood) {
  let aheadMs = 0
  const proxy = await proxyFor(t, mood)
  const broker = await startBroker(t, {
    loginHosts: [],
    env: { HTTPS_PROXY: proxy.url, NO_PROXY: '' },
    now: () => Date.now() + aheadMs,
    random: () => 0,
  })
  const put = await broker.call('PUT', '/integrations/billing', { body: billing })
  t.equal(put.status, 201)
  const pass = (ms: number) => {
    aheadMs += ms
  }
  return { proxy, broker, pass }
}

const seconds = (since: number) => (performance.now() - since) / SECOND_MS

t.test('a proxy that never answers costs one deadline, and then is asked anew', async (t) => {
  const { proxy, broker } = await world(t, 'silent')
  const began = performance.now()
  const first = await broker.call('GET', '/tokens/billing')
  t.match(first, {
    status: 504,
    body: {
      code: 'salesforce_timeout',
      detail: /^The proxy \(HTTPS_PROXY\) accepted the connection, but did not answer CONNECT/,
      hop: { at: 'proxy', step: 'tunnel', code: 'ETIMEDOUT' },
    },
  })
  t.ok(seconds(began) < 10.5, `${seconds(began)}`)
  await proxy.become('well')
  const well = performance.now()
  await eventually(async () => (await broker.call('GET', '/tokens/billing')).status === 200)
  t.ok(seconds(well) < 1.5, `${seconds(well)}`)
  const last = broker
    .logs()
    .split('\n')
    .filter((line) => line.includes('"hop"'))
  t.ok(last.length > 0)
})

t.test('the doctor ends, and names the proxy', async (t) => {
  const { broker } = await world(t, 'silent')
  const began = performance.now()
  const { status, body } = await broker.call('POST', '/integrations/billing/test')
  t.equal(status, 200)
  t.ok(seconds(began) < 10, `${seconds(began)}`)
  const checks = new Map(body.checks.map((one: { check: string }) => [one.check, one]))
  t.match(checks.get('login_host'), { outcome: 'failed', detail: /^The proxy .*CONNECT in time/ })
  t.match(checks.get('mint'), { outcome: 'skipped' }, 'nothing was asked for in vain')
  t.equal(body.logins_used, 0)
})

t.test('and so does the command', async (t) => {
  const proxy = await proxyFor(t, 'silent')
  const files = {
    private_key_file: join(folder, 'key.pem'),
    certificate_file: join(folder, 'certificate.pem'),
  }
  const file = join(folder, 'valetkey.yaml')
  writeFileSync(
    file,
    stringify({ integrations: { billing: { ...definition, credential: files } } }),
  )
  const began = performance.now()
  const child = endWithThisProcess(
    spawn(process.execPath, [ENTRY_POINT, 'doctor', file], {
      env: { PATH: process.env.PATH, HTTPS_PROXY: proxy.url },
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  )
  let stdout = ''
  child.stdout?.on('data', (text) => {
    stdout += text
  })
  t.equal((await once(child, 'close'))[0], 1)
  t.match(stdout, /did not answer CONNECT in time/)
  t.ok(seconds(began) < 12, `${seconds(began)}`)
})

t.test('SIGTERM is quick, whoever still waits for the proxy', async (t) => {
  const proxy = await proxyFor(t, 'silent')
  const broker = await startBrokerProcess(t, {
    adminKey: newAdminKey(),
    env: {
      HTTPS_PROXY: proxy.url,
      VALETKEY_DATA_DIR: join(folder, 'data'),
      VALETKEY_LOG_LEVEL: 'info',
    },
  })
  await broker.call('PUT', '/integrations/billing', { body: billing })
  const waiting = broker.call('GET', '/tokens/billing')
  await eventually(async () => (await proxy.targets()).length > 0)
  const began = performance.now()
  t.equal(await broker.kill('SIGTERM'), 0)
  t.ok(seconds(began) < 5, `${seconds(began)}`)
  t.match(await waiting, { status: 504, body: { hop: { at: 'proxy' } } }, 'with an answer')
  t.notMatch(broker.output(), /exceeded its time limit/)
})

interface Told {
  readonly hop: object
  readonly detail: RegExp
  readonly remedy: RegExp
}

const MOODS: readonly (readonly [Mood, Told])[] = [
  [407, { hop: { status: 407 }, detail: /user name and password/, remedy: /USER:PASSWORD@/ }],
  [403, { hop: { status: 403 }, detail: /forbids/, remedy: /^Allow the hosts .* at the proxy/ }],
  [502, { hop: { status: 502 }, detail: /cannot reach/, remedy: /DNS .* of the proxy/ }],
  [405, { hop: { status: 405 }, detail: /not open tunnels/, remedy: /forward proxy/ }],
  ['closes', { hop: {}, detail: /closes the connection/, remedy: /log of the proxy/ }],
  ['resets', { hop: {}, detail: /closes the connection/, remedy: /log of the proxy/ }],
  ['garbage', { hop: {}, detail: /does not answer CONNECT with HTTP/, remedy: /host and port/ }],
]

t.test('each mood is told with what to do about it, and no password ever', async (t) => {
  const { proxy, broker, pass } = await world(t, 407)
  const said: unknown[] = []
  for (const [mood, { hop, detail, remedy }] of MOODS) {
    await proxy.become(mood)
    // No rest of the one before.
    pass(300 * SECOND_MS)
    const { status, body } = await broker.call('GET', '/tokens/billing')
    const expected = { code: 'salesforce_unavailable', detail, remedy }
    t.match({ status, body }, { status: 503, body: expected }, `${mood}`)
    t.match(body.hop, { at: 'proxy', step: 'tunnel', ...hop }, `${mood}`)
    const resting = await broker.call('GET', '/tokens/billing')
    t.match(resting.body.hop, body.hop, 'while it is left alone, too')
    const { body: report } = await broker.call('POST', '/integrations/billing/test')
    const check = report.checks.find((one: { check: string }) => one.check === 'login_host')
    t.match(check, { outcome: 'failed', detail, remedy }, `${mood}`)
    said.push(body, resting.body, report)
  }
  const told = /"hop":{"at":"proxy","step":"tunnel","status":407}/
  t.match(broker.logs(), told, 'the log has it as members')
  const everything = `${JSON.stringify(said)}${broker.logs()}${JSON.stringify(broker.audit())}`
  for (const password of PASSWORDS) t.notOk(everything.includes(password))
  await proxy.become('denies_user')
  pass(300 * SECOND_MS)
  t.equal((await broker.call('GET', '/tokens/billing')).status, 200)
})

t.test('what fetches the keys of an issuer says in the log at which hop it failed', async (t) => {
  const proxy = await proxyFor(t, 403)
  const config = join(folder, 'issuers.yaml')
  const issuer = { issuer: 'https://idp.example.com', audience: 'valetkey' }
  writeFileSync(config, stringify({ issuers: [issuer] }))
  const broker = await startBroker(t, {
    loginHosts: [],
    env: {
      HTTPS_PROXY: proxy.url,
      VALETKEY_CONFIG: config,
    },
  })
  const hop = '"hop":{"at":"proxy","step":"tunnel","status":403}'
  const lineOf = (text: string) =>
    eventually(() =>
      broker
        .logs()
        .split('\n')
        .find((line) => line.includes(text)),
    )
  t.match(await lineOf('the keys of an issuer cannot be fetched'), hop)
  t.notOk(PASSWORDS.some((password) => broker.logs().includes(password)))
})

t.test('a webhook that is not delivered says the same', async (t) => {
  const proxy = await proxyFor(t, 403)
  const outbound = createOutbound({
    hosts: { allowsPrivate: () => false },
    proxy: { httpsProxy: proxy.url },
    reach: 'anywhere',
  })
  t.teardown(() => outbound.close())
  const sender = createWebhookSender({
    url: new Secret('https://hooks.example.com/a-secret-path'),
    secrets: [new Secret(newWebhookSecret())],
    ...{ outbound, now: Date.now },
  })
  const event = { id: 'id', type: 'integration.refused', integration: 'billing', at: 0, data: {} }
  const failure = await sender.send(event as WebhookEvent, new AbortController().signal)
  const hop = { at: 'proxy', step: 'tunnel', status: 403 }
  t.same(failure, { why: 'unreachable', retryAfterMs: undefined, hop })
})
