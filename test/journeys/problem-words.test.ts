/** A problem says in words what is wrong, and what to do about it, in the body itself. */
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { PROBLEMS, type ProblemCode } from '../../src/errors/problems.ts'
import { startBroker } from '../support/broker.ts'
import type { Answer } from '../support/caller.ts'
import { newSigningKey } from '../support/signing-key.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { call } = await startBroker(t, { loginHosts: [simulator.origins.myDomain] })

const body = {
  login_url: 'https://acme.my.salesforce.com',
  grant: { type: 'client_credentials', client_id: '3MVG9.acme' },
  credential: { client_secret: 'a-secret-of-acme' },
}
const etagIn = ({ headers }: Answer) => headers.get('etag') ?? ''

async function keyWith(...permissions: string[]): Promise<string> {
  const name = `key-${permissions.join('-').replaceAll(':', '-')}`
  const made = await call('POST', '/api-keys', { body: { name, permissions, integrations: ['*'] } })
  t.equal(made.status, 201)
  return made.body.key
}

t.test('the remedy of the table is in the body, as plain text', async (t) => {
  const missing = await call('GET', '/integrations/nobody')
  t.equal(missing.body.remedy, 'Look the name up with GET /integrations.')
  const unknown = await call('GET', '/nowhere', { key: null })
  t.equal(unknown.body.remedy, PROBLEMS.not_found.remedy.replaceAll('`', ''))
  await call('PUT', '/integrations/draft', { body: { ...body, credential: undefined } })
  const draft = await call('GET', '/tokens/draft')
  t.match(draft.body, { code: 'integration_draft', remedy: /GET \/integrations\/draft\/setup/ })
})

t.test('a change without If-Match is told what to send', async (t) => {
  const first = await call('PUT', '/integrations/told', { body })
  const etag = etagIn(first)
  const changed = { ...body, description: 'changed' }
  const writer = await keyWith('integrations:write')
  const reader = await keyWith('integrations:write', 'integrations:read')
  const ways = (key?: string) => [
    call('PUT', '/integrations/told', { body: changed, ...(key && { key }) }),
    call('PATCH', '/integrations/told', { body: { enabled: false }, ...(key && { key }) }),
    call('DELETE', '/integrations/told', key ? { key } : {}),
  ]
  for (const key of [undefined, reader]) {
    for (const answer of await Promise.all(ways(key))) {
      t.match(answer, { status: 428, body: { code: 'precondition_required', etag } })
      t.ok(answer.body.detail.includes(etag), answer.body.detail)
      t.match(answer.body.remedy, /If-Match: \*/)
      t.ok(answer.body.remedy.includes(`If-Match: ${etag}`), answer.body.remedy)
    }
  }
  for (const answer of await Promise.all(ways(writer))) {
    t.match(answer, { status: 428, body: { code: 'precondition_required', etag: undefined } })
    t.notOk(JSON.stringify(answer.body).includes(etag.replaceAll('"', '')), 'it may not be read')
    t.match(answer.body.detail, /\*/)
  }
})

t.test('a precondition that fails names the current ETag to those who may read it', async (t) => {
  t.equal((await call('PUT', '/integrations/stale', { body })).status, 201)
  const staged = await call('POST', '/integrations/stale/credentials', {
    body: { client_secret: 'another-secret' },
  })
  const etag = etagIn(staged)
  const headers = { 'if-match': '"stale"' }
  const { id } = staged.body
  const ways = (key?: string) =>
    Promise.all([
      call('PUT', '/integrations/stale', {
        body: { ...body, enabled: false },
        headers,
        ...(key && { key }),
      }),
      call('PUT', '/integrations/stale', {
        body,
        headers: { 'if-none-match': '*' },
        ...(key && { key }),
      }),
      call('POST', '/integrations/stale/credentials', {
        body: { csr: { common_name: 'stale' } },
        headers,
        ...(key && { key }),
      }),
      call('POST', `/integrations/stale/credentials/${id}/activate`, {
        headers,
        ...(key && { key }),
      }),
    ])
  for (const answer of await ways()) {
    t.match(answer, { status: 412, body: { code: 'integration_changed', etag } })
    t.ok(answer.body.remedy.includes(etag), answer.body.remedy)
  }
  const writer = await keyWith('integrations:write', 'credentials:write')
  for (const answer of await ways(writer)) {
    t.match(answer, { status: 412, body: { code: 'integration_changed', etag: undefined } })
  }
  const absent = await call('PUT', '/integrations/absent', { body, headers })
  t.match(absent, { status: 412, body: { etag: undefined, remedy: /to create it/ } })
})

