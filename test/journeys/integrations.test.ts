import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { openssl } from '../support/openssl.ts'
import { newSigningKey } from '../support/signing-key.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain, sandbox } = simulator.origins
const { call } = await startBroker(t, { loginHosts: [myDomain, sandbox] })
const key = await newSigningKey()
const other = await newSigningKey()

const jwt = {
  login_url: 'https://acme.my.salesforce.com',
  grant: { type: 'jwt_bearer', client_id: '3MVG9.acme', username: 'billing@acme.com' },
}
const secret = {
  login_url: 'https://acme.my.salesforce.com',
  grant: { type: 'client_credentials', client_id: '3MVG9.acme' },
  credential: { client_secret: 'a-secret-of-acme' },
}
const ANY = { 'if-match': '*' }

t.test('a new integration is answered with its defaults and no secret', async (t) => {
  const put = await call('PUT', '/integrations/defaults', {
    body: { ...jwt, credential: { private_key: key.privateKey, certificate: key.certificate } },
  })
  t.equal(put.status, 201)
  t.match(put.body, {
    name: 'defaults',
    description: '',
    enabled: true,
    labels: {},
    token_lifetime: 900,
    keep_warm: false,
    logins_per_hour: 120,
    serve_tokens: true,
    identity: { pin: 'org_and_user' },
    managed_by: 'api',
    status: { state: 'unproven', lease: null, last_refusal: null, shares_token_with: [] },
  })
  t.match(put.body.status.certificate_expires_at, /^\d{4}-\d\d-\d\dT/)
  t.notMatch(JSON.stringify(put.body), 'PRIVATE KEY')
  t.notOk('credential' in put.body)
})

t.test('on a sandbox only the user is pinned, for a refresh changes the org', async (t) => {
  const put = await call('PUT', '/integrations/dev', {
    body: { ...jwt, login_url: 'https://acme--dev.sandbox.my.salesforce.com' },
  })
  t.same(put.body.identity, { pin: 'user' })
})

t.test('what GET gave can be sent back, and changes nothing', async (t) => {
  await call('PUT', '/integrations/same', { body: secret })
  const got = await call('GET', '/integrations/same')
  const back = await call('PUT', '/integrations/same', { body: got.body })
  t.equal(back.status, 200)
  t.equal(back.headers.get('etag'), got.headers.get('etag'))
  t.equal(back.body.updated_at, got.body.updated_at)
})

t.test(
  'an equal PUT with the same credential changes nothing, whatever If-Match says',
  async (t) => {
    const body = {
      ...jwt,
      credential: { private_key: key.privateKey, certificate: key.certificate },
    }
    const first = await call('PUT', '/integrations/equal', { body })
    const again = await call('PUT', '/integrations/equal', { body, headers: { 'if-match': '"x"' } })
    t.equal(again.status, 200)
    t.equal(again.headers.get('etag'), first.headers.get('etag'))
  },
)

t.test('an integration that is there is replaced only with If-Match', async (t) => {
  const first = await call('PUT', '/integrations/guarded', { body: secret })
  const body = { ...secret, description: 'changed' }
  t.match(await call('PUT', '/integrations/guarded', { body }), {
    status: 428,
    body: { code: 'precondition_required' },
  })
  const stale = { 'if-match': '"stale.1"' }
  t.match(await call('PUT', '/integrations/guarded', { body, headers: stale }), {
    status: 412,
    body: { code: 'integration_changed' },
  })
  const current = { 'if-match': first.headers.get('etag') ?? '' }
  const changed = await call('PUT', '/integrations/guarded', { body, headers: current })
  t.equal(changed.status, 200)
  t.not(changed.headers.get('etag'), first.headers.get('etag'))
  t.match(await call('PUT', '/integrations/guarded', { body: secret, headers: current }), {
    status: 412,
  })
})

t.test('If-None-Match: * only creates', async (t) => {
  const headers = { 'if-none-match': '*' }
  t.equal((await call('PUT', '/integrations/once', { body: secret, headers })).status, 201)
  t.match(await call('PUT', '/integrations/once', { body: secret, headers }), {
    status: 412,
    body: { code: 'integration_changed' },
  })
})

