/** The day of an incident, on both stores: what is frozen gives nothing at any door, and its tokens die at Salesforce. */
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import type { AppSeed } from '../../simulator/handle.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, startBroker } from '../support/broker.ts'
import { DOORS, doorRequests } from '../support/door-requests.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'

t.setTimeout(120_000)

const redis = await startRedis()
t.teardown(() => redis.stop())
let prefixes = 0
const ENGINES = {
  embedded: () => ({}),
  redis: () => {
    prefixes += 1
    return { redisUrl: redis.url, redisPrefix: `freeze-${prefixes}:` }
  },
}

async function world(t: Test, place: object) {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const shared = { keyring: generateKeyring(Date.now()).reveal(), adminKey: newAdminKey() }
  const start = () =>
    startBroker(t, {
      ...{ ...shared, ...place, loginHosts: Object.values(simulator.origins) },
      env: { VALETKEY_TRUST_PROXY: '127.0.0.1/32' },
    })
  const broker = await start()
  const { call } = broker
  const integrate = async (
    name: string,
    members: object = {},
    app: AppSeed = simulator.addClientCredentialsApp({ name }),
  ) => {
    const put = await call('PUT', `/integrations/${name}`, {
      body: {
        login_url: app.loginUrl,
        grant: { type: 'client_credentials', client_id: app.clientId },
        credential: { client_secret: app.clientSecret },
        ...members,
      },
    })
    if (put.status >= 300) throw new Error(JSON.stringify(put.body))
    return app
  }
  const token = async (name: string): Promise<string> => {
    const { status, body } = await call('GET', `/tokens/${name}`)
    if (status !== 200) throw new Error(`${name}: ${body.code}`)
    return body.access_token
  }
  const freeze = (selector: object, more: object = {}, key?: string) =>
    call('POST', '/freezes', {
      body: { selector, reason: 'tokens were stolen', ...more },
      ...(key !== undefined && { key }),
    })
  const codeOf = async (name: string) => {
    const { status, body } = await call('GET', `/tokens/${name}`)
    return status === 200 ? 'ok' : body.code
  }
  const lives = (text: string) => simulator.sessions().some((session) => session.token === text)
  const report = async (id: string) => (await call('GET', `/freezes/${id}`)).body
  const over = (id: string) =>
    eventually(async () => {
      const found = await report(id)
      return found.state === 'done' && found
    })
  return {
    start,
    ...{ simulator, broker, call, integrate, token, freeze, codeOf, lives, report, over },
  }
}

