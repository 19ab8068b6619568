/** What one integration may do with another: sign with its credential, exchange its token, deploy through it, and be named beside it. */
import t, { type Test } from 'tap'
import { eventually } from '../support/eventually.ts'
import { guarded } from './guarded-world.ts'
import { clientCredentials, credentialOf, jwtBearer, key as pair } from './salesforce-world.ts'

const ANY = { 'if-match': '*' }
const WRITER = ['integrations:write', 'integrations:read', 'tokens:read'] as const
const FORBIDDEN = { status: 403, body: { code: 'caller_forbidden' } }

/** `crm` has a key of its own; `mine` is what a caller may write. */
async function lending(t: Test) {
  const salesforce = await guarded(t)
  const { simulator, broker, put, keyFor } = salesforce
  const { app, body } = await put('crm', jwtBearer)
  simulator.addUser({ username: 'boss@acme.example' })
  const follower = (username: string, members: object = {}) => ({
    ...{ login_url: body.login_url, credential: { from: 'crm' }, ...members },
    grant: { ...(body.grant as object), username },
  })
  const write = (key: string, name: string, wanted: object, headers: object = ANY) =>
    broker.call('PUT', `/integrations/${name}`, { key, body: wanted, headers: { ...headers } })
  const patch = (name: string, changes: object, key = broker.adminKey) =>
    broker.call('PATCH', `/integrations/${name}`, { key, body: changes, headers: ANY })
  const reader = await keyFor('reader', [...WRITER], ['mine', 'crm'])
  const writer = await keyFor('writer', [...WRITER], ['mine'])
  await broker.call('POST', '/api-keys', {
    body: { name: 'unused', permissions: ['audit:read'], integrations: ['*'] },
  })
  const lender = (
    await broker.call('POST', '/api-keys', {
      body: {
        ...{ name: 'lender', permissions: [...WRITER, 'credentials:write'] },
        integrations: ['mine', 'crm'],
      },
    })
  ).body.key as string
  return { ...salesforce, app, follower, write, patch, reader, writer, lender }
}

t.test('a credential is lent by those who may write it, and its audit says to whom', async (t) => {
  const { broker, follower, app, write, patch, reader, lender } = await lending(t)
  const first = { 'if-none-match': '*' }
  t.match(await write(reader, 'mine', follower(app.username), first), FORBIDDEN)
  t.equal((await write(lender, 'mine', follower(app.username), first)).status, 201)
  const lent = () => broker.audit().filter(({ action }) => action === 'credential.lent')
  const line = { principal: 'api-key:lender', integration: 'crm', detail: { to: 'mine' } }
  t.match(lent(), [line])

  t.equal((await patch('mine', { description: 'mine' }, reader)).status, 200, 'what is lent stays')
  const boss = { grant: { username: 'boss@acme.example' } }
  t.match(await patch('mine', boss, reader), FORBIDDEN, 'but for no other user')
  t.match(await write(reader, 'mine', follower('boss@acme.example')), FORBIDDEN)
  t.equal(lent().length, 1)
  t.equal((await patch('mine', boss, lender)).status, 200)
  t.match(lent(), [line, line])
})

t.test('an owner shows who signs with its credential, to those who may see them', async (t) => {
  const { broker, follower, app, keyFor, write } = await lending(t)
  for (const name of ['mine', 'theirs']) {
    await write(broker.adminKey, name, follower(app.username), { 'if-none-match': '*' })
  }
  for (const name of ['crm', 'mine', 'theirs']) await broker.call('GET', `/tokens/${name}`)
  const status = async (key: string) =>
    (await broker.call('GET', '/integrations/crm', { key })).body.status
  const both = ['mine', 'theirs']
  t.match(await status(broker.adminKey), { lent_to: both, shares_token_with: both })
  const one = await keyFor('one', ['integrations:read', 'integrations:write'], ['crm', 'mine'])
  t.match(await status(one), { lent_to: ['mine'], shares_token_with: ['mine'] })
  const { body } = await broker.call('GET', '/integrations', { key: one })
  t.same(body.items[0].status.shares_token_with, ['mine'])
  const kept = await broker.call('DELETE', '/integrations/crm', { key: one, headers: ANY })
  t.match(kept, { status: 409, body: { code: 'credential_state', detail: /mine/ } })
  await broker.call('DELETE', '/integrations/mine', { headers: ANY })
  const still = await broker.call('DELETE', '/integrations/crm', { key: one, headers: ANY })
  t.match(still, { status: 409, body: { code: 'credential_state' } })
  t.notMatch(JSON.stringify(still.body), /theirs/)
})

