import t, { type Test } from 'tap'
import type { NewAppSeed } from '../../simulator/handle.ts'
import { eventually } from '../support/eventually.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { credentialOf, key, type World, world } from './salesforce-world.ts'

const DAY_MS = 86_400_000
const SETTLE_MS = 60_000

interface Options {
  readonly app?: NewAppSeed
  readonly members?: Readonly<Record<string, unknown>>
  /** Default: the secret of the app. */
  readonly credential?: Readonly<Record<string, unknown>>
}

/** An integration with a refresh token that its user has just approved; with rotation unless the app says otherwise. */
async function connected(t: Test, { app: seed = {}, members = {}, credential }: Options = {}) {
  const salesforce = await world(t)
  const { simulator, broker } = salesforce
  const app = simulator.addRefreshTokenApp({ refreshTokenRotation: true, ...seed })
  const { refreshToken } = simulator.approve({ clientId: app.clientId })
  const body = {
    login_url: app.loginUrl,
    grant: { type: 'refresh_token', client_id: app.clientId },
    credential: { refresh_token: refreshToken, client_secret: app.clientSecret, ...credential },
    ...members,
  }
  const made = await broker.call('PUT', '/integrations/crm', { body })
  t.equal(made.status, 201, JSON.stringify(made.body))
  const token = (query = '') => broker.call('GET', `/tokens/crm${query}`)
  const status = async () => (await broker.call('GET', '/integrations/crm')).body.status
  const patch = (changes: object) =>
    broker.call('PATCH', '/integrations/crm', { body: changes, headers: { 'if-match': '*' } })
  return { ...salesforce, app, refreshToken, body, made, token, status, patch }
}

/** Every refresh token that was presented, oldest first. */
const presentedTo = ({ simulator }: Pick<World, 'simulator'>): string[] =>
  simulator.tokenRequests().map(({ form }) => String(form?.refresh_token))

/** Those that work, at Salesforce. */
const livingAt = ({ simulator }: Pick<World, 'simulator'>): string[] =>
  simulator.refreshTokens().flatMap(({ state, token }) => (state === 'current' ? [token] : []))

const eventsOf = (at: World, action: string) =>
  at.broker.audit().filter((event) => event.action === action)

t.test('serves tokens, and uses each refresh token once', async (t) => {
  const at = await connected(t)
  t.match(at.made.body, { refresh_token_idle_days: 30, status: { state: 'unproven' } })
  t.notMatch(JSON.stringify(at.made.body), at.refreshToken)
  const { status, body } = await at.token()
  t.equal(status, 200)
  t.match(body, { integration: 'crm', token_type: 'Bearer' })
  await lifeKnown(at.broker.call, 'crm')
  t.equal((await at.status()).lease.expiry_source, 'introspection')
  t.match(await at.status(), { state: 'ready', connection: { state: 'connected', reason: null } })
  for (let times = 0; times < 4; times += 1) {
    at.simulator.endSessions()
    const { token_id } = (await at.token()).body
    t.equal((await at.token(`?rejected=${token_id}`)).status, 200)
    await lifeKnown(at.broker.call, 'crm')
  }
  const presented = presentedTo(at)
  t.equal(presented.length, 5)
  t.equal(new Set(presented).size, 5, 'no refresh token was presented twice')
  t.equal(presented[0], at.refreshToken)
  const { items } = (await at.broker.call('GET', '/integrations/crm/credentials')).body
  t.match(items, [{ type: 'refresh_token', state: 'active', certificate: null }])
  t.equal(eventsOf(at, 'integration.connected').length, 1)
  for (const secret of presented) t.notMatch(at.broker.logs(), secret)
})

t.test('goes on with the same refresh token where it is not rotated', async (t) => {
  const at = await connected(t, { app: { refreshTokenRotation: false } })
  const { token_id } = (await at.token()).body
  await lifeKnown(at.broker.call, 'crm')
  at.simulator.endSessions()
  t.not((await at.token(`?rejected=${token_id}`)).body.token_id, token_id)
  t.same(presentedTo(at), [at.refreshToken, at.refreshToken])
})

t.test('works for an app that asks for no secret', async (t) => {
  const at = await connected(t, {
    app: { secretRequiredForRefresh: false },
    credential: { client_secret: undefined },
  })
  t.equal((await at.token()).status, 200)
  await eventually(async () => (await at.status()).lease.proof === 'live')
  t.match((await at.token()).body, { expiry_source: 'configured' })
  t.notOk(at.simulator.tokenRequests()[0]?.form?.client_secret)
})