t.test('a media type that is not taken is answered with those that are', async (t) => {
  const text = { 'content-type': 'text/csv' }
  const put = await call('PUT', '/integrations/typed', { body: 'a,b', headers: text })
  t.match(put, {
    status: 415,
    body: {
      code: 'media_type_unsupported',
      detail: /it accepts application\/json$/,
      remedy: /application\/json/,
      media_types: ['application/json'],
    },
  })
  await call('PUT', '/integrations/typed', { body })
  const certificate = await call('PUT', '/integrations/typed/credentials/c-1/certificate', {
    body: {},
  })
  t.match(certificate, {
    status: 415,
    body: { detail: /text\/plain or application\/x-pem-file$/ },
  })
  const token = await call('POST', '/oauth/token', { body: {} })
  t.match(token, { body: { error_description: /it accepts application\/x-www-form-urlencoded/ } })
  const untyped = await call('POST', '/api-keys', { body: 'x', headers: { 'content-type': '' } })
  t.match(untyped, { status: 415, body: { detail: /it accepts application\/json$/ } })
})

t.test('what waiting helps with says how long', async (t) => {
  const app = simulator.addClientCredentialsApp()
  await call('PUT', '/integrations/waiting', {
    body: {
      login_url: app.loginUrl,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    },
  })
  simulator.refuseNext('login_rate_exceeded', { clientId: app.clientId })
  const answer = await call('GET', '/tokens/waiting')
  t.match(answer, { status: 503, body: { code: 'grant_refused' } })
  t.match(answer.body.remedy, /^Wait for the hour to end/)
  t.ok(answer.body.remedy.includes(answer.body.refusal.remedy), "Salesforce's refusal has its cure")
  const again = await call('GET', '/tokens/waiting')
  t.match(again.body.remedy, /^Wait for the hour to end/, 'remembered')
})

t.test('every problem has a remedy that a person can follow', async (t) => {
  for (const code of Object.keys(PROBLEMS) as ProblemCode[]) {
    t.match(PROBLEMS[code].remedy, /^[A-Z].*\.$/, code)
  }
})

/** What is sent, and what of it is told. */
const WRONG: readonly (readonly [request: readonly [string, string, object?], words: string])[] = [
  [
    ['GET', '/tokens/No_Name'],
    'path/integration must be 1 to 64 lower-case letters, digits and hyphens, without a hyphen at either end',
  ],
  [['GET', '/tokens/a?min_ttl=x'], 'query/min_ttl must be a whole number from 0 to 3600'],
  [['GET', '/tokens/a?min_ttl=9999'], 'query/min_ttl must be a whole number from 0 to 3600'],
  [['GET', '/integrations?limit=0'], 'query/limit must be a whole number from 1 to 200'],
  [
    ['GET', '/integrations?certificate_expires_before=tomorrow'],
    'query/certificate_expires_before must be a time like 2026-11-22T10:00:00Z',
  ],
  [['GET', '/integrations?label=x'], 'query/label must be a label as key:value'],
  [['DELETE', '/api-keys/x'], 'path/id must be 8 letters and digits'],
  [['PUT', '/integrations/a', []], 'body must be an object'],
  [
    ['PUT', '/integrations/a', { login_url: 1 }],
    'body/grant is missing: it must be an object whose type is one of jwt_bearer, client_credentials',
  ],
  [
    ['PUT', '/integrations/a', { ...body, grant: { type: 'password' } }],
    'body/grant/type must be one of jwt_bearer, client_credentials, refresh_token, token_exchange, data_cloud',
  ],
  [
    ['PUT', '/integrations/a', { ...body, grant: { client_id: 'x' } }],
    'body/grant/type is missing: it must be one of jwt_bearer',
  ],
  [
    ['PUT', '/integrations/a', { ...body, grant: { type: 'jwt_bearer', username: 'billing' } }],
    'body/grant/username must be a Salesforce username',
  ],
  [
    ['PUT', '/integrations/a', { ...body, grant: { ...body.grant, secret: 'x' } }],
    'body/grant/secret is not known here: "secret" is none of type, client_id, client_auth',
  ],
  [
    ['PUT', '/integrations/a', { ...body, labels: { '-': 'x' } }],
    'body/labels/* has a name that must be 1 to 63 letters',
  ],
  [
    ['POST', '/api-keys', { name: 'x', permissions: ['root'], integrations: ['*'] }],
    'body/permissions/0 must be one of tokens:read',
  ],
]

