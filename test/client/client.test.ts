/** `valetkey/client` against a real broker, and against openapi.yaml. */
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { startSimulator } from '../../simulator/simulator.ts'
import { OPERATIONS } from '../../src/client/api/operations.ts'
import { createClient } from '../../src/client/client.ts'
import { ProblemError, UnreachableError } from '../../src/client/problem-error.ts'
import { startBroker } from '../support/broker.ts'
import { ROOT } from '../support/project-root.ts'
import { freePort } from '../support/redis.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const broker = await startBroker(t, { loginHosts: [simulator.origins.myDomain] })
const { url, adminKey: key } = broker
const client = createClient({ url, key })
const app = simulator.addClientCredentialsApp()
await client.request('putIntegration', {
  path: { name: 'billing' },
  body: {
    login_url: app.loginUrl,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  },
  ifNoneMatch: '*',
})

const failure = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )

t.test('a token, with min_ttl, and another one instead of a rejected one', async (t) => {
  const token = await client.token('billing', { min_ttl: 60 })
  t.match(token, { integration: 'billing', instance_url: app.loginUrl, expires_in: Number })
  const still = await failure(client.token('billing', { rejected: token.token_id }))
  t.match(still, { code: 'token_still_live', status: 409 })
  t.equal((await client.token('billing')).token_id, token.token_id)
})

t.test('a problem is an error with its code and remedy', async (t) => {
  const wrong = simulator.addClientCredentialsApp()
  await client.request('putIntegration', {
    path: { name: 'wrong' },
    body: {
      login_url: wrong.loginUrl,
      grant: { type: 'client_credentials', client_id: wrong.clientId },
      credential: { client_secret: 'not-the-secret' },
    },
  })
  const refused = await failure(client.token('wrong'))
  t.ok(refused instanceof ProblemError)
  t.match(refused, {
    code: 'grant_refused',
    status: 503,
    retryAfterSeconds: Number,
    refusal: { reason: String, remedy: String },
    requestId: String,
    message: /^the broker answered 503 grant_refused: /,
  })
  const strange = await failure(createClient({ url, key: 'vk_strange' }).token('billing'))
  t.match(strange, { code: 'caller_unauthenticated' })
  t.notMatch(JSON.stringify([strange, String(strange)]), 'vk_strange')
  const budget = await failure(client.request('getIntegration', { path: { name: 'none' } }))
  t.match(budget, { code: 'integration_not_found', retryAfterSeconds: undefined })
})

