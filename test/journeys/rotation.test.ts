/** Credentials are replaced while services ask: flips, fallbacks, ways back, and what never flips. */
import t, { type Test } from 'tap'
import type { Fault } from '../../simulator/faults.ts'
import { REFUSALS, type RefusalName } from '../../simulator/refusals.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import {
  expect,
  illegalIn,
  makeSecretive,
  makeSigning,
  type Rotatable,
} from '../support/rotatable.ts'
import { newSigningKey } from '../support/signing-key.ts'

t.setTimeout(120_000)

const LEASE_MS = 60_000
const QUIET_MS = 15 * 60_000

let aheadMs = 0
const now = () => Date.now() + aheadMs
const simulator = await startSimulator({ now, settings: { expiresIn: LEASE_MS / 1_000 } })
t.teardown(() => simulator.stop())
const broker = await startBroker(t, {
  loginHosts: [simulator.origins.myDomain],
  now,
  random: () => 0,
})
const { call } = broker
const world = { simulator, call }
const key = await newSigningKey()
const other = await newSigningKey()
const third = await newSigningKey()

/** All leases are over. */
const pass = (ms: number = LEASE_MS + 1_000) => {
  aheadMs += ms
}
/** Of the app alone: what else was rotated here is looked after meanwhile. */
const requests = ({ app }: Pick<Rotatable, 'app'>) =>
  simulator.tokenRequests().filter(({ clientId }) => clientId === app.clientId).length
const audited = (integration: string, action: string) =>
  broker.audit().filter((event) => event.integration === integration && event.action === action)
/** Lines of the audit are written in the background: all of them, once there are so many. */
const auditedOnce = async (integration: string, action: string, count: number) => {
  await eventually(() => audited(integration, action).length >= count)
  return audited(integration, action)
}
const statesOf = async (integration: Rotatable) =>
  new Map((await integration.states()).map(([id, state]) => [id, state]))
const etagOf = async (integration: Rotatable) =>
  (await integration.read()).headers.get('etag') ?? ''
const tokenOf = async (integration: Rotatable) =>
  (await expect(200, integration.token())).body.token_id as string

let count = 0
const nameOf = () => {
  count += 1
  return `rotates-${count}`
}
const signing = (members = {}) => makeSigning(world, nameOf(), { key, members })

/** A key was staged and became active by itself. */
async function flipped(t: Test) {
  const integration = await signing()
  await tokenOf(integration)
  const staged = await integration.stage()
  integration.upload(staged.certificate)
  pass()
  await tokenOf(integration)
  t.same(
    await statesOf(integration),
    new Map([
      [staged.id, 'active'],
      [integration.firstId, 'retired'],
    ]),
  )
  return { integration, staged }
}

/** To another app, while a lease of the former one has long to live. */
async function switchedToAnotherApp() {
  const integration = await signing()
  simulator.configure({ expiresIn: 7_200 })
  const blue = await tokenOf(integration)
  const green = simulator.addJwtApp({ certificatePem: other.certificate })
  const { privateKey: private_key, certificate } = other
  const staged = await integration.stage({ private_key, certificate, client_id: green.clientId })
  await expect(200, integration.activate(staged.id, { body: { prove: false } }))
  simulator.configure({ expiresIn: LEASE_MS / 1_000 })
  return { integration, blue }
}

t.test('the staged key becomes active when Salesforce takes it, and nobody waits', async (t) => {
  const integration = await signing()
  const former = await tokenOf(integration)
  const staged = await integration.stage()
  pass()
  const before = requests(integration)
  await tokenOf(integration)
  t.equal(requests(integration) - before, 1, 'it is not tried while the active one works')
  const etag = await etagOf(integration)
  integration.upload(staged.certificate)
  t.match((await integration.token()).headers.get('cache-status'), 'hit', 'the lease stays')
  pass()
  t.equal(await tokenOf(integration), former, 'Salesforce gives its session once more')
  t.equal(requests(integration) - before, 3, 'each of the two was tried once')
  const { items } = (await call('GET', integration.credentials)).body
  t.match(
    items.find(({ id }: { id: string }) => id === staged.id),
    {
      state: 'active',
      activated_at: new Date(now()).toISOString().slice(0, 13),
      retires_at: null,
    },
  )
  const retired = items.find(({ id }: { id: string }) => id === integration.firstId)
  t.equal(retired.state, 'retired')
  t.ok(Math.abs(Date.parse(retired.retires_at) - now() - QUIET_MS) < 10_000)
  t.not(await etagOf(integration), etag)
  const logged = broker.logs().split('\n')
  const flip = logged.find((line) => line.includes('became active') && line.includes(staged.id))
  t.match(flip, integration.name, 'the log says which')
  t.match((await auditedOnce(integration.name, 'credential.activated', 2)).at(-1), {
    principal: null,
    detail: { credential: staged.id },
  })
  pass()
  await tokenOf(integration)
  t.equal(requests(integration) - before, 4, 'then the usual mint is one request')
  t.match((await integration.read()).body.status, { state: 'ready', logins_last_hour: 5 })
})