for (const [engine, place] of Object.entries(ENGINES)) {
  t.test(`${engine}: nothing at any door, every token dead, and back again`, async (t) => {
    const { simulator, broker, call, integrate, token, freeze, codeOf, lives, over } = await world(
      t,
      place(),
    )
    for (const name of ['billing', 'crm', 'other']) await integrate(name)
    const made = await call('POST', '/api-keys', {
      body: { name: 'service', permissions: ['tokens:read'], integrations: ['*'] },
    })
    const key: string = made.body.key
    const [billing, crm, other] = [await token('billing'), await token('crm'), await token('other')]
    const frozen = await freeze({ integrations: ['billing', 'crm'] })
    t.match(frozen, { status: 201, body: { state: 'revoking', by: 'admin', revoke: true } })
    const { id, since } = frozen.body
    t.equal(frozen.headers.get('location'), `/freezes/${id}`)

    const texts = new Map<string, string>()
    for (const [index, door] of DOORS.entries()) {
      const { method, path, headers, body } = doorRequests('billing', key)[door]
      const answer = await fetch(`${broker.url}${path}`, {
        ...{ method, headers: { ...headers, 'x-forwarded-for': `10.0.0.${index + 1}` } },
        ...(body !== undefined && { body }),
      })
      texts.set(door, `${answer.status} ${await answer.text()}`)
    }
    for (const [door, text] of texts) {
      t.match(text, /integration_frozen/, door)
      t.match(text, /tokens were stolen/, door)
      t.notMatch(text, billing, door)
    }
    t.match(texts.get('tokens'), /^409 /)
    t.match(texts.get('gateway'), /^403 /, 'as the gateway asked')
    t.match(texts.get('login'), /^400 .*invalid_grant/)
    t.match(texts.get('soap'), /^500 .*API_DISABLED_FOR_ORG/s)
    const refused = (await call('GET', '/tokens/billing')).body
    t.match(refused, { status: 409, frozen: { id, since, reason: 'tokens were stolen' } })
    const introspected = await fetch(`${broker.url}/login/billing/services/oauth2/introspect`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams({ token: billing }).toString(),
    })
    t.same(await introspected.json(), { active: false })

    const done = await over(id)
    t.match(done, {
      integrations: { selected: 2, looked_at: 2 },
      tokens: { done: 2, left: 0, failed: 0 },
      failures: [],
    })
    t.notOk(lives(billing) || lives(crm), 'both are dead at Salesforce')
    t.ok(lives(other), 'what was not selected is untouched')
    t.equal(await token('other'), other)

    const before = simulator.tokenRequests().length
    t.equal(await codeOf('billing'), 'integration_frozen')
    const tested = await call('POST', '/integrations/billing/test')
    t.match(JSON.stringify(tested.body), /frozen/)
    t.equal(simulator.tokenRequests().length, before, 'nothing was minted')
    const listed = await call('GET', '/integrations')
    const frozenNames = listed.body.items.filter(
      ({ status }: { status: { frozen?: { id: string } } }) => status.frozen?.id === id,
    )
    t.same(
      frozenNames.map(({ name }: { name: string }) => name),
      ['billing', 'crm'],
    )
    t.match(frozenNames[0].status, { frozen: { id, since, reason: 'tokens were stolen' } })

    t.match(await call('DELETE', `/freezes/${id}`), { status: 204 })
    const fresh = await token('billing')
    t.not(fresh, billing)
    t.ok(lives(fresh))
    t.match(await call('GET', `/freezes/${id}`), {
      status: 200,
      body: { state: 'lifted', lifted_by: 'admin', tokens: { done: 2 } },
    })
    t.match(await call('DELETE', `/freezes/${id}`), {
      status: 404,
      body: { code: 'freeze_not_found' },
    })
    t.same((await call('GET', '/freezes')).body, { items: [], next_cursor: null })
    const actions = broker.audit().filter(({ detail }) => detail?.freeze === id)
    t.same(
      actions.map(({ action }) => action),
      ['freeze.created', 'freeze.lifted'],
    )
    const ended = broker
      .audit()
      .filter(({ action, detail }) => action === 'token.revoked' && detail?.reason === 'frozen')
    t.same(ended.map(({ integration }) => integration).sort(), ['billing', 'crm'])
  })

  t.test(`${engine}: a mint that is under way is revoked, and not stored`, async (t) => {
    const { simulator, call, integrate, freeze, lives, over } = await world(t, place())
    await integrate('billing')
    const held = simulator.addFault({ kind: 'hold', endpoint: 'token', afterCommit: true })
    const asking = call('GET', '/tokens/billing')
    await eventually(() => held.holding() > 0)
    const [session] = simulator.sessions()
    const { id } = (await freeze({ all: true })).body
    await over(id)
    held.remove()
    t.match(await asking, { status: 409, body: { code: 'integration_frozen' } })
    t.ok(session)
    await eventually(() => !lives(session?.token ?? ''))
    t.equal((await call('GET', '/integrations/billing')).body.status.lease, null)
  })

  t.test(`${engine}: by label, app, org and all; also what comes later`, async (t) => {
    const { call, integrate, token, freeze, codeOf, lives, over, simulator } = await world(
      t,
      place(),
    )
    const labels = { environment: 'production', owner: 'billing' }
    await integrate('labelled', { labels })
    const app = await integrate('of-app')
    await integrate('of-org')
    const orgToken = await token('of-org')
    const { org_id: orgId } = (await call('GET', '/tokens/of-org')).body
    const lift = (id: string) => call('DELETE', `/freezes/${id}`)

    const byLabel = (await freeze({ labels })).body.id
    t.equal(await codeOf('labelled'), 'integration_frozen')
    t.equal(await codeOf('of-app'), 'ok')
    await integrate('born-frozen', { labels })
    t.equal(await codeOf('born-frozen'), 'integration_frozen')
    await integrate('moved')
    const moved = await token('moved')
    await over(byLabel)
    await call('PATCH', '/integrations/moved', { body: { labels }, headers: { 'if-match': '*' } })
    t.equal(await codeOf('moved'), 'integration_frozen')
    await eventually(() => !lives(moved))
    await lift(byLabel)
    t.equal(await codeOf('born-frozen'), 'ok')

    const byApp = (await freeze({ client_ids: [app.clientId] })).body.id
    t.equal(await codeOf('of-app'), 'integration_frozen')
    t.equal(await codeOf('labelled'), 'ok')
    await lift(byApp)

    const byOrg = (await freeze({ org_ids: [orgId.slice(0, 15)] })).body.id
    t.equal(await codeOf('of-org'), 'integration_frozen')
    await over(byOrg)
    t.notOk(lives(orgToken))
    // Nothing of it is known but its token.
    await integrate('new-in-org')
    t.equal(await codeOf('new-in-org'), 'integration_frozen')
    const late = simulator.sessions().filter(({ orgId: of }) => of.startsWith(orgId.slice(0, 15)))
    t.same(late, [], 'its token is dead')
    await lift(byOrg)
    t.equal(await codeOf('of-org'), 'ok')

    const all = (await freeze({ all: true })).body.id
    for (const name of ['labelled', 'of-app', 'of-org']) {
      t.equal(await codeOf(name), 'integration_frozen', name)
    }
    await lift(all)
  })

  t.test(`${engine}: several freezes must all be lifted`, async (t) => {
    const { call, integrate, token, freeze, codeOf } = await world(t, place())
    await integrate('billing')
    await token('billing')
    const [one, two] = [
      (await freeze({ integrations: ['billing'] })).body.id,
      (await freeze({ all: true }, { revoke: false })).body.id,
    ]
    t.same(
      (await call('GET', '/freezes')).body.items.map(({ id }: { id: string }) => id),
      [one, two],
    )
    await call('DELETE', `/freezes/${one}`)
    t.equal(await codeOf('billing'), 'integration_frozen')
    await call('DELETE', `/freezes/${two}`)
    t.equal(await codeOf('billing'), 'ok')
  })

  t.test(`${engine}: without revocation, the lease is there again afterwards`, async (t) => {
    const { call, integrate, token, freeze, codeOf, lives, over } = await world(t, place())
    await integrate('billing')
    const before = await token('billing')
    const { id } = (await freeze({ integrations: ['billing'] }, { revoke: false })).body
    t.equal(await codeOf('billing'), 'integration_frozen')
    t.match(await over(id), { tokens: { done: 0, left: 0, failed: 0 } })
    t.ok(lives(before))
    await call('DELETE', `/freezes/${id}`)
    t.equal(await token('billing'), before)
  })

  t.test(`${engine}: what Salesforce does not end is shown, and tried again`, async (t) => {
    const { simulator, integrate, token, freeze, lives, report, over } = await world(t, place())
    await integrate('billing')
    const before = await token('billing')
    const fault = simulator.addFault({ kind: 'html', endpoint: 'revoke', times: null })
    const { id } = (await freeze({ integrations: ['billing'] })).body
    const failed = await eventually(async () => {
      const found = await report(id)
      return found.tokens.failed === 1 && found
    })
    t.match(failed, {
      state: 'revoking',
      tokens: { done: 0, left: 0, failed: 1 },
      failures: [{ integration: 'billing', reason: 'salesforce_unavailable', tries: 1 }],
    })
    t.ok(lives(before))
    fault.remove()
    await eventually(() => !lives(before), 30_000)
    t.match(await over(id), { tokens: { done: 1, left: 0, failed: 0 } })
  })
}