t.test('a PATCH merges, and null gives a member its default back', async (t) => {
  const body = { ...secret, labels: { owner: 'billing', tier: '1' }, token_lifetime: 600 }
  await call('PUT', '/integrations/patched', { body })
  const patched = await call('PATCH', '/integrations/patched', {
    body: { labels: { tier: null, environment: 'production' }, token_lifetime: null },
    headers: { ...ANY, 'content-type': 'application/merge-patch+json' },
  })
  t.equal(patched.status, 200)
  t.same(patched.body.labels, { owner: 'billing', environment: 'production' })
  t.equal(patched.body.token_lifetime, 900)
  t.equal((await call('PATCH', '/integrations/patched', { body: {} })).status, 200, 'equal')
  t.match(await call('PATCH', '/integrations/patched', { body: { enabled: false } }), {
    status: 428,
  })
})

t.test('a PATCH is checked as a PUT is', async (t) => {
  await call('PUT', '/integrations/checked', { body: secret })
  for (const body of [
    { token_lifetime: 59 },
    { grant: { type: 'jwt_bearer' } },
    { grant: null },
    { unknown: 1 },
    { credential: null },
  ]) {
    t.match(
      await call('PATCH', '/integrations/checked', { body, headers: ANY }),
      { status: 400, body: { code: 'request_invalid' } },
      JSON.stringify(body),
    )
  }
  t.match(await call('PATCH', '/integrations/nowhere', { body: {}, headers: ANY }), { status: 404 })
})

t.test('a disabled integration answers no token', async (t) => {
  await call('PUT', '/integrations/off', { body: { ...secret, enabled: false } })
  t.match(await call('GET', '/tokens/off'), { status: 409, body: { code: 'integration_disabled' } })
  t.match(await call('GET', '/integrations/off'), { body: { status: { state: 'disabled' } } })
})

t.test('without a client id it is a draft, and the id needs no fresh credential', async (t) => {
  const { client_id: _, ...grant } = jwt.grant
  const draft = await call('PUT', '/integrations/draft', {
    body: { ...jwt, grant, credential: { generate: { common_name: 'billing' } } },
  })
  t.equal(draft.status, 201)
  t.equal(draft.body.status.state, 'draft')
  t.match(await call('GET', '/tokens/draft'), { status: 409, body: { code: 'integration_draft' } })
  const credentials = await call('GET', '/integrations/draft/credentials')
  t.match(credentials.body.items, [{ state: 'active', type: 'certificate', client_id: null }])
  const patched = await call('PATCH', '/integrations/draft', {
    body: { grant: { client_id: '3MVG9.acme' } },
    headers: ANY,
  })
  t.equal(patched.body.status.state, 'unproven')
})

t.test('a certificate that was made here is read back by openssl', async (t) => {
  const tool = openssl(t)
  await call('PUT', '/integrations/made', { body: { ...jwt, credential: { generate: {} } } })
  const { items } = (await call('GET', '/integrations/made/credentials')).body
  const download = await call('GET', `/integrations/made/credentials/${items[0].id}/certificate`)
  t.equal(download.headers.get('content-type'), 'application/x-pem-file')
  t.match(download.headers.get('content-disposition'), 'filename="made.crt"')
  tool.write('made.crt', download.body)
  t.match(tool.run('x509', '-in', 'made.crt', '-noout', '-subject'), 'valetkey made')
  t.match(await call('GET', '/integrations/made/credentials/nothing/certificate'), {
    status: 404,
    body: { code: 'credential_not_found' },
  })
})

t.test('a credential is checked when it is written', async (t) => {
  const tool = openssl(t)
  tool.run('genrsa', '-out', 'small.key', '1024')
  tool.run('genrsa', '-aes256', '-passout', 'pass:x', '-out', 'encrypted.key', '2048')
  const cases: Readonly<Record<string, object>> = {
    'a key that is no PEM': { private_key: 'nonsense' },
    'a small key': { private_key: tool.read('small.key') },
    'an encrypted key': { private_key: tool.read('encrypted.key') },
    'a certificate of another key': {
      private_key: key.privateKey,
      certificate: other.certificate,
    },
    'a secret with a space': { client_secret: 'a b' },
    'a secret for a grant that signs': { client_secret: 'abc' },
  }
  for (const [name, credential] of Object.entries(cases)) {
    const answer = await call('PUT', '/integrations/broken', { body: { ...jwt, credential } })
    t.match(answer, { status: 422, body: { code: 'credential_invalid' } }, name)
  }
  t.equal((await call('GET', '/integrations/broken')).status, 404, 'nothing was written')
})