t.test('a staged client secret becomes active in the same way', async (t) => {
  const integration = await makeSecretive(world, nameOf(), { app: { kind: 'connected_app' } })
  await tokenOf(integration)
  const { clientSecret } = simulator.stageCredentials(integration.app.clientId)
  const staged = await integration.stage({ client_secret: clientSecret })
  simulator.rotateCredentials(integration.app.clientId)
  pass()
  await tokenOf(integration)
  t.equal((await statesOf(integration)).get(staged.id), 'active')
})

t.test(
  'the retired key serves while the active one is refused, and is not flipped back',
  async (t) => {
    const { integration, staged } = await flipped(t)
    const before = await etagOf(integration)
    integration.upload(integration.first)
    pass()
    const asked = requests(integration)
    await tokenOf(integration)
    pass()
    await tokenOf(integration)
    t.equal(requests(integration) - asked, 3, 'which works is remembered')
    t.equal(await etagOf(integration), before, 'nothing was changed')
    integration.upload(staged.certificate)
    pass()
    await tokenOf(integration)
    t.equal(await etagOf(integration), before)
    t.equal(audited(integration.name, 'credential.activated').length, 2)
  },
)

t.test('the retired secret is erased after 15 quiet minutes and one proof', async (t) => {
  const { integration, staged } = await flipped(t)
  const quiet = await flipped(t)
  const switched = await switchedToAnotherApp()
  const since = now()
  pass(5 * 60_000)
  integration.upload(integration.first)
  await tokenOf(integration)
  const movedAt = now()
  integration.upload(staged.certificate)

  aheadMs += since + QUIET_MS + 5_000 - now()
  await eventually(async () => (await statesOf(quiet.integration)).size === 1)
  t.same(await statesOf(quiet.integration), new Map([[quiet.staged.id, 'active']]))
  const erased = { detail: { credential: quiet.integration.firstId } }
  t.match(await auditedOnce(quiet.integration.name, 'credential.erased', 1), [erased])
  const gone = await quiet.integration.activate(quiet.integration.firstId)
  t.match(gone, { status: 404, body: { code: 'credential_not_found' } })
  t.equal((await statesOf(integration)).size, 2, 'a refusal began the time anew')
  const { items } = (await call('GET', integration.credentials)).body
  const { retires_at } = items.find(({ state }: { state: string }) => state === 'retired')
  t.ok(Math.abs(Date.parse(retires_at) - movedAt - QUIET_MS) < 10_000, 'and so it is shown')

  await eventually(async () => (await statesOf(switched.integration)).size === 1)
  const after = await switched.integration.token()
  t.match(after.headers.get('cache-status'), 'hit', 'nobody waits for the token of the new app')
  t.not(after.body.token_id, switched.blue)

  const before = requests(integration)
  aheadMs += movedAt + QUIET_MS + 15_000 - now()
  await eventually(async () => (await statesOf(integration)).size === 1)
  t.equal(requests(integration) - before, 1, 'the proof is one request')
  t.same(await statesOf(integration), new Map([[staged.id, 'active']]))
  integration.upload(integration.first)
  pass()
  t.match(await integration.token(), { status: 424, body: { code: 'grant_refused' } })
})

t.test(
  'activating the retired one is the way back, and the displaced one stays behind',
  async (t) => {
    const { integration, staged } = await flipped(t)
    integration.upload(integration.first)
    t.match(await integration.activate(integration.firstId), {
      status: 200,
      body: { state: 'active', retires_at: null },
    })
    const back = new Map([
      [integration.firstId, 'active'],
      [staged.id, 'retired'],
    ])
    t.same(await statesOf(integration), back)
    integration.upload(staged.certificate)
    pass()
    await tokenOf(integration)
    t.same(await statesOf(integration), back, 'it works, but nobody made it active')
  },
)

