/** Each worked example of the document, sent as it stands to what `npm run demo` sets up. */
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { WORKED_EXAMPLES } from '../../src/http/openapi/worked-examples.ts'
import { startBroker } from '../support/broker.ts'
import { newSigningKey } from '../support/signing-key.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins
const broker = await startBroker(t, {
  loginHosts: [myDomain],
  env: { VALETKEY_PUBLIC_URL: 'http://127.0.0.1:8080' },
})
const { call } = broker

/** As the demo has them. */
async function setUp() {
  const key = await newSigningKey()
  const secretApp = simulator.addClientCredentialsApp()
  const jwtApp = simulator.addJwtApp({ certificatePem: key.certificate })
  const personApp = simulator.addRefreshTokenApp({})
  const bodies = {
    'client-credentials': {
      grant: { type: 'client_credentials', client_id: secretApp.clientId },
      credential: { client_secret: secretApp.clientSecret },
    },
    'jwt-bearer': {
      grant: { type: 'jwt_bearer', client_id: jwtApp.clientId, username: jwtApp.username },
      credential: { private_key: key.privateKey, certificate: key.certificate },
    },
    'refresh-token': {
      grant: { type: 'refresh_token', client_id: personApp.clientId },
      credential: { client_secret: personApp.clientSecret },
    },
  }
  for (const [name, body] of Object.entries(bodies)) {
    const put = await call('PUT', `/integrations/${name}`, {
      body: { login_url: myDomain, ...body },
    })
    t.equal(put.status, 201)
  }
}

interface Described {
  readonly operationId: string
  readonly parameters?: readonly { name: string; in: string; example?: string | number }[]
  readonly requestBody?: { readonly content: Record<string, { readonly example?: unknown }> }
}

/** What only an id of the service's own making lets succeed, and what the demo has none of. */
const WITHOUT_ITS_ID: Readonly<Record<string, string>> = {
  getCertificate: 'credential_not_found',
  certifyCredential: 'credential_not_found',
  deployCredential: 'credential_not_found',
  getDeployment: 'credential_not_found',
  activateCredential: 'credential_not_found',
  getCredential: 'credential_not_found',
  deleteCredential: 'credential_not_found',
  getConnection: 'not_found',
  deleteApiKey: 'api_key_not_found',
  // The token is of another user.
  getSalesforceIdentity: 'Bad_Id',
  getFreeze: 'freeze_not_found',
  liftFreeze: 'freeze_not_found',
  // The admin key has no `requests`, and without them nothing is signed.
  proveRequests: 'caller_forbidden',
  // Every record verifies.
  eraseRecord: 'not_found',
}

/** The report is about the last 30 days at most, and a published time ages. */
const recent = () => new Date(Date.now() - 3_600_000).toISOString()

