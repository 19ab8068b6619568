import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import t from 'tap'
import type { AppSeed } from '../../simulator/handle.ts'
import {
  accessToken,
  get,
  mintByAssertion,
  mintBySecret,
  newSigningKey,
  type Reply,
  reply,
  useToken,
} from './requester.ts'

const started = await startCommand()
const { myDomain, login } = started.origins
t.teardown(async () => {
  started.child.kill('SIGKILL')
})

interface Command {
  readonly child: ChildProcess
  readonly origins: { readonly myDomain: string; readonly login: string }
  readonly firstLine: Record<string, unknown>
}

/** The simulator as `npm run simulator` starts it, on a free port. */
async function startCommand(): Promise<Command> {
  const child = spawn(process.execPath, ['simulator/main.ts', '--port', '0', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  const [line] = (await once(lines, 'line')) as [string]
  const firstLine = JSON.parse(line) as Record<string, unknown> & Pick<Command, 'origins'>
  return { child, origins: firstLine.origins, firstLine }
}

async function control(method: string, path: string, body?: object): Promise<Reply> {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) }
  return reply(await fetch(`${myDomain}/__simulator${path}`, init))
}

/** An app as the control API describes it, for the requests that tests share. */
function seedOf({ members }: Reply): AppSeed {
  return {
    clientId: String(members.client_id),
    clientSecret: String(members.client_secret),
    name: String(members.name),
    apiName: String(members.api_name),
    orgId: String(members.org_id),
    username: String(members.username),
    loginUrl: String(members.login_url),
    audience: String(members.audience),
  }
}

t.test('says what it seeded, and answers for it', async (t) => {
  const [app] = started.firstLine.apps as AppSeed[]
  t.ok(app)
  if (app !== undefined) t.equal((await mintBySecret(app)).status, 200)
  const { members } = await control('GET', '')
  t.match(members, { origins: { my_domain: myDomain, login }, orgs: [{ my_domain: 'acme' }, {}] })
})

t.test('makes orgs, users and apps', async (t) => {
  const key = await newSigningKey()
  const org = (await control('POST', '/orgs', { my_domain: 'globex' })).members
  t.match(org, { id: /^00D\w{15}$/, kind: 'production', address: '127.0.0.5' })
  const user = { username: 'etl@globex.com', org_id: org.id }
  t.match((await control('POST', '/users', user)).members, { id: /^005\w{15}$/ })
  const jwt = seedOf(
    await control('POST', '/apps/jwt-bearer', {
      certificate_pem: key.certificatePem,
      org_id: org.id,
    }),
  )
  t.equal(jwt.username, 'etl@globex.com')
  const answer = await mintByAssertion(jwt, key, {}, login)
  t.equal(answer.members.instance_url, jwt.loginUrl)
  t.equal(await useToken(jwt.loginUrl, accessToken(answer)), 200)

  await control('PATCH', `/users/${user.username}`, { state: 'inactive' })
  t.match((await mintByAssertion(jwt, key)).members, { error_description: 'inactive user' })
})

t.test('changes an app, stages and rotates its credentials', async (t) => {
  const app = seedOf(await control('POST', '/apps/client-credentials'))
  await control('PATCH', `/apps/${app.clientId}`, { client_credentials_flow: false })
  t.match((await mintBySecret(app)).members, {
    error_description: 'client credentials flow not enabled',
  })
  await control('PATCH', `/apps/${app.clientId}`, { client_credentials_flow: true })
  const staged = await control('POST', `/apps/${app.clientId}/stage`)
  const next = { ...app, clientSecret: String(staged.members.client_secret) }
  t.equal((await mintBySecret(next)).status, 400)
  await control('POST', `/apps/${app.clientId}/rotate`)
  t.equal((await mintBySecret(next)).status, 200)
})

t.test('moves the clock, ends sessions, sets knobs', async (t) => {
  const app = seedOf(await control('POST', '/apps/client-credentials'))
  const token = accessToken(await mintBySecret(app))
  const before = Number((await control('GET', '/clock')).members.now)
  const { now } = (await control('POST', '/clock', { ms: 7_200_001 })).members
  t.ok(Number(now) >= before + 7_200_001)
  t.equal(await useToken(myDomain, token), 401)

  const fresh = accessToken(await mintBySecret(app))
  t.same((await control('POST', '/sessions/end', { token: fresh })).members, { ended: 1 })
  t.equal(await useToken(myDomain, fresh), 401)

  await control('PATCH', '/settings', { expires_in: 60 })
  t.equal((await mintBySecret(app)).members.expires_in, 60)
  await control('PATCH', '/settings', { expires_in: 'absent' })
})

t.test('approves an app for a user', async (t) => {
  const app = seedOf(await control('POST', '/apps/refresh-token'))
  const { members } = await control('POST', '/approvals', { client_id: app.clientId })
  t.match(members.refresh_token, /^5Aep861/)
})

t.test('orders, shows and removes faults', async (t) => {
  const app = seedOf(await control('POST', '/apps/client-credentials'))
  const rule = { kind: 'members', set: { expires_in: -1 }, client_id: app.clientId, times: null }
  const { id } = (await control('POST', '/faults', rule)).members
  t.equal((await mintBySecret(app)).members.expires_in, -1)
  t.same((await control('GET', `/faults/${id}`)).members, { id, hits: 1, holding: 0 })
  t.match(JSON.parse((await control('GET', '/faults')).text), [rule])
  await control('DELETE', `/faults/${id}`)
  t.notOk('expires_in' in (await mintBySecret(app)).members)
})

t.test('shows its log, counters and Login History, and forgets them', async (t) => {
  const app = seedOf(await control('POST', '/apps/client-credentials'))
  await control('DELETE', '/log')
  await mintBySecret(app)
  t.match(JSON.parse((await control('GET', '/log')).text), [
    { endpoint: 'token', client_id: app.clientId, form: { client_id: app.clientId } },
  ])
  t.same((await control('GET', '/counters')).members, {
    requests: { token: 1 },
    token_requests: { client_credentials: { issued: 1 } },
  })
  t.match(JSON.parse((await control('GET', '/login-history')).text), [{ status: 'Success' }])
  await control('DELETE', '/log')
  t.same(JSON.parse((await control('GET', '/token-requests')).text), [])
})

t.test('refuses what it does not understand', async (t) => {
  const wrong: readonly [string, string, object?][] = [
    ['PATCH', '/settings', { expire_in: 60 }],
    ['PATCH', '/apps/3MVG9unknown', { blocked: true }],
    ['POST', '/faults', { kind: 'gremlins' }],
    ['POST', '/faults', { kind: 'refusal', refusal: 'no_way' }],
    ['POST', '/apps/jwt-bearer', { certificate_pem: 'acme' }],
    ['POST', '/clock', { seconds: 1 }],
  ]
  for (const [method, path, body] of wrong) {
    const answer = await control(method, path, body)
    t.equal(answer.status, 400, `${method} ${path}`)
    t.ok(answer.members.message)
  }
  t.equal((await control('GET', '/nothing')).status, 404)
})

t.test('stops at SIGTERM', async (t) => {
  const exited = once(started.child, 'exit')
  started.child.kill('SIGTERM')
  t.same(await exited, [0, null])
  await t.rejects(get(myDomain, '/services/data/'))
})
