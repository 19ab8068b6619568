/** Requests that pretend to be others, at the door: what a gateway names must be one request in one form. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startIssuer } from '../support/issuer.ts'
import { openRaw } from '../support/raw-http.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const idp = await startIssuer()
t.teardown(() => idp.stop())
const folder = await mkdtemp(join(tmpdir(), 'valetkey-config-'))
t.teardown(() => rm(folder, { recursive: true }))
const path = join(folder, 'valetkey.yaml')
const requests = ['GET /services/data/*/query', 'POST /services/data/*/sobjects/Account/']
const caller = { permissions: ['tokens:read'], integrations: ['billing'] }
const configuration = {
  issuers: [{ issuer: idp.issuer, audience: 'valetkey' }],
  callers: [
    { name: 'free', match: { issuer: idp.issuer, subject: 'free' }, ...caller },
    { name: 'limited', match: { issuer: idp.issuer, subject: 'limited' }, ...caller, requests },
  ],
}
await writeFile(path, JSON.stringify(configuration))
const { myDomain } = simulator.origins
const { call, url } = await startBroker(t, {
  loginHosts: [myDomain],
  env: { VALETKEY_CONFIG: path },
})
const app = simulator.addClientCredentialsApp()
await call('PUT', '/integrations/billing', {
  body: {
    login_url: myDomain,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  },
})
const limited = await idp.sign({ sub: 'limited' })
const free = await idp.sign({ sub: 'free' })
await eventually(async () => (await call('GET', '/tokens/billing', { key: free })).status === 200)
const token: string = (await call('GET', '/tokens/billing')).body.access_token

const QUERY = '/services/data/v66.0/query?q=SELECT+Id'

/** As bytes: clients put targets and fields in order. Returns the status and the code. */
async function ask(target: string, fields: readonly string[] = [], method = 'GET') {
  const connection = openRaw(Number(new URL(url).port))
  const lines = [`authorization: Bearer ${limited}`, 'host: valetkey', 'connection: close']
  const head = [`${method} /gateway/billing${target} HTTP/1.1`, ...lines, ...fields].join('\r\n')
  connection.write(Buffer.from(`${head}\r\n\r\n`, 'latin1'))
  const text = await connection.closed()
  return {
    status: Number(text.split(' ')[1]),
    code: /^x-valetkey-code: (\S+)/im.exec(text)?.[1],
    hasToken: text.includes(token),
  }
}

const original = (method: string, uri: string) => [
  `x-original-method: ${method}`,
  `x-original-uri: ${uri}`,
]
const passed = { status: 200, hasToken: true }
const refused = { status: 403, code: 'request_not_allowed', hasToken: false }

t.test('the request passes in its plain form', async (t) => {
  t.match(await ask('', original('GET', QUERY)), passed)
  t.match(await ask(QUERY), passed)
})

t.test('another spelling of it does not, wherever the gateway names it', async (t) => {
  const targets = [
    '/services/data/v66.0/query/../query',
    '/services/data/./v66.0/query',
    '/services/data/v66.0/limits/../query',
    '/services/data/v66.0%2f..%2fv66.0/query',
    '/services/data/%2e%2e/query',
    '/services/data/v66.0/%71uery',
    '/services/data/v66.0/quer%79',
    '/services/data/%c0%ae%c0%ae/query',
    '/services/data/v66.0%ef%bc%8fx/query',
    '//services/data/v66.0/query',
    '/services//data/v66.0/query',
    '/services/data/v66.0/query//',
    '/Services/data/v66.0/query',
    '/services/data/v66.0/QUERY',
    '/services/data/v66.0;x/query',
    '/services/data/v66.0/query;jsessionid=1',
    '/services/data/v66.0\\query',
    '/services/data/v66.0/query%3fx',
    '/services/data/v66.0/query%00',
    '/services/data/v66.0/query#/limits',
    '/services/data/v66.0/query?x#y',
    '/services/data/v66.0/query?_HttpMethod=DELETE',
    '/services/data/v66.0/query?_%48ttpMethod=DELETE',
    'https://acme.my.salesforce.com/services/data/v66.0/query',
    '*',
    '',
  ]
  for (const target of targets) {
    t.match(await ask('', original('GET', target)), refused, target)
    const forwarded = ['x-forwarded-method: GET', `x-forwarded-uri: ${target}`]
    t.match(await ask('', forwarded), refused, target)
    if (target.startsWith('/')) t.match(await ask(target), refused, target)
  }
})

t.test('nor does another method, in whatever header it stands', async (t) => {
  for (const method of ['get', 'GET,POST', 'GETT', '', 'G\u00c9T']) {
    t.match(await ask('', original(method, QUERY)), refused, method)
  }
  for (const header of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'x-method-override']) {
    for (const method of ['DELETE', 'delete', 'PATCH', 'x y', '']) {
      const field = `${header}: ${method}`
      t.match(await ask('', [...original('GET', QUERY), field]), refused, field)
      t.match(await ask(QUERY, [field]), refused, field)
    }
    const twice = [`${header}: GET`, `${header}: GET`]
    t.match(await ask('', [...original('GET', QUERY), ...twice]), refused)
    t.match(await ask('', [...original('GET', QUERY), `${header}: GET`]), passed, 'the same one')
  }
})

t.test('nor one that is named twice, by halves, or not at all', async (t) => {
  const [method = '', uri = ''] = original('GET', QUERY)
  for (const fields of [
    [],
    [method],
    [uri],
    [method, method, uri],
    [method, uri, uri],
    [method, uri, 'x-original-uri: /services/data/v66.0/limits'],
    [method, 'x-forwarded-uri: /services/data/v66.0/query'],
    [method, uri, 'x-forwarded-method: GET'],
    [method, `${uri}, /services/data/v66.0/limits`],
    ['x-original-url: /services/data/v66.0/query', method],
    ['x-rewrite-url: /services/data/v66.0/query'],
  ]) {
    t.match(await ask('', fields), refused, fields.join(' | '))
  }
})

t.test('no door hands the token itself to a caller that is limited to requests', async (t) => {
  const named = { 'x-original-method': 'GET', 'x-original-uri': QUERY }
  const bearer = { authorization: `Bearer ${limited}`, ...named }
  const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
  const form = (fields: Readonly<Record<string, string>>) => ({
    method: 'POST',
    headers: named,
    body: new URLSearchParams(fields),
  })
  const asked: readonly (readonly [string, RequestInit])[] = [
    ['/tokens/billing', { headers: bearer }],
    ['/tokens/billing?min_ttl=60', { headers: bearer }],
    ['/tokens', { headers: bearer }],
    ['/tokens/billing/check', { method: 'POST', headers: bearer }],
    ['/login/billing/services/oauth2/token', form({ grant_type: jwtBearer, assertion: limited })],
    [
      '/services/oauth2/token',
      form({ grant_type: jwtBearer, assertion: limited, scope: 'integration:billing' }),
    ],
    [
      '/login/billing/services/oauth2/token',
      form({
        grant_type: 'client_credentials',
        client_assertion: limited,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      }),
    ],
  ]
  for (const [path, init] of asked) {
    const answer = await fetch(url + path, init)
    const text = await answer.text()
    t.not(answer.status, 200, path)
    t.notOk(text.includes(token), path)
  }
  const plain = await fetch(`${url}/tokens/billing`, { headers: bearer })
  t.match(await plain.json(), { code: 'request_not_allowed' })
  const login = form({ grant_type: jwtBearer, assertion: free })
  const answer = await fetch(`${url}/login/billing/services/oauth2/token`, login)
  t.match(await answer.json(), { access_token: token }, 'a caller without limits gets it')
})