t.test('a write is not answered with what its writer may not see', async (t) => {
  const { broker, keyFor, put } = await lending(t)
  await put('mine', clientCredentials)
  const key = await keyFor('blind', ['integrations:write'], ['mine'])
  const { status, body } = await broker.call('PATCH', '/integrations/mine', {
    ...{ key, headers: ANY, body: { description: 'seen by nobody' } },
  })
  t.equal(status, 200)
  t.same(Object.keys(body).sort(), ['created_at', 'managed_by', 'name', 'updated_at'])
})

t.test('a follower of the same user does not serve what its owner keeps inside', async (t) => {
  const { broker, follower, app, write, patch } = await lending(t)
  const admin = broker.adminKey
  const create = { 'if-none-match': '*' }
  await write(admin, 'mine', follower(app.username), create)
  const token = () => broker.call('GET', '/tokens/mine')
  t.equal((await token()).status, 200)

  t.equal((await patch('crm', { serve_tokens: false })).status, 200)
  t.match(await token(), FORBIDDEN, 'also one that was there before, at once')
  const shout = follower(String(app.username).toUpperCase())
  for (const wanted of [follower(app.username), shout]) {
    const refused = await write(admin, 'again', wanted, create)
    t.match(refused, { status: 400, body: { code: 'request_invalid', detail: /serve_tokens/ } })
  }
  await broker.call('DELETE', '/integrations/mine', { headers: ANY })
  t.equal((await write(admin, 'again', { ...shout, serve_tokens: false }, create)).status, 201)
  t.equal((await patch('again', { serve_tokens: true })).status, 400)
  t.match(await broker.call('GET', '/tokens/again'), FORBIDDEN)
  t.equal((await patch('crm', { serve_tokens: true })).status, 200)
  t.match(
    await write(admin, 'mine', follower(app.username), create),
    { status: 400 },
    'nor a sibling',
  )
  t.equal((await patch('again', { serve_tokens: true })).status, 200)
  t.equal((await write(admin, 'mine', follower(app.username), create)).status, 201)
  t.ok(await eventually(async () => (await token()).status === 200))
  t.match(await patch('again', { serve_tokens: false }), { status: 400 })
})

t.test('also not where only the token shows that it is the same user', async (t) => {
  const { broker, simulator, app, write, patch } = await lending(t)
  const admin = broker.adminKey
  const runAs = { clientCredentialsFlow: true, runAsUsername: app.username }
  simulator.updateApp(app.clientId, runAs)
  await broker.call('GET', '/tokens/crm')
  await patch('crm', { serve_tokens: false })
  const otherWay = {
    login_url: app.loginUrl,
    grant: { type: 'client_credentials', client_id: app.clientId, client_auth: 'private_key_jwt' },
    credential: { from: 'crm' },
  }
  const made = await write(admin, 'mine', otherWay, { 'if-none-match': '*' })
  t.equal(made.status, 201, JSON.stringify(made.body))
  t.match(await broker.call('GET', '/tokens/mine'), FORBIDDEN)
})

/** `crm` is a source; `mine` exchanges its token. */
async function exchanging(t: Test) {
  const salesforce = await lending(t)
  const { simulator } = salesforce
  const { clientId, clientSecret } = simulator.addTokenExchangeApp()
  const { myDomain, sandbox } = simulator.origins
  const exchange = (loginUrl: string) => ({
    login_url: loginUrl,
    grant: {
      ...{ type: 'token_exchange', client_id: clientId, token_handler: 'Handler' },
      subject_token: { integration: 'crm' },
    },
    credential: { client_secret: clientSecret },
  })
  const subjectTokens = () =>
    simulator.tokenRequests().filter(({ form }) => form?.subject_token !== undefined)
  return { ...salesforce, exchange, subjectTokens, home: myDomain, away: sandbox }
}

