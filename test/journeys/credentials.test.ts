import { createPrivateKey } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring, keyringOf } from '../../src/crypto/keyring.ts'
import { Secret } from '../../src/crypto/secret.ts'
import type { IntegrationEvents } from '../../src/integrations/integration-events.ts'
import { createIntegrationStore } from '../../src/integrations/integration-store.ts'
import { createEvents } from '../../src/runtime/events.ts'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { createRedisStore } from '../../src/store/redis/redis-store.ts'
import type { Store } from '../../src/store/store.ts'
import { startBroker, type TestBroker } from '../support/broker.ts'
import type { Answer } from '../support/caller.ts'
import { type Evidence, findLeaks, keyCanaries } from '../support/canaries.ts'
import { eventually } from '../support/eventually.ts'
import { type Openssl, openssl } from '../support/openssl.ts'
import { startRedis } from '../support/redis.ts'
import { newSigningKey } from '../support/signing-key.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins
const broker = await startBroker(t, { loginHosts: [myDomain] })
const { call } = broker
const key = await newSigningKey()
const other = await newSigningKey()

let count = 0

/** A new integration with an active signing key and its app. */
async function signing(t: Test, { call: at }: Pick<TestBroker, 'call'> = broker) {
  count += 1
  const name = `signing-${count}`
  const app = simulator.addJwtApp({ certificatePem: key.certificate })
  const put = await at('PUT', `/integrations/${name}`, {
    body: {
      login_url: myDomain,
      grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
      credential: { private_key: key.privateKey, certificate: key.certificate },
    },
  })
  t.equal(put.status, 201)
  const path = `/integrations/${name}`
  const { items } = (await at('GET', `${path}/credentials`)).body
  return { name, app, path, credentials: `${path}/credentials`, activeId: items[0].id as string }
}

async function secretive(t: Test) {
  count += 1
  const name = `secretive-${count}`
  const app = simulator.addClientCredentialsApp()
  const put = await call('PUT', `/integrations/${name}`, {
    body: {
      login_url: myDomain,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    },
  })
  t.equal(put.status, 201)
  return {
    name,
    app,
    path: `/integrations/${name}`,
    credentials: `/integrations/${name}/credentials`,
  }
}

/** As a CA does with `it.csr`: makes `it.crt`, and `ca.crt` to verify it. */
function certify(tool: Openssl, serial: string): void {
  tool.run(
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key'],
    ...['-out', 'ca.crt', '-subj', '/CN=CA'],
  )
  tool.run(
    ...['x509', '-req', '-in', 'it.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-days', '90'],
    ...['-set_serial', serial, '-out', 'it.crt'],
  )
}

const pem = (text: string, headers: Readonly<Record<string, string>> = {}) => ({
  body: text,
  headers: { 'content-type': 'application/x-pem-file', ...headers },
})
const etagOf = ({ headers }: Answer) => headers.get('etag') ?? ''
const statesOf = async (credentials: string) =>
  (await call('GET', credentials)).body.items.map(({ state }: { state: string }) => state)
const audited = (integration: string) =>
  broker
    .audit()
    .filter((event) => event.integration === integration && event.action.startsWith('credential.'))
    .map(({ action, detail }) => [action, detail?.credential])

t.test('a key that is made here is staged, and the answer says what to do next', async (t) => {
  const { name, path, credentials, activeId } = await signing(t)
  const staged = await call('POST', credentials, { body: { generate: {} } })
  t.equal(staged.status, 201)
  t.match(staged.body, {
    type: 'certificate',
    state: 'staged',
    activated_at: null,
    retires_at: null,
    certificate: { key_bits: 2048, subject: `CN=valetkey ${name}` },
  })
  t.match(staged.body.next, `GET ${credentials}/${staged.body.id}/certificate`)
  t.match(staged.body.next, 'by itself')
  t.equal(staged.headers.get('location'), `${credentials}/${staged.body.id}`)
  t.equal(etagOf(staged), etagOf(await call('GET', path)))
  const read = await call('GET', staged.headers.get('location') ?? '')
  const { next: _, ...view } = staged.body
  t.same(read.body, view)
  t.equal(etagOf(read), etagOf(staged))
  t.same(await statesOf(credentials), ['active', 'staged'])
  t.same(audited(name), [
    ['credential.activated', activeId],
    ['credential.staged', staged.body.id],
  ])
})