t.test('exactly one kind of credential may be given', async (t) => {
  for (const credential of [
    {},
    { certificate: key.certificate },
    { client_secret: 'x', generate: {} },
    { private_key: key.privateKey, from: 'x' },
  ]) {
    t.match(await call('PUT', '/integrations/broken', { body: { ...jwt, credential } }), {
      status: 400,
      body: { code: 'request_invalid' },
    })
  }
})

t.test('keys made by openssl are taken in PKCS#1 and in PKCS#8', async (t) => {
  const tool = openssl(t)
  tool.run('genrsa', '-traditional', '-out', 'one.key', '2048')
  tool.run('pkcs8', '-topk8', '-nocrypt', '-in', 'one.key', '-out', 'eight.key')
  tool.run('req', '-x509', '-key', 'one.key', '-days', '30', '-subj', '/CN=x', '-out', 'x.crt')
  t.match(tool.read('one.key'), 'BEGIN RSA PRIVATE KEY')
  t.match(tool.read('eight.key'), 'BEGIN PRIVATE KEY')
  for (const file of ['one.key', 'eight.key']) {
    const credential = { private_key: tool.read(file), certificate: tool.read('x.crt') }
    const name = file.replace('.key', '')
    const put = await call('PUT', `/integrations/${name}`, { body: { ...jwt, credential } })
    t.equal(put.status, 201, file)
  }
})

t.test('a fresh credential becomes active, and the former one the fallback', async (t) => {
  await call('PUT', '/integrations/renewed', { body: secret })
  const renewed = await call('PUT', '/integrations/renewed', {
    body: { ...secret, credential: { client_secret: 'another-secret' } },
    headers: ANY,
  })
  t.equal(renewed.status, 200)
  const { items } = (await call('GET', '/integrations/renewed/credentials')).body
  t.match(items, [
    { state: 'active', retires_at: null },
    { state: 'retired', retires_at: String },
  ])
})

t.test('a stored secret is never sent to another host', async (t) => {
  const moved = { login_url: 'https://evil.my.salesforce.com' }
  await call('PUT', '/integrations/kept', { body: secret })
  t.match(await call('PATCH', '/integrations/kept', { body: moved, headers: ANY }), {
    status: 422,
    body: { code: 'credential_required' },
  })
  const fresh = { ...moved, credential: { client_secret: 'for-the-other-host' } }
  t.equal((await call('PATCH', '/integrations/kept', { body: fresh, headers: ANY })).status, 200)
})

t.test('nor does another host get to see it as a fallback, or staged', async (t) => {
  const path = '/integrations/tempting'
  await call('PUT', path, { body: { ...secret, login_url: myDomain } })
  await call('POST', `${path}/credentials`, { body: { client_secret: 'a-staged-secret' } })
  await call('PATCH', path, { body: { credential: { client_secret: 'newer' } }, headers: ANY })
  const moved = { login_url: sandbox, credential: { client_secret: 'for-the-other-host' } }
  t.equal((await call('PATCH', path, { body: moved, headers: ANY })).status, 200)
  const { items } = (await call('GET', `${path}/credentials`)).body
  t.same(
    items.map(({ state }: { state: string }) => state),
    ['active'],
  )
  t.not((await call('GET', '/tokens/tempting')).status, 200)
  const sent = simulator
    .tokenRequests()
    .filter(({ host }) => new URL(sandbox).host === host)
    .map(({ headers }) => Buffer.from(headers.authorization?.slice(6) ?? '', 'base64').toString())
  t.same(sent, ['3MVG9.acme:for-the-other-host'])
})

t.test('a signing key comes to a host that is not Salesforce with no fallback', async (t) => {
  const path = '/integrations/tempting-key'
  await call('PUT', path, { body: { ...jwt, credential: { generate: {} } } })
  await call('POST', `${path}/credentials`, { body: { generate: {} } })
  await call('POST', `${path}/credentials`, { body: { csr: { common_name: 'x' } } })
  const fresh = { private_key: key.privateKey, certificate: key.certificate }
  const states = async () =>
    (await call('GET', `${path}/credentials`)).body.items.map(
      ({ state }: { state: string }) => state,
    )
  const near = { login_url: 'https://acme2.my.salesforce.com', credential: fresh }
  t.equal((await call('PATCH', path, { body: near, headers: ANY })).status, 200)
  t.same((await states()).sort(), ['active', 'pending', 'retired', 'staged'])
  const far = { login_url: myDomain, credential: { private_key: other.privateKey } }
  t.equal((await call('PATCH', path, { body: far, headers: ANY })).status, 200)
  t.same((await states()).sort(), ['active', 'pending'], 'a pending one signs nothing')
})

