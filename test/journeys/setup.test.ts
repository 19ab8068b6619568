/** An operator gets from Salesforce what an integration needs by following its setup sheet alone. */
import { strFromU8, unzipSync } from 'fflate'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker, type TestBroker } from '../support/broker.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const loginUrl = simulator.origins.myDomain
const broker = await startBroker(t, {
  loginHosts: [loginUrl],
  env: {
    VALETKEY_PUBLIC_URL: 'https://keys.acme.com',
    VALETKEY_EGRESS_ADDRESSES: '203.0.113.7,203.0.113.16-203.0.113.19',
  },
})
const { call } = broker

const GRANTS = {
  jwt_bearer: { type: 'jwt_bearer', username: 'billing@acme.com' },
  client_credentials: { type: 'client_credentials' },
}

const draft = (name: string, grant: object, more: object = {}) =>
  call('PUT', `/integrations/${name}`, { body: { login_url: loginUrl, grant, ...more } })

async function zip({ url, adminKey }: TestBroker, path: string) {
  const response = await fetch(`${url}${path}`, {
    headers: { authorization: `Bearer ${adminKey}` },
  })
  const bytes = new Uint8Array(await response.arrayBuffer())
  const files = Object.entries(unzipSync(bytes)).map(
    ([name, content]) => [name, strFromU8(content)] as const,
  )
  return { response, files: Object.fromEntries(files) }
}

t.test('a draft without key or app becomes a token by what the sheet says', async (t) => {
  await draft('walked', GRANTS.jwt_bearer)
  const first = await call('GET', '/integrations/walked/setup')
  t.match(first, { status: 200, body: { missing: ['credential', 'client_id'], certificate: null } })

  const makeKey = { credential: { generate: {} } }
  const headers = first.body.write_back.headers
  await call('PATCH', first.body.write_back.path, { body: makeKey, headers })
  const second = await call('GET', '/integrations/walked/setup')
  t.match(second.body, { missing: ['client_id'], certificate: { state: 'active' } })

  const certificate = await call('GET', second.body.certificate.path)
  const app = simulator.addJwtApp({ certificatePem: certificate.body })
  const body = structuredClone(second.body.write_back.body)
  body.grant.client_id = app.clientId
  const { method, path } = second.body.write_back
  t.equal((await call(method, path, { body, headers })).status, 200)
  t.strictSame((await call('GET', '/integrations/walked/setup')).body.missing, [])
  t.equal((await call('GET', '/tokens/walked')).status, 200)
})

t.test('the same for a secret', async (t) => {
  await draft('secretive', GRANTS.client_credentials)
  const { body: sheet } = await call('GET', '/integrations/secretive/setup')
  t.strictSame(sheet.missing, ['client_id', 'credential'])
  const app = simulator.addClientCredentialsApp()
  const { method, path, headers, body } = sheet.write_back
  body.grant.client_id = app.clientId
  body.credential.client_secret = app.clientSecret
  t.equal((await call(method, path, { body, headers })).status, 200)
  t.equal((await call('GET', '/tokens/secretive')).status, 200)
})

t.test('Accept chooses between JSON and Markdown', async (t) => {
  await draft('forms', GRANTS.jwt_bearer)
  const of = async (accept: string) =>
    call('GET', '/integrations/forms/setup', { headers: { accept } })
  const markdown = await of('text/markdown')
  t.match(markdown.headers.get('content-type'), /^text\/markdown/)
  t.match(markdown.body, /^# JWT bearer flow for `forms`\n/)
  t.match(markdown.body, 'https://keys.acme.com/oauth/callback')
  t.equal(markdown.headers.get('vary'), 'accept')
  t.match((await of('application/json')).body, { integration: 'forms' })
  t.match((await of('*/*')).body, { integration: 'forms' })
  t.match(await of('image/png'), { status: 406, body: { code: 'not_acceptable' } })
})

t.test('the files hold the certificate and no secret', async (t) => {
  await draft('files', GRANTS.jwt_bearer, { credential: { generate: {} } })
  const { body: sheet } = await call('GET', '/integrations/files/setup')
  const { response, files } = await zip(broker, sheet.metadata)
  t.equal(response.headers.get('content-type'), 'application/zip')
  t.match(response.headers.get('content-disposition'), /filename="files-external-client-app\.zip"/)
  const { body: pem } = await call('GET', sheet.certificate.path)
  const text = Object.values(files).join('\n')
  t.ok(text.includes(pem.trim()))
  t.notMatch(text, /PRIVATE KEY|consumerSecret|consumerKey/)

  const secret = 'a-secret-that-must-not-be-seen'
  const grant = { ...GRANTS.client_credentials, client_id: '3MVG9.files' }
  await draft('secrets', grant, { credential: { client_secret: secret } })
  const path = '/integrations/secrets/setup'
  const shown = JSON.stringify((await call('GET', path)).body)
  const deployed = JSON.stringify((await zip(broker, `${path}/metadata`)).files)
  t.notOk(shown.includes(secret) || deployed.includes(secret))
})

t.test('the files come in both formats, and name the addresses of the service', async (t) => {
  await draft('formats', { type: 'refresh_token' })
  const path = '/integrations/formats/setup'
  const { files } = await zip(broker, `${path}/metadata`)
  const list = 'extlClntAppOauthSecuritySettings/Valetkey_formats_oauthSecurity.ecaOauthSecurity'
  t.match(files[list], '<endIpAddress>203.0.113.19</endIpAddress>')
  const source = await zip(broker, `${path}/metadata?format=source`)
  t.equal(source.files[`force-app/main/default/${list}-meta.xml`], files[list])
  const sheet = await call('GET', path, { headers: { accept: 'text/markdown' } })
  t.match(sheet.body, '203.0.113.16 to 203.0.113.19')
})

t.test('choices are taken over, and checked', async (t) => {
  await draft('choices', GRANTS.client_credentials)
  const path = '/integrations/choices/setup/metadata'
  const query = '?run_as=run@acme.com&permission_set=Billing&contact_email=team@acme.com'
  const { files } = await zip(broker, `${path}${query}`)
  const text = Object.values(files).join('\n')
  for (const value of ['run@acme.com', 'Billing', 'team@acme.com']) t.ok(text.includes(value))
  for (const wrong of [
    'run_as=nobody',
    'contact_email=x',
    'profile=%01',
    'permission_set=a,b',
    'format=zip',
    'a=b',
  ]) {
    t.match(await call('GET', `${path}?${wrong}`), {
      status: 400,
      body: { code: 'request_invalid' },
    })
  }
})

t.test("another's certificate is shown to those who may see it", async (t) => {
  await draft('owner', GRANTS.jwt_bearer, { credential: { generate: {} } })
  await draft('follower', GRANTS.jwt_bearer, { credential: { from: 'owner' } })
  const keyFor = async (name: string, integrations: string[]) =>
    (
      await call('POST', '/api-keys', {
        body: { name, permissions: ['integrations:read'], integrations },
      })
    ).body.key
  const path = '/integrations/follower/setup'
  t.match(
    (await call('GET', path, { key: await keyFor('both', ['owner', 'follower']) })).body
      .certificate,
    { path: /^\/integrations\/owner\/credentials\// },
  )
  t.equal(
    (await call('GET', path, { key: await keyFor('one', ['follower']) })).body.certificate,
    null,
  )
})