t.test('what is made here is read back by openssl', async (t) => {
  const tool = openssl(t)
  for (const [bits, days] of [
    [2048, 1],
    [3072, 825],
    [4096, 365],
  ]) {
    const { credentials } = await signing(t)
    const staged = await call('POST', credentials, {
      body: { generate: { key_bits: bits, days, common_name: 'Billing, Übersee' } },
    })
    t.equal(staged.status, 201, JSON.stringify(staged.body))
    const download = await call('GET', `${credentials}/${staged.body.id}/certificate`)
    t.match(download.headers.get('content-disposition'), /^attachment; filename="[\w-]+\.crt"$/)
    t.ok(download.body.length <= 4000)
    tool.write('it.crt', download.body)
    const text = tool.run('x509', '-in', 'it.crt', '-noout', '-text', '-nameopt', 'utf8')
    t.match(text, 'Version: 3 (0x2)')
    t.match(text, 'Signature Algorithm: sha256WithRSAEncryption')
    t.match(text, `Public-Key: (${bits} bit)`)
    t.match(text, 'CA:FALSE')
    t.match(text, 'Billing, Übersee')
    t.match(tool.run('verify', '-CAfile', 'it.crt', 'it.crt'), 'it.crt: OK')
    const { not_before, not_after, fingerprint_sha256 } = staged.body.certificate
    const validMs = Date.parse(not_after) - Date.parse(not_before)
    t.equal(Math.round(validMs / 86_400_000), days)
    t.match(
      tool.run('x509', '-in', 'it.crt', '-noout', '-fingerprint', '-sha256'),
      fingerprint_sha256,
    )
  }
})

t.test('keys made by openssl are staged in PKCS#1 and in PKCS#8', async (t) => {
  const tool = openssl(t)
  tool.run('genrsa', '-traditional', '-out', 'one.key', '2048')
  tool.run('pkcs8', '-topk8', '-nocrypt', '-in', 'one.key', '-out', 'eight.key')
  tool.run('req', '-x509', '-key', 'one.key', '-days', '30', '-subj', '/CN=x', '-out', 'x.crt')
  t.match(tool.read('one.key'), 'BEGIN RSA PRIVATE KEY')
  t.match(tool.read('eight.key'), 'BEGIN PRIVATE KEY')
  for (const file of ['one.key', 'eight.key']) {
    const { app, credentials } = await signing(t)
    const staged = await call('POST', credentials, {
      body: { private_key: tool.read(file), certificate: tool.read('x.crt') },
    })
    t.match(staged, { status: 201, body: { state: 'staged', certificate: { subject: 'CN=x' } } })
    simulator.updateApp(app.clientId, { certificatePem: tool.read('x.crt') })
    const activated = await call('POST', `${credentials}/${staged.body.id}/activate`)
    t.match(activated, { status: 200, body: { state: 'active' } }, file)
  }
})

t.test('a CSR is signed by a CA, and its certificate completes the key', async (t) => {
  const { name, app, credentials } = await signing(t)
  const pending = await call('POST', credentials, {
    body: {
      csr: {
        common_name: 'billing',
        organization: 'Acme',
        organizational_unit: 'IT',
        country: 'DE',
      },
    },
  })
  t.match(pending, { status: 201, body: { state: 'pending', certificate: null } })
  t.match(pending.body.next, `PUT ${credentials}/${pending.body.id}/certificate`)
  const path = `${credentials}/${pending.body.id}`
  t.equal((await call('GET', path)).body.csr, pending.body.csr, 'it can be read again')
  t.match(await call('GET', `${path}/certificate`), { body: { code: 'credential_not_found' } })

  const tool = openssl(t)
  tool.write('it.csr', pending.body.csr)
  t.match(tool.run('req', '-in', 'it.csr', '-verify', '-noout'), /verif.* OK/i)
  const subject = tool.run('req', '-in', 'it.csr', '-noout', '-subject', '-nameopt', 'RFC2253')
  t.match(subject, 'CN=billing,OU=IT,O=Acme,C=DE')
  certify(tool, '4660')
  t.match(await call('POST', `${path}/activate`), { body: { code: 'credential_state' } })
  const certified = await call('PUT', `${path}/certificate`, pem(tool.read('it.crt')))
  t.match(certified, { status: 200, body: { state: 'staged', certificate: { serial: '1234' } } })
  t.notOk('csr' in certified.body)
  t.match(certified.body.next, 'Upload')
  tool.write('back.crt', (await call('GET', `${path}/certificate`)).body)
  t.match(tool.run('verify', '-CAfile', 'ca.crt', 'back.crt'), 'OK')
  t.match(await call('PUT', `${path}/certificate`, pem(tool.read('it.crt'))), {
    status: 409,
    body: { code: 'credential_state' },
  })
  simulator.updateApp(app.clientId, { certificatePem: tool.read('it.crt') })
  t.match(await call('POST', `${path}/activate`), { status: 200, body: { state: 'active' } })
  const steps = ['staged', 'certified', 'activated'].map((what) => `credential.${what}`)
  await eventually(() => audited(name).length === 1 + steps.length)
  t.same(
    audited(name).slice(1),
    steps.map((action) => [action, pending.body.id]),
  )
})