t.test('an ETag guards a change', async (t) => {
  const path = { name: 'billing' }
  const { etag, body } = await client.request('getIntegration', { path })
  t.equal(body.keep_warm, false)
  const change = { path, body: { keep_warm: true } }
  const changed = await client.request('patchIntegration', { ...change, ifMatch: etag ?? '' })
  t.not(changed.etag, etag)
  const late = failure(
    client.request('patchIntegration', {
      ...change,
      body: { keep_warm: false },
      ifMatch: etag ?? '',
    }),
  )
  t.match(await late, { code: 'integration_changed' })
  t.match(await client.text('getSetup', 'text/markdown', path), /^# /)
  t.equal(
    (await client.request('deleteApiKey', { path: { id: 'abcdefgh' } }).catch((error) => error))
      .code,
    'api_key_not_found',
  )
})

t.test('the key may be a function that is asked each time', async (t) => {
  const keys = ['wrong', key]
  const changing = createClient({ url, key: async () => keys.shift() ?? '' })
  t.match(await failure(changing.token('billing')), { code: 'caller_unauthenticated' })
  t.equal((await changing.token('billing')).integration, 'billing')
})

async function answering(t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('what is no answer of the broker is an UnreachableError', async (t) => {
  const at = async (listener: RequestListener, timeoutMs = 5_000) => {
    const there = await answering(t, listener)
    return failure(createClient({ url: there, key, timeoutMs }).token('billing'))
  }
  const seen: string[] = []
  const elsewhere = await answering(t, (request, response) => {
    seen.push(request.headers.authorization ?? '')
    response.end('{}')
  })
  const errors = [
    await failure(
      createClient({ url: `http://127.0.0.1:${await freePort()}`, key }).token('billing'),
    ),
    await at((_, response) => response.writeHead(302, { location: elsewhere }).end()),
    await at((_, response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<p>')),
    await at((_, response) =>
      response.writeHead(500, { 'content-type': 'application/json' }).end('{'),
    ),
    await at((_, response) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end('{'),
    ),
    await at(() => undefined, 100),
  ]
  for (const error of errors) {
    t.ok(error instanceof UnreachableError, String(error))
    t.notMatch(String(error), key)
  }
  t.match(errors[0], { message: /cannot be reached at http:\/\/127\.0\.0\.1:\d+: ECONNREFUSED/ })
  t.match(errors[5], { message: /no answer in time/ })
  t.same(seen, [], 'the key follows no redirection')
  const controller = new AbortController()
  controller.abort(new Error('mine'))
  t.match(await failure(client.token('billing', { signal: controller.signal })), {
    message: 'mine',
  })
  for (const wrong of ['ftp://x', 'x', 'http://user:word@x', 'http://:word@x']) {
    t.throws(() => createClient({ url: wrong, key }), TypeError)
  }
})

t.test('an answer that stops in the middle', async (t) => {
  const there = await answering(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/markdown' }).write('# Half')
  })
  const hasty = createClient({ url: there, key, timeoutMs: 200 })
  const read = hasty.text('getSetup', 'text/markdown', { name: 'billing' })
  t.match(await failure(read), { name: 'UnreachableError', message: /no answer in time/ })
  const controller = new AbortController()
  const waiting = createClient({ url: there, key })
  const reading = failure(waiting.token('billing', { signal: controller.signal }))
  setImmediate(() => controller.abort(new Error('mine')))
  t.match(await reading, { message: 'mine' })
})

/** With its causes, as a log of the program would show it. */
const toldBy = (error: unknown): string =>
  error instanceof Error ? `${error.message}\n${toldBy(error.cause)}` : String(error)

t.test('no error has the key or a part of an answer', async (t) => {
  for (const wrong of ['vk_secret\nvk_other', 'vk_secret…', 'vk_secret other', '']) {
    const error = await failure(createClient({ url, key: wrong }).token('billing'))
    t.match(error, { name: 'TypeError', message: /^the key must be/ })
    t.notMatch(toldBy(error), 'vk_')
  }
  t.match(await createClient({ url, key: `${key}\n` }).token('billing'), {
    integration: 'billing',
  })
  const there = await answering(t, (_, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end('00Dsecret'),
  )
  const broken = await failure(createClient({ url: there, key }).token('billing'))
  t.match(broken, { name: 'UnreachableError', message: /broken body/ })
  t.notMatch(toldBy(broken), 'secret')
})

t.test('a name that would be the path of another operation is refused', async (t) => {
  for (const name of ['', '.', '..']) {
    const error = await failure(client.request('deleteIntegration', { path: { name } }))
    t.match(error, { name: 'TypeError', message: /^path\.name must not/ })
  }
})

t.test('a name is one segment of the path', async (t) => {
  const asked: string[] = []
  const there = await answering(t, (request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  await createClient({ url: `${there}/broker/`, key }).token('../whoami?x#y', { min_ttl: 5 })
  t.same(asked, ['/broker/tokens/..%2Fwhoami%3Fx%23y?min_ttl=5'])
})

t.test('what the document has in several places is one type', async (t) => {
  const folder = `${ROOT}src/client/api/`
  const text = readdirSync(folder)
    .map((name) => readFileSync(folder + name, 'utf8'))
    .join('\n')
  for (const once of ["'tokens:prove'", "'audit:read'", "'login.looped'", "'active'"]) {
    t.equal(text.split(once).length - 1, 1, once)
  }
  t.match(text, "readonly permissions: APIKey['permissions']\n")
  t.match(text, "readonly permission: APIKey['permissions'][number]\n")
  t.match(text, "asset?: Required<TokenExchange>['asset']\n")
  t.match(text, /interface NewAPIKey extends APIKey \{\n[^\n]*\n {2}readonly key: string\n\}/)
  t.match(text, 'type DeploymentRuleByItsFormerName = DeploymentRule\n')
})

t.test('it has every operation of openapi.yaml that programs use', async (t) => {
  const { paths } = parse(readFileSync(`${ROOT}openapi.yaml`, 'utf8')) as {
    paths: Record<string, Record<string, { operationId: string; tags: string[] }>>
  }
  const documented = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId, tags }]) => ({
      ...{ operationId, tags, route: [method.toUpperCase(), path] },
    })),
  )
  for (const [name, route] of Object.entries(OPERATIONS)) {
    t.same(documented.find(({ operationId }) => operationId === name)?.route, [...route], name)
  }
  const left = documented.filter(
    ({ operationId, tags }) => !(operationId in OPERATIONS) && !tags.includes('front-doors'),
  )
  t.same(left.map(({ operationId }) => operationId).toSorted(), [
    ...['finishConnection', 'getLiveness', 'getProblem', 'getSetupMetadata', 'listProblems'],
    ...['listSalesforceRefusals', 'passGateway', 'postOAuthToken', 'showStatus', 'signIn'],
    'signOut',
  ])
})