t.test('a token is exchanged by those who may read it, where its owner lets it be', async (t) => {
  const { broker, exchange, subjectTokens, home, away, write, patch, reader, writer } =
    await exchanging(t)
  const create = { 'if-none-match': '*' }
  t.match(await write(writer, 'mine', exchange(home), create), FORBIDDEN)
  t.match(await write(reader, 'mine', exchange(away), create), FORBIDDEN, 'no foreign host')
  t.match((await patch('crm', { exchange_login_urls: ['https://evil.example'] })).status, 400)
  t.equal((await patch('crm', { exchange_login_urls: [`${away}/`] })).status, 200)
  const { body } = await broker.call('GET', '/integrations/crm')
  t.same(body.exchange_login_urls, [away])
  t.equal((await write(reader, 'mine', exchange(away), create)).status, 201)
  await broker.call('GET', '/tokens/mine')
  t.equal(subjectTokens().length, 1, 'it went there')

  t.equal((await patch('crm', { exchange_login_urls: [] })).status, 200)
  const cutOff = await broker.call('GET', '/tokens/mine')
  t.match(cutOff, FORBIDDEN, 'the owner changed its mind')
  t.equal(subjectTokens().length, 1, 'and it goes there no more')
})

t.test('a token that stays inside is never exchanged', async (t) => {
  const { broker, app, exchange, subjectTokens, home, away, write, patch } = await exchanging(t)
  const admin = broker.adminKey
  await write(admin, 'mine', exchange(home), { 'if-none-match': '*' })
  const lake = { login_url: app.loginUrl, grant: { type: 'data_cloud', integration: 'crm' } }
  await write(admin, 'lake', lake, { 'if-none-match': '*' })
  t.equal((await broker.call('GET', '/tokens/mine')).status, 200)
  const before = subjectTokens().length
  t.equal((await patch('crm', { serve_tokens: false, exchange_login_urls: [away] })).status, 200)
  for (const name of ['mine', 'lake'])
    t.match(await broker.call('GET', `/tokens/${name}`), FORBIDDEN)
  for (const [name, wanted] of [
    ['new', exchange(home)],
    ['newer', exchange(away)],
    ['newest', lake],
  ] as const) {
    t.match(await write(admin, name, wanted, { 'if-none-match': '*' }), FORBIDDEN, name)
  }
  t.equal(subjectTokens().length, before)
})

t.test('a lent secret goes to the host of its owner alone', async (t) => {
  const { broker, simulator, put, write, patch } = await lending(t)
  const { app, body } = await put('shop', clientCredentials)
  const follower = (loginUrl: string) => ({
    ...{ login_url: loginUrl, grant: body.grant, credential: { from: 'shop' } },
  })
  const admin = broker.adminKey
  const create = { 'if-none-match': '*' }
  const { sandbox } = simulator.origins
  const refused = await write(admin, 'mine', follower(sandbox), create)
  t.match(refused, { status: 422, body: { code: 'credential_required' } })
  t.equal((await write(admin, 'mine', follower(app.loginUrl), create)).status, 201)
  t.match(await patch('mine', { login_url: sandbox }), { status: 422 })
  const moved = await patch('shop', {
    login_url: sandbox,
    credential: { client_secret: app.clientSecret },
  })
  t.match(moved, { status: 409, body: { code: 'credential_state', detail: /mine/ } })
})

t.test('a certificate is deployed through those whose credentials one may write', async (t) => {
  const { broker, app, write, reader, lender } = await lending(t)
  const wanted = {
    login_url: app.loginUrl,
    grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
    credential: credentialOf(pair),
    deployment: { through: 'crm', app: 'Any_App' },
  }
  const create = { 'if-none-match': '*' }
  t.match(await write(reader, 'mine', wanted, create), FORBIDDEN)
  t.equal((await write(lender, 'mine', wanted, create)).status, 201)
  const { body } = await broker.call('GET', '/integrations/mine')
  t.equal(body.deployment.through, 'crm')
})
