/** What keeps the fleet from asking Salesforce too often, and what it owes Salesforce after a revocation. */
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import { startFleet } from '../support/fleet.ts'
import { createAsker, tally } from '../support/load.ts'

const fleet = await startFleet(t, { replicas: 2 })
const { simulator, call } = fleet
const asker = createAsker({ key: fleet.key })
t.teardown(() => asker.close())
const ask = (name: string) => asker.ask(fleet.urls(), name)
const askAll = (name: string) => Promise.all(fleet.urls().map((url) => asker.ask([url], name)))
const get = (name: string, replica = 0) => fleet.replica(replica).call('GET', `/tokens/${name}`)
const isLive = (token: string | undefined) =>
  simulator.sessions().some((one) => one.token === token)

/** Salesforce does not answer while a token is revoked. */
async function revokeWhileAway(name: string, how: (name: string) => Promise<{ status: number }>) {
  await fleet.integrate(name)
  const { token } = await ask(name)
  await askAll(name)
  const away = simulator.addFault({ kind: 'html', endpoint: 'revoke', times: null })
  const { status } = await how(name)
  away.remove()
  return { token, status }
}

const revoked = await revokeWhileAway('revoked', (name) => call('DELETE', `/tokens/${name}`))
const erased = await revokeWhileAway('erased', (name) =>
  call('DELETE', `/integrations/${name}`, { headers: { 'if-match': '*' } }),
)

t.test('a token that Salesforce cannot revoke now is gone here at once', async (t) => {
  t.equal(revoked.status, 204)
  t.equal(erased.status, 204)
  t.ok(isLive(revoked.token) && isLive(erased.token), 'Salesforce does not know yet')
  const codes = (await askAll('erased')).map(({ code }) => code)
  t.same(tally(codes), { integration_not_found: 2 })
})

t.test('logins_per_hour bounds the fleet, and a good lease is served all the same', async (t) => {
  const app = await fleet.integrate('bounded', { members: { logins_per_hour: 3 } })
  for (const replica of [0, 1, 0]) {
    t.equal((await get('bounded', replica)).status, 200)
    t.equal((await call('DELETE', '/tokens/bounded')).status, 204)
  }
  for (const replica of [0, 1]) {
    const refused = await get('bounded', replica)
    t.equal(refused.status, 429)
    t.equal(refused.body.code, 'login_budget_exhausted')
    t.ok(Number(refused.headers.get('retry-after')) > 60, refused.headers.get('retry-after') ?? '')
  }
  t.equal(fleet.mints(app), 3)

  simulator.configure({ expiresIn: 5 })
  const short = await fleet.integrate('short', { members: { logins_per_hour: 1, keep_warm: true } })
  const first = await get('short')
  simulator.configure({ expiresIn: 'absent' })
  const endsAt = Date.parse(first.body.expires_at)
  const hits: number[] = []
  const last = await eventually(async () => {
    const answer = await get('short', 1)
    if (answer.status === 200) hits.push(Date.now())
    return answer.status === 200 ? undefined : answer
  })
  t.ok(endsAt - Math.max(...hits) < 1_500, 'to its end, though it could not be refreshed')
  t.equal(last.body.code, 'login_budget_exhausted')
  t.equal(fleet.mints(short), 1)
})

t.test('a login rate that is exceeded rests for the hour', async (t) => {
  const app = await fleet.integrate('exceeded')
  simulator.refuseNext('login_rate_exceeded', { clientId: app.clientId })
  for (const replica of [0, 1, 0]) {
    const { status, body, headers } = await get('exceeded', replica)
    t.equal(status, 503)
    t.match(body, { code: 'grant_refused', refusal: { class: 'wait' } })
    t.ok(Number(headers.get('retry-after')) > 3_000, headers.get('retry-after') ?? '')
  }
  t.equal(fleet.mints(app), 1)
})

t.test('a transient refusal is tried again, and no caller hears of it', async (t) => {
  const app = await fleet.integrate('shaky')
  simulator.refuseNext('retry_your_request', { clientId: app.clientId, times: 2 })
  t.equal((await get('shaky')).status, 200)
  t.equal(fleet.mints(app), 3)
})

t.test('a permanent refusal is forgotten when the integration changes', async (t) => {
  const app = await fleet.integrate('mended')
  const refusal = simulator.refuseNext('user_not_admin_approved', {
    clientId: app.clientId,
    times: null,
  })
  t.equal((await get('mended')).body.code, 'grant_refused')
  t.equal((await get('mended', 1)).body.code, 'grant_refused')
  refusal.remove()
  t.equal((await get('mended', 1)).body.code, 'grant_refused', 'remembered')
  t.equal(fleet.mints(app), 1)
  const { status } = await call('PATCH', '/integrations/mended', {
    body: { description: 'approved now' },
    headers: { 'if-match': '*' },
  })
  t.equal(status, 200)
  t.equal((await get('mended')).status, 200)
})

t.test('a Retry-After of Salesforce is honoured by the replica that heard it', async (t) => {
  const app = await fleet.integrate('busy')
  simulator.addFault({ kind: 'too_many_requests', retryAfter: '60', clientId: app.clientId })
  const refused = await get('busy')
  t.equal(refused.body.code, 'salesforce_unavailable')
  const asked = Number(refused.headers.get('retry-after'))
  t.ok(asked > 50 && asked <= 60, `${asked}`)
  const again = await get('busy')
  t.equal(again.body.code, 'salesforce_unavailable')
  t.equal(fleet.mints(app), 1)
})

t.test('what could not be revoked is revoked later, and audited', async (t) => {
  await eventually(() => !isLive(revoked.token) && !isLive(erased.token), 60_000)
  const names = ['revoked', 'erased']
  const events = await eventually(async () => {
    const { body } = await call('GET', '/audit?action=token.revoked&limit=200')
    const { items } = body as { items: readonly Record<string, unknown>[] }
    const ended = items.filter(({ outcome }) => outcome === 'success')
    return names.every((name) => ended.some((one) => one.integration === name)) ? items : undefined
  })
  for (const name of names) {
    const own = events.filter(({ integration }) => integration === name)
    t.same(tally(own.map(({ outcome }) => String(outcome))), { failed: 1, success: 1 }, name)
  }
})