t.test('a credential that Salesforce does not take is not activated', async (t) => {
  const integration = await signing()
  await tokenOf(integration)
  const staged = await integration.stage()
  const before = await etagOf(integration)
  const answer = await integration.activate(staged.id)
  t.match(answer, {
    status: 409,
    body: {
      code: 'credential_rejected',
      refusal: { reason: 'client_credentials_invalid', remedy: String },
    },
  })
  t.equal(await etagOf(integration), before)
  t.match(await auditedOnce(integration.name, 'credential.rejected', 1), [
    { principal: 'admin', outcome: 'refused', detail: { credential: staged.id } },
  ])
  t.match((await integration.token()).headers.get('cache-status'), 'hit')

  const asked = requests(integration)
  t.match(await integration.activate(staged.id, { body: { prove: false } }), { status: 200 })
  t.equal(requests(integration), asked, 'without a proof Salesforce is not asked')
  t.match((await integration.token()).headers.get('cache-status'), 'hit', 'the lease stays')
  pass()
  await tokenOf(integration)
  t.equal((await statesOf(integration)).get(integration.firstId), 'retired', 'it is the fallback')
})

t.test('what is active, pending or elsewhere is not activated', async (t) => {
  const integration = await signing()
  const pending = await integration.stage({ csr: { common_name: 'x' } })
  for (const id of [integration.firstId, pending.id]) {
    t.match(await integration.activate(id), { status: 409, body: { code: 'credential_state' } })
  }
  const staged = await (await signing()).stage()
  t.match(await integration.activate(staged.id), { body: { code: 'credential_not_found' } })
})

for (const headers of ['with the same ETag', 'without one']) {
  t.test(`of two operators who activate different credentials, ${headers}, one wins`, async (t) => {
    const integration = await makeSecretive(world, nameOf())
    const { clientId } = integration.app
    const next = async () => {
      const { clientSecret } = simulator.stageCredentials(clientId)
      simulator.rotateCredentials(clientId)
      return integration.stage({ client_secret: clientSecret })
    }
    // The former pairs of an external client app still work.
    const second = await next()
    await expect(200, integration.activate(second.id))
    const last = await next()
    const etag = await etagOf(integration)
    const options = headers === 'without one' ? {} : { headers: { 'if-match': etag } }
    const hold = simulator.addFault({ kind: 'hold', clientId, times: 2 })
    const both = [last.id, integration.firstId].map((id) => integration.activate(id, options))
    await eventually(() => hold.holding() === 2)
    hold.remove()
    const answers = await Promise.all(both)
    t.same(answers.map(({ status }) => status).sort(), [200, 412])
    const lost = answers.find(({ status }) => status === 412)
    t.equal(lost?.body.code, 'integration_changed')
    const won = answers.find(({ status }) => status === 200)?.body.id
    const states = await statesOf(integration)
    t.same(illegalIn([...states.values()]), [])
    t.equal(states.get(won), 'active')
    t.equal(states.get(second.id), 'retired')
    const late = await integration.activate(second.id, { headers: { 'if-match': etag } })
    t.match(late, { status: 412, body: { code: 'integration_changed' } })
    t.equal(audited(integration.name, 'credential.activated').length, 3)
  })
}

t.test('a fresh credential that is put in place is not flipped over', async (t) => {
  const integration = await signing()
  const staged = await integration.stage()
  integration.upload(staged.certificate)
  const hold = simulator.addFault({ kind: 'hold', clientId: integration.app.clientId, times: 1 })
  const asked = integration.token()
  await eventually(() => hold.holding() === 1)
  // While the active key of that mint is being refused, it is replaced.
  const { privateKey: private_key, certificate } = other
  await expect(
    200,
    call('PATCH', integration.path, {
      body: { credential: { private_key, certificate } },
      headers: { 'if-match': '*' },
    }),
  )
  hold.remove()
  t.equal((await asked).status, 200, 'the staged key worked')
  const states = await integration.states()
  const [fresh] = states.filter(([, state]) => state === 'active')
  t.notOk([integration.firstId, staged.id].includes(fresh?.[0] ?? ''))
  t.equal(new Map(states).get(staged.id), 'staged', 'the fresh one was never refused')
  pass()
  await tokenOf(integration)
  t.equal((await statesOf(integration)).get(staged.id), 'active', 'now it was')
})