t.test('each example does what its operation says', async (t) => {
  await setUp()
  const { body: api } = await call('GET', '/openapi.json')
  const key = (
    await call('POST', '/api-keys', {
      body: {
        name: 'oauth',
        permissions: ['tokens:read', 'integrations:read'],
        integrations: ['*'],
      },
    })
  ).body
  /** A client of SOAP sends its key in the body, and a browser in a form. */
  const withKey = (body: object | string) =>
    typeof body === 'string' ? body.replace('API_KEY', key.key) : body
  const basic = `Basic ${Buffer.from(`${key.id}:${key.key}`).toString('base64')}`
  const operations = Object.entries<Record<string, Described>>(api.paths).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  t.same(
    operations.map(({ operation }) => operation.operationId).sort(),
    Object.keys(WORKED_EXAMPLES).sort(),
    'every operation has one',
  )
  const order = Object.keys(WORKED_EXAMPLES)
  operations.sort(
    (a, b) => order.indexOf(a.operation.operationId) - order.indexOf(b.operation.operationId),
  )
  for (const { path, method, operation } of operations) {
    const { operationId, parameters = [], requestBody } = operation
    const given = (place: string) =>
      parameters.filter((one) => one.in === place && one.example !== undefined)
    let url = path
    for (const { name, example } of given('path')) url = url.replace(`{${name}}`, String(example))
    t.notMatch(url, /[{}]/, `${operationId} has an example of each part of its path`)
    const query = new URLSearchParams(
      given('query').map(({ name, example }): [string, string] => [
        name,
        operationId === 'getExposure' && name === 'since' ? recent() : String(example),
      ]),
    )
    const [type, media] = Object.entries(requestBody?.content ?? {})[0] ?? []
    if (media) t.ok(media.example, `${operationId} has an example of its body`)
    const isForm = type === 'application/x-www-form-urlencoded'
    const answer = await call(method.toUpperCase(), query.size > 0 ? `${url}?${query}` : url, {
      ...(isForm && { key: null }),
      headers: {
        ...(type !== undefined && { 'content-type': type }),
        ...(isForm && { authorization: basic }),
        // As a browser does.
        ...(url.startsWith('/status/') && { origin: broker.url }),
        ...Object.fromEntries(given('header').map(({ name, example }) => [name, String(example)])),
      },
      ...(media && {
        body: isForm
          ? withKey(new URLSearchParams(media.example as Record<string, string>).toString())
          : withKey(media.example as object | string),
      }),
    })
    const code = WITHOUT_ITS_ID[operationId]
    if (code === undefined) {
      t.ok(answer.status < 300, `${operationId}: ${answer.status} ${JSON.stringify(answer.body)}`)
    } else t.equal(answer.body.code ?? answer.body.error, code, operationId)
  }
})

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'

t.test('a browser at / finds its way, and nobody else finds anything', async (t) => {
  const page = await fetch(`${broker.url}/`, { headers: { accept: BROWSER } })
  t.equal(page.status, 200)
  t.match(page.headers.get('content-type'), 'text/html')
  t.match(page.headers.get('content-security-policy'), "default-src 'none'")
  const html = await page.text()
  const links = [...html.matchAll(/href="([^"]+)"/g)].map(([, to = '']) => to)
  t.same(links, [
    ...['/status', '/docs', '/openapi.json', '/openapi.yaml', '/problems', '/problems/salesforce'],
    ...['/readyz', '/livez'],
  ])
  for (const to of links) {
    for (const accept of [BROWSER, '*/*']) {
      const answer = await fetch(new URL(to, page.url), { headers: { accept } })
      t.equal(answer.status, 200, `${to} ${accept}`)
      t.not(await answer.text(), '', to)
    }
  }
  t.match(html, /Version<\/dt><dd>\d+\.\d+\.\d+/)
  for (const accept of ['*/*', 'application/json', 'text/plain', undefined]) {
    const answer = await fetch(`${broker.url}/`, accept ? { headers: { accept } } : {})
    t.equal(answer.status, 404, String(accept))
    t.match(await answer.json(), { code: 'not_found' })
  }
})

t.test('the pages of problems are HTML for a browser', async (t) => {
  const all = await fetch(`${broker.url}/problems`, { headers: { accept: BROWSER } })
  const html = await all.text()
  const links = [...html.matchAll(/href="(\/problems\/[^"]+)"/g)].map(([, to = '']) => to)
  t.ok(links.length > 30)
  for (const to of links) {
    const page = await fetch(broker.url + to, { headers: { accept: BROWSER } })
    t.match(page.headers.get('content-type'), 'text/html', to)
    t.match(await page.text(), /What to do: /)
  }
  const plain = await fetch(`${broker.url}/problems/grant_refused`)
  t.match(plain.headers.get('content-type'), 'application/json')
  const markdown = { accept: 'text/markdown' }
  const forPeople = await fetch(`${broker.url}/problems/grant_refused`, { headers: markdown })
  t.match(await forPeople.text(), /^# /)
})