t.test('a certificate that does not fit is refused, and the key stays pending', async (t) => {
  const { credentials } = await signing(t)
  const pending = await call('POST', credentials, { body: { csr: { common_name: 'billing' } } })
  const path = `${credentials}/${pending.body.id}/certificate`
  const big = `${key.certificate}${'\n'.repeat(5000)}x`
  for (const [what, text, code] of [
    ["another key's", key.certificate, 'credential_invalid'],
    ['no PEM', 'nonsense', 'credential_invalid'],
    ['a private key', key.privateKey, 'credential_invalid'],
    ['a chain', key.certificate + other.certificate, 'credential_invalid'],
    ['too long for Salesforce', big, 'credential_invalid'],
    ['too long for us', 'x'.repeat(64 * 1024 + 1), 'body_too_large'],
  ] as const) {
    t.match(await call('PUT', path, pem(text)), { body: { code } }, what)
  }
  t.match(await call('PUT', path, { body: { certificate: key.certificate } }), {
    status: 415,
    body: { code: 'media_type_unsupported' },
  })
  t.match(await call('PUT', path, pem('')), { status: 400 })
  t.match(await call('PUT', path, { ...pem('x'), key: null }), { status: 401 })
  t.same(await statesOf(credentials), ['active', 'pending'])
  const taken = await call('PUT', path, { body: 'x', headers: { 'content-type': 'text/plain' } })
  t.equal(taken.status, 422, 'text/plain is taken too')
})

t.test('there is room for one staged and five pending', async (t) => {
  const { credentials } = await signing(t)
  const csr = { csr: { common_name: 'billing' } }
  const ids: string[] = []
  for (let index = 0; index < 5; index += 1) {
    ids.push((await call('POST', credentials, { body: csr })).body.id)
  }
  t.match(await call('POST', credentials, { body: csr }), {
    status: 409,
    body: { code: 'credential_state' },
  })
  t.equal((await call('POST', credentials, { body: { generate: {} } })).status, 201)
  for (const body of [{ generate: {} }, { private_key: other.privateKey }]) {
    t.match(await call('POST', credentials, { body }), {
      status: 409,
      body: { code: 'credential_state' },
    })
  }
  t.equal((await call('DELETE', `${credentials}/${ids[0]}`)).status, 204)
  t.equal((await call('POST', credentials, { body: csr })).status, 201)
})

t.test('a certificate is not staged while another credential is', async (t) => {
  const { credentials } = await signing(t)
  const pending = await call('POST', credentials, { body: { csr: { common_name: 'billing' } } })
  const staged = await call('POST', credentials, { body: { generate: {} } })
  const tool = openssl(t)
  tool.write('it.csr', pending.body.csr)
  const path = `${credentials}/${pending.body.id}/certificate`
  certify(tool, '2')
  const refused = await call('PUT', path, pem(tool.read('it.crt')))
  t.match(refused, { status: 409, body: { code: 'credential_state' } })
  t.match(refused.body.detail, staged.body.id)
  await call('DELETE', `${credentials}/${staged.body.id}`)
  t.equal((await call('PUT', path, pem(tool.read('it.crt')))).status, 200)
})