t.test('proves the app with a key where it is told to', async (t) => {
  const at = await connected(t)
  const app = at.simulator.addRefreshTokenApp({
    certificatePem: key.certificate,
    refreshTokenRotation: true,
  })
  const { refreshToken } = at.simulator.approve({ clientId: app.clientId })
  const made = await at.broker.call('PUT', '/integrations/signed', {
    body: {
      login_url: app.loginUrl,
      grant: { type: 'refresh_token', client_id: app.clientId, client_auth: 'private_key_jwt' },
      credential: { ...credentialOf(key), refresh_token: refreshToken },
    },
  })
  t.equal(made.status, 201, JSON.stringify(made.body))
  const { status } = await at.broker.call('GET', '/tokens/signed?min_ttl=3600')
  t.equal(status, 200)
  const signed = await at.broker.call('GET', '/integrations/signed')
  t.equal(signed.body.status.lease.expiry_source, 'introspection')
  const form = at.simulator.tokenRequests().at(-1)?.form
  t.match(form, { refresh_token: refreshToken, client_assertion: /^eyJ/ })
  t.notOk(form?.client_secret)
})

t.test('takes the same definition again without a word', async (t) => {
  const at = await connected(t)
  await at.token()
  const again = await at.broker.call('PUT', '/integrations/crm', { body: at.body })
  t.equal(again.status, 200)
  t.equal(again.headers.get('etag'), at.made.headers.get('etag'))
  await lifeKnown(at.broker.call, 'crm')
  at.simulator.endSessions()
  const { token_id } = (await at.token()).body
  t.equal((await at.token(`?rejected=${token_id}`)).status, 200, 'with the successor')
  // The same refresh token beside a new secret is still no reason to present it again.
  const rotated = at.simulator.stageCredentials(at.app.clientId)
  at.simulator.rotateCredentials(at.app.clientId)
  const { clientSecret } = rotated
  const credential = { refresh_token: at.refreshToken, client_secret: clientSecret }
  t.equal((await at.patch({ credential })).status, 200)
  await lifeKnown(at.broker.call, 'crm')
  at.simulator.endSessions()
  const former = (await at.token()).body.token_id
  t.equal((await at.token(`?rejected=${former}`)).status, 200)
  const presented = presentedTo(at)
  t.equal(new Set(presented).size, presented.length)
})

t.test('connects anew with another refresh token, and revokes the former', async (t) => {
  const at = await connected(t)
  const first = (await at.token()).body
  const [former] = livingAt(at)
  t.not(former, at.refreshToken, 'a successor')
  const { refreshToken } = at.simulator.approve({ clientId: at.app.clientId })
  const credential = { refresh_token: refreshToken, client_secret: at.app.clientSecret }
  t.equal((await at.patch({ credential })).status, 200)
  const second = (await at.token()).body
  t.not(second.token_id, first.token_id)
  t.equal(presentedTo(at).at(-1), refreshToken)
  await eventually(() => livingAt(at).length === 1)
  t.notOk(livingAt(at).includes(former ?? ''), 'the former is revoked')
  t.equal(at.simulator.sessions().length, 1, 'and so are its access tokens')
  const { items } = (await at.broker.call('GET', '/integrations/crm/credentials')).body
  t.same(
    items.map(({ state }: { state: string }) => state),
    ['active', 'retired'],
  )
})

t.test('revokes the refresh token of an integration that is deleted', async (t) => {
  const at = await connected(t)
  await at.token()
  t.equal(livingAt(at).length, 1)
  const headers = { 'if-match': '*' }
  t.equal((await at.broker.call('DELETE', '/integrations/crm', { headers })).status, 204)
  t.same(livingAt(at), [])
  t.equal(at.simulator.sessions().length, 0)
  t.equal(eventsOf(at, 'integration.disconnected').length, 1)
})

t.test(
  'forgets the refresh token first where Salesforce is away, and revokes it later',
  async (t) => {
    const at = await connected(t)
    await at.token()
    at.simulator.addFault({ kind: 'html', status: 503, endpoint: 'revoke' })
    const headers = { 'if-match': '*' }
    t.equal((await at.broker.call('DELETE', '/integrations/crm', { headers })).status, 204)
    t.equal(livingAt(at).length, 1)
    at.pass(SETTLE_MS)
    await eventually(() => livingAt(at).length === 0)
  },
)