t.test('a credential of another app is activated by the operator alone', async (t) => {
  const integration = await signing()
  const blue = await tokenOf(integration)
  const green = simulator.addJwtApp({ certificatePem: other.certificate })
  const { privateKey: private_key, certificate } = other
  const staged = await integration.stage({ private_key, certificate, client_id: green.clientId })
  integration.upload(other.certificate)
  pass()
  const refused = await integration.token()
  t.match(refused.body, {
    code: 'grant_refused',
    refusal: { reason: 'client_credentials_invalid' },
  })
  t.equal((await statesOf(integration)).get(staged.id), 'staged')
  integration.upload(integration.first)
  pass(11 * 60_000)
  t.equal(await tokenOf(integration), blue)
  await expect(200, integration.activate(staged.id, { body: { prove: false } }))
  const kept = await integration.token()
  t.match(kept.headers.get('cache-status'), 'hit', 'the lease of the former app stays')
  t.equal(kept.body.token_id, blue)
  pass()
  t.not(await tokenOf(integration), blue, 'then it is of the new one')

  simulator.updateApp(green.clientId, { certificatePem: key.certificate })
  pass()
  t.equal(await tokenOf(integration), blue, 'the former app is the fallback')
  t.match((await integration.token()).headers.get('cache-status'), 'hit', 'its lease is kept')
  await expect(200, integration.activate(integration.firstId))
  const { items } = (await call('GET', integration.credentials)).body
  const clients = Object.fromEntries(
    items.map(({ state, client_id }: Record<string, string>) => [state, client_id]),
  )
  t.same(clients, { active: integration.app.clientId, retired: green.clientId })
})

t.test('after a switch to another app the next key is for that one', async (t) => {
  const integration = await signing()
  await tokenOf(integration)
  const green = simulator.addJwtApp({ certificatePem: other.certificate })
  const { privateKey: private_key, certificate } = other
  const second = await integration.stage({ private_key, certificate, client_id: green.clientId })
  t.match(second.answer.body.next, 'never becomes active by itself')
  await expect(200, integration.activate(second.id))
  const next = await integration.stage()
  t.match(next.answer.body, { client_id: green.clientId, next: 'by itself' })
  t.notMatch(next.answer.body.next, 'never')
  simulator.updateApp(green.clientId, { certificatePem: next.certificate })
  pass()
  await tokenOf(integration)
  t.same(
    await statesOf(integration),
    new Map([
      [next.id, 'active'],
      [second.id, 'retired'],
    ]),
  )
  await expect(204, call('DELETE', `${integration.credentials}/${second.id}`))
  const back = await integration.stage({ generate: {}, client_id: integration.app.clientId })
  t.equal(back.answer.body.client_id, integration.app.clientId)
  t.match(back.answer.body.next, 'never becomes active by itself')
})

t.test('the token of a proof becomes the lease when it is another one', async (t) => {
  const integration = await signing()
  const blue = await tokenOf(integration)
  const same = await integration.stage()
  integration.upload(same.certificate)
  const minted = () => audited(integration.name, 'token.minted').length
  const before = minted()
  await expect(200, integration.activate(same.id))
  t.equal(await tokenOf(integration), blue)
  t.equal(minted(), before, 'the same token again is nothing new')

  const green = simulator.addJwtApp({ certificatePem: other.certificate })
  const { privateKey: private_key, certificate } = other
  const staged = await integration.stage({ private_key, certificate, client_id: green.clientId })
  await expect(200, integration.activate(staged.id))
  const asked = requests(integration)
  const next = await integration.token()
  t.match(next.headers.get('cache-status'), 'hit')
  t.not(next.body.token_id, blue)
  t.equal(requests(integration), asked)
  t.match((await auditedOnce(integration.name, 'token.minted', before + 1)).at(-1), {
    principal: 'admin',
    token_id: next.body.token_id,
  })
})