t.test('a credential is checked when it is staged, and nothing is written', async (t) => {
  const { credentials } = await signing(t)
  const tool = openssl(t)
  tool.run('genrsa', '-out', 'small.key', '1024')
  const cases: readonly (readonly [string, object, number])[] = [
    ['two kinds', { generate: {}, client_secret: 'abc' }, 400],
    ['none', {}, 400],
    ['a certificate alone', { certificate: key.certificate }, 400],
    ['a new client alone', { client_id: '3MVG9.other' }, 400],
    ['another one to sign with', { from: 'signing-1' }, 400],
    ['a day too many', { generate: { days: 826 } }, 400],
    ['no day', { generate: { days: 0 } }, 400],
    ['odd bits', { generate: { key_bits: 1024 } }, 400],
    ['a request for nobody', { csr: {} }, 400],
    ['a country in small letters', { csr: { common_name: 'x', country: 'de' } }, 400],
    ['a client id with a space', { generate: {}, client_id: 'a b' }, 400],
    ['a name with a line break', { generate: { common_name: 'a\nb' } }, 422],
    ['a small key', { private_key: tool.read('small.key') }, 422],
    [
      'a certificate of another key',
      { private_key: key.privateKey, certificate: other.certificate },
      422,
    ],
    ['a secret for a grant that signs', { client_secret: 'abc' }, 422],
    [
      'the very key that is active',
      { private_key: key.privateKey, certificate: key.certificate },
      409,
    ],
  ]
  for (const [what, body, status] of cases) {
    const answer = await call('POST', credentials, { body })
    t.equal(answer.status, status, `${what}: ${answer.body.detail}`)
  }
  t.same(await statesOf(credentials), ['active'])
  const { credentials: secret } = await secretive(t)
  for (const body of [{ generate: {} }, { csr: { common_name: 'x' } }]) {
    t.match(await call('POST', secret, { body }), { body: { code: 'credential_invalid' } })
  }
  t.match(await call('POST', '/integrations/nowhere/credentials', { body: { generate: {} } }), {
    body: { code: 'integration_not_found' },
  })
})

t.test('a client secret is proven, activated, and rolled back', async (t) => {
  const { app, credentials, name } = await secretive(t)
  t.equal((await call('GET', `/tokens/${name}`)).status, 200)
  const { clientSecret } = simulator.stageCredentials(app.clientId)
  const staged = await call('POST', credentials, { body: { client_secret: clientSecret } })
  t.match(staged, {
    status: 201,
    body: { type: 'client_secret', state: 'staged', certificate: null },
  })
  t.notMatch(JSON.stringify(staged.body), clientSecret)
  const path = `${credentials}/${staged.body.id}`
  const early = await call('POST', `${path}/activate`, { body: { prove: true } })
  t.match(early, { status: 409, body: { code: 'credential_rejected', refusal: {} } })
  t.same(await statesOf(credentials), ['active', 'staged'], 'nothing was changed')
  simulator.rotateCredentials(app.clientId)
  const before = etagOf(await call('GET', credentials))
  const activated = await call('POST', `${path}/activate`, { headers: { 'if-match': before } })
  t.match(activated, { status: 200, body: { state: 'active', activated_at: String } })
  t.not(etagOf(activated), before)
  const { items } = (await call('GET', credentials)).body
  const retired = items.find(({ state }: { state: string }) => state === 'retired')
  t.match(retired, { retires_at: String })
  const back = await call('POST', `${credentials}/${retired.id}/activate`)
  t.match(back, { status: 200, body: { state: 'active' } }, 'the old secret works for 30 days more')
  t.match(await call('DELETE', `${credentials}/${retired.id}`), {
    status: 409,
    body: { code: 'credential_state' },
  })
  t.equal((await call('DELETE', path)).status, 204, 'now the new one is the retired one')
  t.match(await call('GET', path), { status: 404, body: { code: 'credential_not_found' } })
  t.match(await call('POST', `${path}/activate`), { body: { code: 'credential_not_found' } })
})