t.test('the credential that is active is not put in its own place', async (t) => {
  const path = '/integrations/twice'
  await call('PUT', path, { body: secret })
  const before = (await call('GET', `${path}/credentials`)).body.items
  const described = { body: { ...secret, description: 'again' }, headers: ANY }
  t.match(await call('PUT', path, described), { status: 200, body: { description: 'again' } })
  t.same((await call('GET', `${path}/credentials`)).body.items, before)
  const staged = { client_secret: 'staged-then-given' }
  await call('POST', `${path}/credentials`, { body: staged })
  await call('PATCH', path, { body: { credential: staged }, headers: ANY })
  const { items } = (await call('GET', `${path}/credentials`)).body
  t.match(items, [{ state: 'active' }, { state: 'retired', id: before[0].id }])
  t.equal(items.length, 2, 'it is not staged any more, too')
})

t.test('who is signed with by others cannot sign with another credential itself', async (t) => {
  await call('PUT', '/integrations/signs-for-all', {
    body: { ...jwt, credential: { generate: {} } },
  })
  await call('PUT', '/integrations/one-of-all', {
    body: { ...jwt, credential: { from: 'signs-for-all' } },
  })
  await call('PUT', '/integrations/yet-another', { body: { ...jwt, credential: { generate: {} } } })
  const turned = { body: { credential: { from: 'yet-another' } }, headers: ANY }
  t.match(await call('PATCH', '/integrations/signs-for-all', turned), {
    status: 409,
    body: { code: 'credential_state' },
  })
  t.equal((await call('PATCH', '/integrations/one-of-all', turned)).status, 200)
  t.equal((await call('PATCH', '/integrations/signs-for-all', turned)).status, 200)
})

t.test('a signing key stays on a move between hosts of Salesforce, and only there', async (t) => {
  await call('PUT', '/integrations/signing', { body: { ...jwt, credential: { generate: {} } } })
  const moved = { login_url: 'https://acme2.my.salesforce.com' }
  t.equal((await call('PATCH', '/integrations/signing', { body: moved, headers: ANY })).status, 200)
  const foreign = { login_url: myDomain }
  t.match(await call('PATCH', '/integrations/signing', { body: foreign, headers: ANY }), {
    status: 422,
    body: { code: 'credential_required' },
  })
})

t.test('a grant of another kind needs a credential of its kind', async (t) => {
  await call('PUT', '/integrations/turned', { body: secret })
  t.match(
    await call('PATCH', '/integrations/turned', {
      body: { grant: { ...jwt.grant, client_auth: null } },
      headers: ANY,
    }),
    {
      status: 422,
      body: { code: 'credential_required' },
    },
  )
})

t.test('an integration signs with the credential of another', async (t) => {
  const app = simulator.addJwtApp({ certificatePem: key.certificate })
  const shared = {
    login_url: myDomain,
    grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
  }
  await call('PUT', '/integrations/owner', {
    body: { ...shared, credential: { private_key: key.privateKey, certificate: key.certificate } },
  })
  const follower = await call('PUT', '/integrations/follower', {
    body: { ...shared, credential: { from: 'owner' } },
  })
  t.equal(follower.status, 201)
  t.same(follower.body.credential, { from: 'owner' })
  t.equal((await call('GET', '/tokens/follower')).status, 200)
  t.match(await call('DELETE', '/integrations/owner', { headers: ANY }), {
    status: 409,
    body: { code: 'credential_state' },
  })
  for (const from of ['nowhere', 'follower', 'chained']) {
    const body = { ...shared, credential: { from } }
    t.match(await call('PUT', '/integrations/chained', { body }), {
      status: 422,
      body: { code: 'credential_invalid' },
    })
  }
})