t.test('all that sign with a credential follow its rotation at once', async (t) => {
  const owner = await signing()
  const approved = [owner.app.username]
  const follow = async (name: string) => {
    const username = `${name}@acme.com`
    simulator.addUser({ username, orgId: simulator.acme.id })
    approved.push(username)
    simulator.updateApp(owner.app.clientId, { approvedUsernames: [...approved] })
    await expect(
      201,
      call('PUT', `/integrations/${name}`, {
        body: {
          login_url: owner.app.loginUrl,
          grant: { type: 'jwt_bearer', client_id: owner.app.clientId, username },
          credential: { from: owner.name },
        },
      }),
    )
    return () => call('GET', `/tokens/${name}`)
  }
  const [first, second] = [await follow('follows-1'), await follow('follows-2')]
  await tokenOf(owner)
  const staged = await owner.stage()
  owner.upload(other.certificate)
  pass()
  t.match(await second(), { status: 503, body: { code: 'grant_refused' } })
  const asked = requests(owner)
  t.match(await second(), { status: 503 })
  t.equal(requests(owner), asked, 'its refusal is remembered')

  owner.upload(staged.certificate)
  t.equal((await first()).status, 200)
  t.equal((await statesOf(owner)).get(staged.id), 'active', 'the owner was rotated')
  const before = requests(owner)
  t.equal((await second()).status, 200, 'the refusal is forgotten')
  t.equal(requests(owner) - before, 1, 'and the new key comes first')
  t.equal((await owner.token()).status, 200)
  t.match(await call('POST', `/integrations/follows-1/credentials/${staged.id}/activate`), {
    status: 409,
    body: { code: 'credential_state' },
  })

  const green = simulator.addJwtApp({
    certificatePem: third.certificate,
    approvedUsernames: approved,
  })
  const { privateKey: private_key, certificate } = third
  const next = await owner.stage({ private_key, certificate, client_id: green.clientId })
  await expect(200, owner.activate(next.id))
  t.match((await first()).headers.get('cache-status'), 'hit', 'leases of the former app stay')
  pass()
  const since = { blue: requests(owner), green: requests({ app: green }) }
  t.equal((await first()).status, 200)
  t.equal(requests(owner), since.blue)
  t.equal(requests({ app: green }) - since.green, 1)
  t.match((await first()).headers.get('cache-status'), 'hit', 'and those of the new one are kept')
})

/** What Salesforce says of the active key, while it would take the staged one. */
const AMBIGUOUS: readonly Fault[] = [
  ...(Object.keys(REFUSALS) as RefusalName[])
    .filter((name) => !['assertion_invalid', 'client_credentials_invalid'].includes(name))
    .map((refusal) => ({ kind: 'refusal' as const, refusal })),
  { kind: 'html' },
  { kind: 'empty' },
  { kind: 'invalid_json' },
  { kind: 'too_many_requests' },
  { kind: 'reset' },
  { kind: 'truncated' },
]

t.test('nothing else that Salesforce says or does not say flips', async (t) => {
  const integration = await signing({ logins_per_hour: 3_600 })
  await tokenOf(integration)
  const staged = await integration.stage()
  integration.upload(staged.certificate)
  const etag = await etagOf(integration)
  for (const fault of AMBIGUOUS) {
    const what = fault.kind === 'refusal' ? fault.refusal : fault.kind
    // Past the rest after the refusal before it, and past the rest of the breaker.
    pass(2 * 3_600_000)
    const handle = simulator.addFault({ ...fault, times: null, clientId: integration.app.clientId })
    t.not((await integration.token()).status, 200, what)
    handle.remove()
    t.equal(await etagOf(integration), etag, what)
  }
  pass(2 * 3_600_000)
  await tokenOf(integration)
  t.equal((await statesOf(integration)).get(staged.id), 'active', 'it was only waiting for it')
})

t.test('whoever activates again and again in vain leaves logins to the mints', async (t) => {
  const integration = await signing({ logins_per_hour: 40 })
  await tokenOf(integration)
  const staged = await integration.stage()
  const before = requests(integration)
  t.match(await integration.activate(staged.id), { body: { code: 'credential_rejected' } })
  t.equal(requests(integration) - before, 12)
  for (const time of ['in the middle of it', 'at once']) {
    const refused = await integration.activate(staged.id)
    t.match(refused, { status: 429, body: { code: 'login_budget_exhausted' } }, time)
    t.ok(Number(refused.headers.get('retry-after')) > 60)
    t.equal(requests(integration) - before, 20, 'half of the budget')
  }
  pass()
  await tokenOf(integration)
  await expect(200, integration.activate(staged.id, { body: { prove: false } }))
})

t.test('a budget that ends between two tries flips nothing', async (t) => {
  const integration = await signing({ logins_per_hour: 1 })
  const staged = await integration.stage()
  integration.upload(staged.certificate)
  t.match(await integration.token(), { status: 429, body: { code: 'login_budget_exhausted' } })
  t.equal((await statesOf(integration)).get(staged.id), 'staged')
  pass(3_700_000)
  t.match(await integration.activate(staged.id), { status: 200 })
  t.match(await integration.activate(integration.firstId), {
    status: 429,
    body: { code: 'login_budget_exhausted' },
  })
  t.equal((await statesOf(integration)).get(staged.id), 'active')
})