t.test('a credential of another app waits for the operator', async (t) => {
  const { credentials, name } = await signing(t)
  const green = simulator.addJwtApp({ certificatePem: other.certificate })
  const token = (await call('GET', `/tokens/${name}`)).body
  const staged = await call('POST', credentials, {
    body: {
      private_key: other.privateKey,
      certificate: other.certificate,
      client_id: green.clientId,
    },
  })
  t.match(staged, { status: 201, body: { state: 'staged', client_id: green.clientId } })
  t.match(staged.body.next, `POST ${credentials}/${staged.body.id}/activate`)
  t.match(staged.body.next, 'never becomes active by itself')
  const activated = await call('POST', `${credentials}/${staged.body.id}/activate`)
  t.match(activated, { status: 200, body: { state: 'active', client_id: green.clientId } })
  const { items } = (await call('GET', credentials)).body
  t.not(items.find(({ state }: { state: string }) => state === 'retired').client_id, green.clientId)
  const next = await call('GET', `/tokens/${name}`)
  t.match(next.headers.get('cache-status'), 'hit', 'the token of the proof is the lease')
  t.not(next.body.token_id, token.token_id)
})

t.test('the client id of the integration itself makes no app of its own', async (t) => {
  const { app, credentials } = await signing(t)
  const staged = await call('POST', credentials, {
    body: { generate: {}, client_id: app.clientId },
  })
  t.match(staged.body.next, 'becomes active by itself')
  t.equal(staged.body.client_id, app.clientId)
})

t.test(
  'the first credential of a draft is active at once, and so is a CSR when certified',
  async (t) => {
    const draft = {
      login_url: myDomain,
      grant: { type: 'jwt_bearer', username: 'billing@acme.com' },
    }
    await call('PUT', '/integrations/draft-a', { body: draft })
    const first = await call('POST', '/integrations/draft-a/credentials', {
      body: { generate: {} },
    })
    t.match(first, {
      status: 201,
      body: { state: 'active', client_id: null, activated_at: String },
    })
    t.match(first.body.next, 'PATCH /integrations/draft-a')
    const app = simulator.addJwtApp({ certificatePem: first.body.certificate.pem })
    await call('PATCH', '/integrations/draft-a', {
      body: { grant: { client_id: app.clientId } },
      headers: { 'if-match': etagOf(first) },
    })
    t.equal((await call('GET', '/tokens/draft-a')).status, 200)
    t.same(
      audited('draft-a').map(([action]) => action),
      ['credential.staged', 'credential.activated'],
    )
    const second = await call('POST', '/integrations/draft-a/credentials', {
      body: { generate: {} },
    })
    t.equal(second.body.state, 'staged')

    await call('PUT', '/integrations/draft-b', { body: draft })
    const list = '/integrations/draft-b/credentials'
    const pending = await call('POST', list, { body: { csr: { common_name: 'b' } } })
    t.equal(pending.body.state, 'pending')
    const tool = openssl(t)
    tool.write('it.csr', pending.body.csr)
    certify(tool, '2')
    const done = await call(
      'PUT',
      `${list}/${pending.body.id}/certificate`,
      pem(tool.read('it.crt')),
    )
    t.match(done, { status: 200, body: { state: 'active' } })
  },
)

t.test('who signs with the credentials of another is sent there, and follows', async (t) => {
  const grant = { type: 'jwt_bearer', username: 'billing@acme.com' }
  await call('PUT', '/integrations/owner', { body: { login_url: myDomain, grant } })
  const app = simulator.addJwtApp({ certificatePem: key.certificate })
  await call('PUT', '/integrations/follower', {
    body: {
      login_url: myDomain,
      grant: { ...grant, client_id: app.clientId },
      credential: { from: 'owner' },
    },
  })
  const list = '/integrations/follower/credentials'
  const requests = [
    call('POST', list, { body: { generate: {} } }),
    call('PUT', `${list}/any/certificate`, pem(key.certificate)),
    call('POST', `${list}/any/activate`),
    call('DELETE', `${list}/any`),
  ]
  for (const request of requests) {
    const { status, body } = await request
    t.match({ status, body }, { status: 409, body: { code: 'credential_state' } })
    t.match(body.detail, 'owner')
  }
  const first = await call('POST', '/integrations/owner/credentials', {
    body: { private_key: key.privateKey, certificate: key.certificate },
  })
  t.equal(first.body.state, 'active')
  const token = await call('GET', '/tokens/follower')
  t.equal(token.status, 200, 'it had no credential to follow before')
  const again = await call('GET', '/tokens/follower')
  t.match(again.headers.get('cache-status'), 'hit', 'and its lease is known to be good')
})

