import { request } from 'node:http'
import t from 'tap'
import {
  accessToken,
  get,
  introspect,
  mintBySecret,
  post,
  revoke,
  simulatorFor,
  useToken,
} from './requester.ts'

const simulator = await simulatorFor(t)
const { origins, acme } = simulator
const app = simulator.addClientCredentialsApp()
const userId = simulator.users()[0]?.id
const mint = async () => accessToken(await mintBySecret(app))

t.test('answers the REST API to a live token, on its own My Domain alone', async (t) => {
  const token = await mint()
  const { status, members } = await get(origins.myDomain, '/services/data/v66.0/', token)
  t.equal(status, 200)
  t.match(members, { limits: '/services/data/v66.0/limits' })
  const elsewhere = await get(origins.sandbox, '/services/data/v66.0/', token)
  t.equal(elsewhere.status, 401)
  t.same(JSON.parse(elsewhere.text), [
    { message: 'Session expired or invalid', errorCode: 'INVALID_SESSION_ID' },
  ])
  for (const origin of [origins.login, origins.test]) {
    const answer = await get(origin, '/services/data/v66.0/', token)
    t.match([answer.status, JSON.parse(answer.text)], [400, [{ errorCode: 'URL_NOT_RESET' }]])
  }
})

t.test('gives the limits to those who may view Setup, and to nobody else', async (t) => {
  const token = await mint()
  const limits = () => get(origins.myDomain, '/services/data/v66.0/limits', token)
  const refused = await limits()
  t.match([refused.status, JSON.parse(refused.text)], [403, [{ errorCode: 'FORBIDDEN' }]])
  const { permissions = [] } = simulator.users()[0] ?? {}
  simulator.updateUser(app.username, { permissions: [...permissions, 'ViewSetup'] })
  t.match((await limits()).members, { DailyApiRequests: { Max: Number } })
  simulator.updateUser(app.username, { permissions })
})

t.test('takes the parameters of a login from the query, as Salesforce does', async (t) => {
  const parameters = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: app.clientId,
    client_secret: app.clientSecret,
  })
  const login = `${origins.myDomain}/services/oauth2/token?${parameters}`
  const answer = await fetch(login, { method: 'POST' })
  t.equal(answer.status, 200)
  const { access_token: token } = (await answer.json()) as { access_token: string }
  const revoke = `${origins.myDomain}/services/oauth2/revoke?token=${encodeURIComponent(token)}`
  t.equal((await fetch(revoke, { method: 'POST' })).status, 200)
  t.equal((await get(origins.myDomain, '/services/data/v66.0/', token)).status, 401)
})

t.test('answers a query as a client of a person needs it', async (t) => {
  const token = await mint()
  const ask = (query: string) => get(origins.myDomain, `/services/data/v66.0/query?${query}`, token)
  const columns = await ask('q=SELECT+Id,+Name+FROM+Organization&columns=true')
  t.match(columns.members, { columnMetadata: [{ columnName: 'Id' }, { columnName: 'Name' }] })
  const records = await ask('q=SELECT+Id+FROM+Organization')
  const url = `/services/data/v66.0/sobjects/Organization/${acme.id}`
  t.match(records.members, { records: [{ attributes: { type: 'Organization', url } }] })
  const devHub = await ask('q=SELECT+Id+FROM+ScratchOrgInfo+limit+1')
  t.match([devHub.status, JSON.parse(devHub.text)], [400, [{ errorCode: 'INVALID_TYPE' }]])
})