t.test('what does not validate is named, with what is allowed there', async (t) => {
  for (const [[method, path, sent], words] of WRONG) {
    const { status, body: problem } = await call(method, path, sent ? { body: sent } : {})
    t.match({ status, code: problem.code }, { status: 400, code: 'request_invalid' })
    t.ok(problem.detail.startsWith(words), `${problem.detail} begins with ${words}`)
  }
  const long = { 'if-match': 'x'.repeat(2000) }
  const header = await call('DELETE', '/integrations/a', { headers: long })
  t.equal(header.body.detail, 'headers/if-match must be text of at most 1024 characters')
  await call('PUT', '/integrations/merged', { body })
  const merged = await call('PATCH', '/integrations/merged', {
    body: { token_lifetime: 1 },
    headers: { 'if-match': '*' },
  })
  t.equal(merged.body.detail, 'body/token_lifetime must be a whole number from 60 to 86400')
})

t.test('a placeholder is no value, and is refused when it is written', async (t) => {
  const jwt = { type: 'jwt_bearer', client_id: '3MVG9.acme', username: 'billing@acme.com' }
  const host = 'https://acme.my.salesforce.com'
  const cases: readonly (readonly [body: object, member: RegExp])[] = [
    [{ ...body, grant: { ...body.grant, client_id: 'undefined' } }, /^body\/grant\/client_id/],
    [{ ...body, grant: { ...body.grant, client_id: 'null' } }, /^body\/grant\/client_id/],
    [{ ...body, grant: { ...body.grant, client_id: '""' } }, /^body\/grant\/client_id/],
    [
      { ...body, grant: { ...body.grant, client_id: '3MVG9_THE_CONSUMER_KEY' } },
      /^body\/grant\/client_id/,
    ],
    [{ login_url: host, grant: { ...jwt, username: 'null@null' } }, /^body\/grant\/username/],
    [{ login_url: host, grant: { ...jwt, audience: 'undefined' } }, /^body\/grant\/audience/],
    [{ login_url: 'https://YOURDOMAIN.my.salesforce.com', grant: jwt }, /^body\/login_url/],
  ]
  for (const [sent, member] of cases) {
    const answer = await call('PUT', '/integrations/placeholder', { body: sent })
    t.match(answer, { status: 400, body: { code: 'request_invalid', detail: member } })
    t.match(answer.body.detail, /placeholder/)
  }
  for (const client_secret of ['undefined', 'THE_CONSUMER_SECRET', 'null', 'false', `'a-secret'`]) {
    const answer = await call('PUT', '/integrations/placeholder', {
      body: { ...body, credential: { client_secret } },
    })
    t.match(answer, { status: 422, body: { code: 'credential_invalid', detail: /^client_secret/ } })
  }
  const refresh = { type: 'refresh_token', client_id: '3MVG9.acme' }
  const token = await call('PUT', '/integrations/placeholder', {
    body: { login_url: host, grant: refresh, credential: { refresh_token: 'undefined' } },
  })
  t.match(token, { status: 422, body: { detail: /^refresh_token/ } })
  await call('PUT', '/integrations/placeholder', { body })
  const staged = await call('POST', '/integrations/placeholder/credentials', {
    body: { client_secret: 'another-secret-of-acme', client_id: 'THE_CONSUMER_KEY' },
  })
  t.match(staged, { status: 400, body: { detail: /^body\/client_id/ } })
  const patched = await call('PATCH', '/integrations/placeholder', {
    body: { grant: { client_id: 'undefined' } },
    headers: { 'if-match': '*' },
  })
  t.match(patched, { status: 400, body: { detail: /^body\/grant\/client_id/ } })
})

t.test('a grant that needs the My Domain is refused at the host of all orgs', async (t) => {
  for (const host of ['login', 'test']) {
    for (const grant of [
      { type: 'client_credentials' },
      { type: 'client_credentials', client_id: '3MVG9.acme', client_auth: 'private_key_jwt' },
      { type: 'token_exchange', subject_token: { integration: 'other' } },
    ]) {
      const answer = await call('PUT', '/integrations/common', {
        body: { login_url: `https://${host}.salesforce.com`, grant },
      })
      t.match(answer, {
        status: 400,
        body: {
          code: 'request_invalid',
          detail: /use your My Domain$/,
          remedy: /https:\/\/YOURDOMAIN.*\.my\.salesforce\.com/,
        },
      })
    }
  }
  const jwt = { type: 'jwt_bearer', username: 'billing@acme.com' }
  const login_url = 'https://login.salesforce.com'
  const put = await call('PUT', '/integrations/common', { body: { login_url, grant: jwt } })
  t.equal(put.status, 201, 'others are taken there')
  const patched = await call('PATCH', '/integrations/common', {
    body: { grant: { type: 'client_credentials', username: null } },
    headers: { 'if-match': '*' },
  })
  t.match(patched, { status: 400, body: { detail: /use your My Domain$/ } })
})