t.test('of two operators with the same ETag one wins, and the other is told', async (t) => {
  const { path, credentials } = await signing(t)
  const headers = { 'if-match': etagOf(await call('GET', path)) }
  const both = await Promise.all([
    call('POST', credentials, { body: { generate: {} }, headers }),
    call('POST', credentials, { body: { csr: { common_name: 'x' } }, headers }),
  ])
  t.same(both.map(({ status }) => status).sort(), [201, 412])
  t.equal(both.find(({ status }) => status === 412)?.body.code, 'integration_changed')
  t.equal((await statesOf(credentials)).length, 2)

  const { credentials: list, path: second, app, activeId } = await signing(t)
  const staged = await call('POST', list, { body: { private_key: other.privateKey } })
  await call('POST', `${list}/${staged.body.id}/activate`, { body: { prove: false } })
  simulator.updateApp(app.clientId, { certificatePem: other.certificate })
  const third = await call('POST', list, { body: { generate: {} } })
  const match = { 'if-match': etagOf(await call('GET', second)) }
  const activations = await Promise.all(
    [activeId, third.body.id].map((id) =>
      call('POST', `${list}/${id}/activate`, { body: { prove: false }, headers: match }),
    ),
  )
  t.same(activations.map(({ status }) => status).sort(), [200, 412])
  const { items } = (await call('GET', list)).body
  t.equal(items.filter(({ state }: { state: string }) => state === 'active').length, 1)

  const idle = items.find(({ state }: { state: string }) => state !== 'active')
  for (const request of [
    call('DELETE', `${list}/${idle.id}`, { headers: match }),
    call('POST', list, { body: { csr: { common_name: 'x' } }, headers: match }),
  ]) {
    t.match(await request, { status: 412, body: { code: 'integration_changed' } })
  }
})

t.test('what is refused without If-Match is refused so with a stale one', async (t) => {
  const { credentials, activeId } = await signing(t)
  const stale = { headers: { 'if-match': '"stale"' } }
  const refused = async (method: string, path: string, code: string, status = 409) =>
    t.match(await call(method, path, stale), { status, body: { code } }, `${method} ${path}`)
  const active = `${credentials}/${activeId}`
  await refused('DELETE', active, 'credential_state')
  await refused('POST', `${active}/deploy`, 'credential_state')
  await refused('POST', `${active}/activate`, 'credential_state')
  await refused('DELETE', `${credentials}/nobody`, 'credential_not_found', 404)
  await refused('POST', `${credentials}/nobody/activate`, 'credential_not_found', 404)
  const staged = await call('POST', credentials, { body: { generate: {} } })
  await refused('DELETE', `${credentials}/${staged.body.id}`, 'integration_changed', 412)
  await refused('POST', `${credentials}/${staged.body.id}/activate`, 'integration_changed', 412)
})

t.test("without If-Match, or with *, operators do not get into each other's way", async (t) => {
  const { credentials } = await signing(t)
  const all = await Promise.all(
    [{}, { 'if-match': '*' }].map((headers) =>
      call('POST', credentials, { body: { csr: { common_name: 'x' } }, headers }),
    ),
  )
  t.same(
    all.map(({ status }) => status),
    [201, 201],
  )
  t.same(await statesOf(credentials), ['active', 'pending', 'pending'])
})

t.test('an integration of the configuration file is rotated through the API', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-rotated-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const path = (name: string) => join(folder, name)
  await writeFile(path('one.key'), key.privateKey)
  await writeFile(path('one.crt'), key.certificate)
  const app = simulator.addJwtApp({ certificatePem: key.certificate })
  await writeFile(
    path('valetkey.yaml'),
    JSON.stringify({
      integrations: {
        filed: {
          login_url: myDomain,
          grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
          credential: { private_key_file: path('one.key'), certificate_file: path('one.crt') },
        },
      },
    }),
  )
  const options = {
    loginHosts: [myDomain],
    dataDir: path('data'),
    keyring: generateKeyring(Date.now()).reveal(),
    env: { VALETKEY_CONFIG: path('valetkey.yaml') },
  }
  const list = '/integrations/filed/credentials'
  const first = await startBroker(t, options)
  await eventually(async () => (await first.call('GET', list)).status === 200)
  const staged = await first.call('POST', list, { body: { generate: {} } })
  t.equal(staged.status, 201)
  const { id } = staged.body
  t.equal(
    (await first.call('POST', `${list}/${id}/activate`, { body: { prove: false } })).status,
    200,
  )
  const { items } = (await first.call('GET', list)).body
  const retired = items.find(({ state }: { state: string }) => state === 'retired')
  t.equal((await first.call('DELETE', `${list}/${retired.id}`)).status, 204)
  await first.stop()
  const again = await startBroker(t, options)
  const { body } = await again.call('GET', list)
  t.match(body.items, [{ id, state: 'active' }], 'the file still names the erased key')
  t.equal(body.items.length, 1)
})