t.test('refuses the REST API as the org and the user have it', async (t) => {
  const token = await mint()
  const refused = async () => {
    const { status, text } = await get(origins.myDomain, '/services/data/v66.0/', token)
    const [error] = status === 200 ? [] : JSON.parse(text)
    return error === undefined ? status : `${status} ${error.errorCode}`
  }
  simulator.updateOrg(acme.id, { apiEnabled: false })
  t.equal(await refused(), '403 API_DISABLED_FOR_ORG')
  simulator.updateOrg(acme.id, { apiEnabled: true, apiCallsUsedUp: true })
  t.equal(await refused(), '403 REQUEST_LIMIT_EXCEEDED')
  simulator.updateOrg(acme.id, { apiCallsUsedUp: false })
  const { permissions = [] } = simulator.users()[0] ?? {}
  simulator.updateUser(app.username, { permissions: [] })
  t.equal(await refused(), '403 API_DISABLED_FOR_ORG')
  simulator.configure({ apiOffForUser: 'api_off_for_user' })
  t.equal(await refused(), '403 API_CURRENTLY_DISABLED')
  simulator.updateUser(app.username, { permissions })
  t.equal(await refused(), 200)
  const old = await get(origins.myDomain, '/services/data/v30.0/', token)
  t.equal(old.status, 410)
})

t.test(
  'locks a session to the address that it was made from, where the org wants that',
  async (t) => {
    const token = await mint()
    const from = async (localAddress: string) => statusFrom(localAddress, token)
    t.same([await from('127.0.0.1'), await from('127.0.0.9')], [200, 200])
    simulator.updateOrg(acme.id, { locksSessionsToIp: true })
    t.same([await from('127.0.0.1'), await from('127.0.0.9')], [200, 401])
    simulator.updateOrg(acme.id, { locksSessionsToIp: false })
  },
)