t.test('the address of a page is answered with the login URL of its org', async (t) => {
  const answer = await call('PUT', '/integrations/page', {
    body: {
      ...body,
      login_url: 'https://acme--uat.sandbox.lightning.force.com/lightning/page/home',
    },
  })
  t.match(answer, {
    status: 400,
    body: {
      detail: /it probably means https:\/\/acme--uat\.sandbox\.my\.salesforce\.com$/,
      remedy: /^Set login_url to https:\/\/acme--uat\.sandbox\.my\.salesforce\.com,/,
    },
  })
})

/** An integration with a key, whose certificate is uploaded, and another key that is staged. */
async function staged(name: string, kind: 'key' | 'secret') {
  const made = kind === 'key' ? await newSigningKey() : undefined
  const app = made
    ? simulator.addJwtApp({ certificatePem: made.certificate })
    : simulator.addClientCredentialsApp()
  const grant = made
    ? { type: 'jwt_bearer', client_id: app.clientId, username: app.username }
    : { type: 'client_credentials', client_id: app.clientId }
  const credential = made
    ? { private_key: made.privateKey, certificate: made.certificate }
    : { client_secret: app.clientSecret }
  await call('PUT', `/integrations/${name}`, {
    body: { login_url: app.loginUrl, grant, credential },
  })
  const path = `/integrations/${name}/credentials`
  const { body: one } = await call('POST', path, {
    body: made ? { generate: {} } : { client_secret: 'a-secret-not-yet-there' },
  })
  return { app, path: `${path}/${one.id}`, id: one.id as string }
}

t.test('a key that is activated before its upload is told what the app lacks', async (t) => {
  const { path, id } = await staged('early-key', 'key')
  const answer = await call('POST', `${path}/activate`)
  t.match(answer, {
    status: 409,
    body: { code: 'credential_rejected', refusal: { class: 'propagating' } },
  })
  const { detail, remedy, refusal } = answer.body
  t.ok(detail.includes(`the staged key ${id}`), detail)
  t.ok(remedy.includes(`GET ${path}/certificate`), remedy)
  t.match(remedy, /wait: .*up to 10 minutes/)
  t.notMatch(`${detail} ${remedy} ${refusal.cause} ${refusal.remedy}`, /secret|active credential/i)
})

t.test(
  'a secret that is activated before its time is told so, and of no certificate',
  async (t) => {
    const { path, id } = await staged('early-secret', 'secret')
    const answer = await call('POST', `${path}/activate`)
    t.match(answer, {
      status: 409,
      body: { code: 'credential_rejected', refusal: { class: 'propagating' } },
    })
    const { detail, remedy } = answer.body
    t.ok(detail.includes(`the staged client secret ${id}`), detail)
    t.match(remedy, /up to 10 minutes/)
    t.notMatch(`${detail} ${remedy}`, /certificate|signing key|signature/i)
  },
)

t.test('while a change spreads, all that was tried is named, and how long to wait', async (t) => {
  const { app, id } = await staged('spreading', 'key')
  const stranger = await newSigningKey('stranger')
  simulator.updateApp(app.clientId, { certificatePem: stranger.certificate })
  const answer = await call('GET', '/tokens/spreading')
  t.match(answer, {
    status: 503,
    body: { code: 'grant_refused', refusal: { class: 'propagating' } },
  })
  t.match(answer.body.refusal.cause, new RegExp(`the active key \\S+, the staged key ${id}\\.`))
  t.match(answer.body.remedy, /^Wait up to 10 minutes: .* Upload the certificate of the staged key/)
  t.notMatch(JSON.stringify(answer.body.refusal), /client secret/i)
})

t.test('a draft says which part it lacks', async (t) => {
  const grant = { type: 'jwt_bearer', username: 'billing@acme.com' }
  const login_url = 'https://acme.my.salesforce.com'
  await call('PUT', '/integrations/lacking', { body: { login_url, grant } })
  t.match(await call('GET', '/tokens/lacking'), {
    status: 409,
    body: { code: 'integration_draft', detail: /no credential yet/ },
  })
  await call('PATCH', '/integrations/lacking', {
    body: { credential: { generate: {} } },
    headers: { 'if-match': '*' },
  })
  t.match(await call('GET', '/tokens/lacking'), {
    status: 409,
    body: { code: 'integration_draft', detail: /no client id yet/ },
  })
})