t.test('leaves no approval behind where the grant is changed', async (t) => {
  const at = await connected(t)
  await at.token()
  const app = at.simulator.addClientCredentialsApp()
  const grant = { type: 'client_credentials', client_id: app.clientId }
  const credential = { client_secret: app.clientSecret }
  t.equal((await at.patch({ grant, credential })).status, 200)
  t.same(livingAt(at), [])
  t.equal((await at.token()).status, 200)
})

t.test('says within a minute that an answer was lost, and how to go on', async (t) => {
  const at = await connected(t)
  at.simulator.addFault({ kind: 'reset', afterCommit: true })
  const lost = await at.token()
  t.equal(lost.status, 503)
  t.equal(lost.body.code, 'salesforce_unavailable')
  t.match(await at.status(), { connection: { state: 'unsettled' } })
  const waiting = await at.token()
  t.equal(waiting.status, 503)
  t.equal(presentedTo(at).length, 1, 'it is not presented again')
  at.pass(SETTLE_MS)
  await eventually(async () => (await at.status()).state === 'not_connected')
  t.match(await at.status(), { connection: { state: 'not_connected', reason: 'answer_lost' } })
  const refused = await at.token()
  t.equal(refused.status, 409)
  t.match(refused.body, {
    code: 'integration_not_connected',
    reason: 'answer_lost',
    detail: /POST \/integrations\/crm\/connections/,
  })
  for (let times = 0; times < 5; times += 1) await at.token()
  await eventually(() => eventsOf(at, 'integration.not_connected').length > 0)
  t.same(
    eventsOf(at, 'integration.not_connected').map(({ detail }) => detail),
    [{ reason: 'answer_lost' }],
  )
  t.equal(presentedTo(at).length, 1)
  const { refreshToken } = at.simulator.approve({ clientId: at.app.clientId })
  const credential = { refresh_token: refreshToken, client_secret: at.app.clientSecret }
  t.equal((await at.patch({ credential })).body.status.state, 'unproven')
  t.equal((await at.token()).status, 200, 'at once')
})

t.test('goes on with a refresh token that outlived a lost request', async (t) => {
  const at = await connected(t)
  at.simulator.addFault({ kind: 'reset' })
  t.equal((await at.token()).status, 503)
  at.pass(SETTLE_MS)
  await eventually(async () => (await at.token()).status === 200)
  t.same(presentedTo(at), [at.refreshToken, at.refreshToken], 'Salesforce said that it lives')
  const asked = at.simulator.log.filter(({ endpoint }) => endpoint === 'introspect')
  t.equal(asked[0]?.form?.token_type_hint, 'refresh_token')
})

t.test('keeps the lease while it is unsettled', async (t) => {
  const at = await connected(t)
  const { token_id } = (await at.token()).body
  at.simulator.addFault({ kind: 'html', status: 503, afterCommit: true })
  const rejected = await at.token(`?rejected=${token_id}`)
  t.equal(rejected.status, 503)
  t.equal((await at.token()).status, 200, 'the lease that is good serves')
  at.pass(SETTLE_MS)
  await eventually(async () => (await at.status()).state === 'not_connected')
  t.equal((await at.token()).body.token_id, token_id, 'even then, until its end')
})

t.test('waits where Salesforce is at it already', async (t) => {
  const at = await connected(t)
  at.simulator.refuseNext('already_processing')
  const waiting = await at.token()
  t.equal(waiting.status, 503)
  t.ok(Number(waiting.headers.get('retry-after')) > 30)
  at.pass(SETTLE_MS)
  await eventually(async () => (await at.token()).status === 200)
})

t.test('gives up a refresh token that Salesforce calls expired, with one event', async (t) => {
  const at = await connected(t, { app: { refreshTokenIdleMs: DAY_MS } })
  await at.broker.call('GET', '/tokens/crm')
  at.pass(2 * DAY_MS)
  const all = await Promise.all(Array.from({ length: 10 }, () => at.token()))
  for (const { status, body } of all) {
    t.equal(status, 409)
    t.match(body, { code: 'integration_not_connected', reason: 'refresh_token_refused' })
  }
  t.equal(presentedTo(at).length, 2)
  await eventually(() => eventsOf(at, 'integration.not_connected').length > 0)
  t.equal(eventsOf(at, 'integration.not_connected').length, 1)
  t.same(eventsOf(at, 'token.refused'), [])
  t.match(await at.status(), {
    state: 'not_connected',
    connection: { reason: 'refresh_token_refused' },
  })
  const list = await at.broker.call('GET', '/integrations?state=not_connected')
  t.equal(list.body.items.length, 1)
})