/** From another address of this machine. */
function statusFrom(localAddress: string, token: string): Promise<number | undefined> {
  const headers = { authorization: `Bearer ${token}` }
  return new Promise((resolve, reject) => {
    request(`${origins.myDomain}/services/data/v66.0/`, { localAddress, headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
  })
}

t.test('lists its API versions to anybody, and the rest to nobody without a token', async (t) => {
  t.match(JSON.parse((await get(origins.myDomain, '/services/data/')).text), [{ version: '63.0' }])
  const without = await get(origins.myDomain, '/services/data/v66.0/')
  t.equal(without.status, 401)
  t.match(JSON.parse(without.text), [{ errorCode: 'INVALID_AUTH_HEADER' }])
})

t.test('refuses the REST API to live tokens that may not use it', async (t) => {
  const scopeless = simulator.addClientCredentialsApp({ scopes: ['id'] })
  const barred = simulator.addClientCredentialsApp({ restApiAllowed: false })
  for (const one of [scopeless, barred]) {
    const token = accessToken(await mintBySecret(one))
    const answer = await get(origins.myDomain, '/services/data/v66.0/', token)
    t.equal(answer.status, 401)
    t.same(JSON.parse(answer.text), [
      {
        message: 'This session is not valid for use with the REST API',
        errorCode: 'INVALID_SESSION_ID',
      },
    ])
    t.match((await introspect(one, token)).members, { active: true })
  }
})

t.test('introspects a token for the app that it was issued to', async (t) => {
  const token = await mint()
  const { status, members } = await introspect(app, token)
  t.equal(status, 200)
  const { exp, iat, nbf, ...others } = members
  t.same(others, {
    active: true,
    scope: 'api',
    client_id: app.clientId,
    username: app.username,
    sub: `${origins.login}/id/${acme.id}/${userId}`,
    token_type: 'access_token',
  })
  t.equal(iat, nbf)
  t.ok(Number(exp) - Number(iat) >= 7_200)
})

t.test("introspects another app's token only for an app that may", async (t) => {
  const token = await mint()
  const curious = simulator.addClientCredentialsApp()
  t.same((await introspect(curious, token)).members, { active: false })
  simulator.updateApp(curious.clientId, { introspectAllTokens: true })
  t.match((await introspect(curious, token)).members, { active: true, client_id: app.clientId })
})

t.test('answers introspection without client authentication with 401', async (t) => {
  const token = await mint()
  for (const form of [{ token }, { token, client_id: app.clientId, client_secret: 'wrong' }]) {
    const answer = await post(origins.myDomain, '/services/oauth2/introspect', form)
    t.equal(answer.status, 401)
    t.match(answer.members, { error: /^invalid_client/ })
  }
})

t.test('revokes a token for everybody who holds it', async (t) => {
  const token = await mint()
  const answer = await revoke(origins.login, token)
  t.equal(answer.status, 200)
  t.equal(answer.text, '')
  t.equal(await useToken(origins.myDomain, token), 401)
  t.same((await introspect(app, token)).members, { active: false })
  t.not(await mint(), token)
})

t.test(
  'answers a revocation that fails with 400, form-encoded unless JSON is asked for',
  async (t) => {
    const answer = await revoke(origins.login, '00Dunknown')
    t.equal(answer.status, 400)
    t.equal(new URLSearchParams(answer.text).get('error'), 'invalid_token')
    const hinted = await revoke(origins.login, await mint(), { token_type_hint: 'id_token' })
    t.equal(new URLSearchParams(hinted.text).get('error'), 'unsupported_token_type')
    const json = await post(
      origins.login,
      '/services/oauth2/revoke',
      { token: '00Dunknown' },
      { accept: 'application/json' },
    )
    t.match(json.members, { error: 'invalid_token' })
  },
)

t.test('revokes by GET too, with a callback where one is named', async (t) => {
  const token = await mint()
  const path = `/services/oauth2/revoke?token=${encodeURIComponent(token)}&callback=done`
  t.equal((await get(origins.login, path)).text, 'done({})')
  t.equal((await get(origins.login, path)).text, 'done({"error":"invalid_token"})')
  t.equal(await useToken(origins.myDomain, token), 401)
})

t.test('says who a token is', async (t) => {
  const token = await mint()
  const userinfo = await get(origins.login, '/services/oauth2/userinfo', token)
  t.match(userinfo.members, { user_id: userId, organization_id: acme.id })
  const identity = await get(origins.login, `/id/${acme.id}/${userId}`, token)
  t.match(identity.members, { username: app.username, organization_id: acme.id })

  const bad = await get(origins.login, '/services/oauth2/userinfo', '00Dbad')
  t.equal(bad.status, 403)
  t.equal(bad.text, 'Bad_OAuth_Token')
  const other = await get(origins.login, `/id/${acme.id}/005other`, token)
  t.equal(other.status, 404)
  t.equal(other.text, 'Bad_Id')
})

t.test('publishes endpoints of the host that was asked', async (t) => {
  for (const origin of [origins.login, origins.test, origins.myDomain, origins.sandbox]) {
    const { members } = await get(origin, '/.well-known/openid-configuration')
    t.equal(members.issuer, origin)
    t.equal(members.token_endpoint, `${origin}/services/oauth2/token`)
  }
})

t.test('answers an unknown path with a page', async (t) => {
  const { status, headers } = await get(origins.login, '/nowhere')
  t.equal(status, 404)
  t.match(headers.get('content-type'), 'text/html')
})

t.test('logs what it received and how it answered', async (t) => {
  simulator.clear()
  await mintBySecret(app)
  await mintBySecret(app, { scope: 'api' })
  await useToken(origins.myDomain, '00Dbad')
  const [granted, refused] = simulator.tokenRequests()
  t.match(granted, {
    method: 'POST',
    host: origins.myDomain.slice('http://'.length),
    path: '/services/oauth2/token',
    query: {},
    headers: { 'content-type': /^application\/x-www-form-urlencoded/ },
    form: { grant_type: 'client_credentials', client_id: app.clientId },
    clientId: app.clientId,
    orgId: acme.id,
    username: app.username,
    outcome: { handled: true, status: 200, error: null, faults: [] },
  })
  t.match(refused, {
    outcome: { status: 400, error: 'invalid_request', errorDescription: /^scope parameter/ },
  })
  t.equal(simulator.log.length, 3)
  t.same(simulator.counters(), {
    requests: { token: 2, rest: 1 },
    tokenRequests: { client_credentials: { issued: 1, invalid_request: 1 } },
  })
  simulator.clear()
  t.same(simulator.log, [])
})