t.test('private keys that are made here never leave', async (t) => {
  const redis = await startRedis({ args: ['--save', ''] })
  t.teardown(() => redis.stop())
  const keyring = generateKeyring(Date.now()).reveal()
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-kept-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const url = `redis://127.0.0.1:${redis.port}`
  for (const engine of ['redis', 'embedded']) {
    const options = engine === 'redis' ? { redisUrl: url } : { dataDir }
    const kept = await startBroker(t, { loginHosts: [myDomain], keyring, ...options })
    const evidence: Evidence[] = []
    const note = async (method: string, path: string, more: object = {}) => {
      const answer = await kept.call(method, path, more)
      evidence.push({
        source: `${engine}: ${method} ${path}`,
        content: JSON.stringify([answer.body, [...answer.headers]]),
      })
      return answer
    }
    const { app, name, path, credentials } = await signing(t, kept)
    await note('PUT', `${path}-made`, {
      body: {
        login_url: myDomain,
        grant: { type: 'jwt_bearer', username: 'x@acme.com' },
        credential: { generate: {} },
      },
    })
    const staged = await note('POST', credentials, { body: { generate: {} } })
    const pending = await note('POST', credentials, { body: { csr: { common_name: 'x' } } })
    for (const id of [staged.body.id, pending.body.id]) {
      for (const end of ['', '/certificate']) await note('GET', `${credentials}/${id}${end}`)
    }
    await note('PUT', `${credentials}/${pending.body.id}/certificate`, pem(other.certificate))
    await note('POST', `${credentials}/${staged.body.id}/activate`)
    simulator.updateApp(app.clientId, { certificatePem: staged.body.certificate.pem })
    await note('POST', `${credentials}/${staged.body.id}/activate`)
    for (const read of ['', '/credentials', '/setup', '/callers']) await note('GET', path + read)
    await note('GET', `/tokens/${name}`)
    await note('GET', '/integrations')
    await note('GET', '/audit')
    evidence.push({ source: 'log', content: kept.logs() })
    evidence.push({ source: 'audit', content: JSON.stringify(kept.audit()) })
    await kept.stop()

    const store: Store =
      engine === 'redis'
        ? await createRedisStore({
            connection: { url: new Secret(url) },
            prefix: 'vk:',
            onEvent: () => undefined,
          })
        : createEmbeddedStore({ dataDir })
    const integrations = createIntegrationStore({
      records: store.integrations,
      keyring: keyringOf(new Secret(keyring)),
      events: createEvents<IntegrationEvents>(),
    })
    const keys: string[] = []
    for (const one of [name, `${name}-made`]) {
      const secrets = await (await integrations.readSealed(one))?.open()
      for (const secret of Object.values(secrets?.byId ?? {})) {
        if ('privateKey' in secret) keys.push(secret.privateKey)
      }
      const record = await store.integrations.readSealed(one)
      evidence.push({ source: `${engine}: record`, content: JSON.stringify(record) })
    }
    const events = await store.events.read({ limit: 1000 })
    evidence.push({ source: `${engine}: events`, content: JSON.stringify(events) })
    await store.close()
    if (engine === 'embedded') {
      for (const file of await readdir(dataDir)) {
        evidence.push({ source: file, content: await readFile(join(dataDir, file)) })
      }
    }
    const made = keys.filter((text) => !isSameKey(text, key.privateKey))
    t.equal(made.length, 3, `${engine}: generated, requested, and made with the integration`)
    const canaries = made.flatMap((text, index) => keyCanaries(`key ${index}`, text))
    t.same(findLeaks(canaries, evidence), [])
    const planted = { source: 'itself', content: made.join() }
    t.not(findLeaks(canaries, [planted]).length, 0, 'the search finds what is there')
  }
})

const isSameKey = (one: string, two: string) => createPrivateKey(one).equals(createPrivateKey(two))