t.test('does not give up a refresh token because of a wrong secret', async (t) => {
  const at = await connected(t, { credential: { client_secret: 'wrong' } })
  const refused = await at.token()
  t.match(refused.body, {
    code: 'grant_refused',
    refusal: { reason: 'client_credentials_invalid' },
  })
  t.match(await at.status(), { connection: { state: 'connected' } })
  const credential = { client_secret: at.app.clientSecret }
  t.equal((await at.patch({ credential })).status, 200)
  t.equal((await at.token()).status, 200)
  t.same(presentedTo(at), [at.refreshToken, at.refreshToken])
})

t.test('uses an idle refresh token before its limit, whoever asks', async (t) => {
  const at = await connected(t, {
    app: { refreshTokenIdleMs: 10 * DAY_MS },
    members: { refresh_token_idle_days: 10 },
  })
  await at.token()
  for (const times of [2, 3]) {
    at.pass(7.5 * DAY_MS)
    await eventually(() => eventsOf(at, 'token.minted').length === times)
  }
  t.equal((await at.token()).status, 200)
  t.equal(new Set(presentedTo(at)).size, presentedTo(at).length)
})

t.test('sends a refresh token nowhere but where it was given for', async (t) => {
  const at = await connected(t)
  await at.token()
  const moved = await at.patch({ login_url: at.simulator.origins.login })
  t.equal(moved.body.code, 'credential_required')
  const credential = { client_secret: at.app.clientSecret }
  t.equal((await at.patch({ login_url: at.simulator.origins.login, credential })).status, 200)
  const refused = await at.token()
  t.match(refused.body, { code: 'integration_not_connected', reason: 'other_client' })
  t.equal(presentedTo(at).length, 1)
  t.equal((await at.patch({ login_url: at.app.loginUrl, credential })).status, 200)
  t.equal((await at.token()).status, 200)
})

t.test('proves a staged refresh token without using it', async (t) => {
  const at = await connected(t)
  await at.token()
  const { refreshToken } = at.simulator.approve({ clientId: at.app.clientId })
  const stage = (token: string) =>
    at.broker.call('POST', '/integrations/crm/credentials', {
      body: { refresh_token: token, client_secret: at.app.clientSecret },
    })
  const activate = (id: string) =>
    at.broker.call('POST', `/integrations/crm/credentials/${id}/activate`)
  const dead = await stage('5Aep861nothing')
  t.match((await activate(dead.body.id)).body, {
    code: 'credential_rejected',
    refusal: { reason: 'refresh_token_expired' },
  })
  await at.broker.call('DELETE', `/integrations/crm/credentials/${dead.body.id}`)
  const staged = await stage(refreshToken)
  t.match(staged.body, { type: 'refresh_token', state: 'staged' })
  t.equal((await activate(staged.body.id)).status, 200)
  t.notOk(presentedTo(at).includes(refreshToken), 'it was asked about, and not used')
  t.equal((await at.token()).status, 200)
  t.equal(presentedTo(at).at(-1), refreshToken)
})

t.test('refuses what goes not together', async (t) => {
  const at = await connected(t)
  const cases: [object, string][] = [
    [{ credential: { refresh_token: 'a b' } }, 'credential_invalid'],
    [{ credential: { refresh_token: '' } }, 'credential_invalid'],
    [{ credential: { refresh_token: 'x', generate: {} } }, 'request_invalid'],
    [{ credential: { refresh_token: 'x', from: 'other' } }, 'request_invalid'],
    [{ credential: {} }, 'request_invalid'],
    [{ refresh_token_idle_days: 0 }, 'request_invalid'],
    [
      { grant: { type: 'client_credentials' }, credential: { refresh_token: 'x' } },
      'credential_invalid',
    ],
  ]
  for (const [changes, code] of cases) {
    t.equal((await at.patch(changes)).body.code, code, JSON.stringify(changes))
  }
})