t.test('a deleted integration is gone with its token', async (t) => {
  const app = simulator.addClientCredentialsApp()
  const body = {
    login_url: myDomain,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  }
  await call('PUT', '/integrations/leaving', { body })
  const token = (await call('GET', '/tokens/leaving')).body
  t.match(await call('DELETE', '/integrations/leaving'), { status: 428 })
  t.equal((await call('DELETE', '/integrations/leaving', { headers: ANY })).status, 204)
  t.match(await call('GET', '/tokens/leaving'), { body: { code: 'integration_not_found' } })
  t.match(await call('DELETE', '/integrations/leaving', { headers: ANY }), { status: 404 })
  const api = await fetch(`${token.instance_url}/services/data/v60.0/`, {
    headers: { authorization: `Bearer ${token.access_token}` },
  })
  t.equal(api.status, 401, 'Salesforce ended it')
})

t.test('one made again under the name is another: an old ETag does not match', async (t) => {
  const first = await call('PUT', '/integrations/again', { body: secret })
  await call('DELETE', '/integrations/again', { headers: ANY })
  await call('PUT', '/integrations/again', { body: secret })
  t.match(
    await call('DELETE', '/integrations/again', {
      headers: { 'if-match': first.headers.get('etag') ?? '' },
    }),
    { status: 412 },
  )
})

t.test('lists are in order of name, by pages, and filtered', async (t) => {
  for (const name of ['list-c', 'list-a', 'list-b']) {
    const labels = { suite: 'lists', ...(name === 'list-b' && { middle: 'yes:no' }) }
    await call('PUT', `/integrations/${name}`, { body: { ...secret, labels } })
  }
  const names = (page: { body: { items: { name: string }[] } }) =>
    page.body.items.map(({ name }) => name)
  const first = await call('GET', '/integrations?label=suite:lists&limit=2')
  t.same(names(first), ['list-a', 'list-b'])
  const cursor = encodeURIComponent(first.body.next_cursor)
  const second = await call('GET', `/integrations?label=suite:lists&limit=2&cursor=${cursor}`)
  t.same(names(second), ['list-c'])
  t.equal(second.body.next_cursor, null)
  t.same(names(await call('GET', '/integrations?label=middle:yes:no')), ['list-b'])
  t.same(names(await call('GET', '/integrations?state=disabled')), ['off'])
  const before = new Date(Date.now() + 40 * 86_400_000).toISOString()
  t.same(names(await call('GET', `/integrations?certificate_expires_before=${before}`)), [
    'eight',
    'one',
  ])
  for (const query of ['cursor=!', 'limit=0', 'limit=201', 'state=odd', 'label=x', 'x=1']) {
    t.match(await call('GET', `/integrations?${query}`), { status: 400 }, query)
  }
})

t.test('names, members and bounds are checked, and the answer says which', async (t) => {
  const body = { ...secret }
  for (const name of ['UPPER', '-a', 'a-', 'a_b', 'a'.repeat(65), '%00', '..%2fx', '{x}']) {
    const { status } = await call('PUT', `/integrations/${name}`, { body })
    t.equal(status, 400, name)
  }
  const cases: readonly [object, RegExp][] = [
    [{ token_lifetime: 59 }, /body\/token_lifetime/],
    [{ token_lifetime: 86_401 }, /body\/token_lifetime/],
    [{ token_lifetime: '900' }, /body\/token_lifetime/],
    [{ logins_per_hour: 0 }, /body\/logins_per_hour/],
    [{ surprise: true }, /"surprise"/],
    [{ grant: { type: 'password' } }, /body\/grant/],
    [{ grant: { type: 'jwt_bearer' } }, /username/],
    [{ login_url: 'http://acme.my.salesforce.com' }, /login_url/],
    [{ login_url: 'https://acme.example.com' }, /login_url/],
    [{ login_url: 'https://a:b@acme.my.salesforce.com' }, /login_url/],
    [{ login_url: 'https://acme.my.salesforce.com:8443' }, /login_url/],
    [{ login_url: 'https://acme.my.salesforce.com/path' }, /login_url/],
    [
      { labels: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`l${i}`, 'x'])) },
      /labels/,
    ],
  ]
  for (const [change, detail] of cases) {
    t.match(
      await call('PUT', '/integrations/bounds', { body: { ...body, ...change } }),
      { status: 400, body: { code: 'request_invalid', detail } },
      JSON.stringify(change),
    )
  }
})