t.test('who may freeze, lift and read', async (t) => {
  const { call, integrate, freeze } = await world(t, {})
  await integrate('billing', { labels: { owner: 'billing' } })
  await integrate('crm')
  const keyOf = async (name: string, permissions: string[], more: object = {}) =>
    (await call('POST', '/api-keys', { body: { name, permissions, integrations: ['*'], ...more } }))
      .body.key as string
  const reader = await keyOf('reader', ['tokens:read', 'integrations:read'])
  const revoker = await keyOf('revoker', ['tokens:revoke'], { integrations: ['bill*'] })
  const owner = await keyOf('owner', ['tokens:revoke'], { labels: { owner: 'billing' } })
  const every = await keyOf('every', ['tokens:revoke'])
  const manager = await keyOf('manager', ['service:manage'])
  const billing = { integrations: ['billing'] }
  const status = async (selector: object, key: string) => (await freeze(selector, {}, key)).status
  t.equal(await status(billing, reader), 403)
  t.equal(await status({ integrations: ['billing', 'crm'] }, revoker), 403)
  t.equal(await status({ all: true }, revoker), 403)
  t.equal(await status({ client_ids: ['app'] }, revoker), 403)
  t.equal(await status({ labels: { owner: 'billing' } }, revoker), 403, 'other names have it, too')
  t.equal(await status({ labels: { owner: 'other' } }, owner), 403)
  t.equal(await status({ integrations: ['nowhere'] }, owner), 403)
  t.equal(await status({ labels: { owner: 'billing', environment: 'test' } }, owner), 201)
  t.equal(await status({ all: true }, every), 201)
  const own = (await freeze(billing, {}, revoker)).body.id
  const others = (await freeze(billing, {}, manager)).body.id
  const as = async (method: string, path: string, key: string) =>
    (await call(method, path, { key })).status
  t.equal(await as('GET', `/freezes/${own}`, reader), 403)
  t.equal(await as('GET', `/freezes/${others}`, revoker), 200)
  t.equal(await as('GET', '/freezes/frz_none', revoker), 403, 'it is not told what there is')
  t.equal(await as('GET', '/freezes/frz_none', manager), 404)
  const seen = (await call('GET', '/freezes', { key: revoker })).body.items
  t.same(
    seen.map(({ id }: { id: string }) => id),
    [own, others],
  )
  t.equal(await as('DELETE', `/freezes/${others}`, revoker), 403, 'what others froze stays')
  t.equal(await as('DELETE', `/freezes/${own}`, revoker), 204)
  t.equal(await as('DELETE', `/freezes/${others}`, manager), 204)
  for (const body of [
    {},
    { selector: {}, reason: 'x' },
    { selector: { all: false }, reason: 'x' },
    { selector: { all: true } },
    { selector: { all: true }, reason: '' },
    { selector: { integrations: ['Not a name'] }, reason: 'x' },
    { selector: { org_ids: ['00D'] }, reason: 'x' },
    { selector: { all: true }, reason: 'x', revoke: false, revoke_refresh_tokens: true },
  ]) {
    t.match(
      await call('POST', '/freezes', { body }),
      { status: 400, body: { code: 'request_invalid' } },
      JSON.stringify(body),
    )
  }
})

t.test('who cannot read what is frozen hands out nothing', async (t) => {
  const place = ENGINES.redis()
  const { start, call, integrate, token, freeze } = await world(t, place)
  await integrate('billing')
  await token('billing')
  await freeze({ integrations: ['other'] })
  const client = new Redis(redis.url)
  t.teardown(() => client.disconnect())
  const [register = ''] = await client.keys(`*${place.redisPrefix}*d:freezes:all`)
  await client.hset(register, 'body', '{"freezes":[]}')
  const replica = await start()
  const read = () => replica.call('GET', '/tokens/billing')
  t.match(await read(), { status: 503, body: { code: 'record_corrupt' } })
  t.match(await replica.call('DELETE', '/store/records/freezes/all'), { status: 204 })
  await eventually(async () => (await read()).status === 200)
  t.match(await call('GET', '/freezes'), { status: 200, body: { items: [] } })
})
