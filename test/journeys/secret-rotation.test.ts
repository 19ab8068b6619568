/** Consumer secrets rotate with no hands: Salesforce makes the pair, and nobody is shown it. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  activeId,
  auditOf,
  CREDENTIALS,
  deploy,
  deploymentOf,
  phaseIs,
  stageKey,
  statesOf,
} from '../support/deployable.ts'
import { secretive } from '../support/deployable-secret.ts'
import { eventually } from '../support/eventually.ts'

t.setTimeout(120_000)

const QUIET_MS = 16 * 60_000

t.test('a secret is staged, proven, activated, and the former one ends there', async (t) => {
  const { broker, simulator, app, later, dataDir } = await secretive(t)
  const before = (await broker.call('GET', '/tokens/billing')).body
  const formerId = await activeId(broker)
  const staged = await broker.call('POST', CREDENTIALS, { body: { generate: {} } })
  t.match(staged, { status: 201, body: { state: 'pending', type: 'client_secret' } })
  t.match(staged.body.next, /deploy/)
  const { id } = staged.body
  t.match(await deploy(broker, id), { status: 202, body: { credential: id, phase: 'requested' } })
  t.match(await phaseIs(broker, id, 'activated', 'failed'), { phase: 'activated', reason: null })
  t.same(await statesOf(broker), { [id]: 'active', [formerId]: 'retired' })
  const after = (await broker.call('GET', '/tokens/billing')).body
  t.equal(after.token_id, before.token_id, 'the lease survived')
  const beside = simulator.besideCredentials(app.clientId)
  t.match(beside, { state: 'active' }, 'both pairs are good until the quiet time is over')
  const credential = (await broker.call('GET', `${CREDENTIALS}/${id}`)).body
  t.equal(credential.client_id, beside?.clientId)

  later(QUIET_MS)
  t.match(await phaseIs(broker, id, 'retired', 'failed'), { phase: 'retired', next_try_at: null })
  t.same(await statesOf(broker), { [id]: 'active' })
  t.equal(simulator.besideCredentials(app.clientId), undefined)
  const [main] = simulator.apps().filter(({ apiName }) => apiName === app.apiName)
  t.equal(main?.clientId, credential.client_id)
  t.not(main?.clientSecret, app.clientSecret)
  simulator.endSessions()
  await broker.call('DELETE', '/tokens/billing')
  t.equal((await broker.call('GET', '/tokens/billing')).status, 200)

  const audit = () => auditOf(broker, id).map(([action]) => action)
  await eventually(() => audit().length === 4)
  t.same(
    audit(),
    ['staged', 'deploy_requested', 'deployed', 'activated'].map((what) => `credential.${what}`),
  )
  const shown = [broker.logs(), JSON.stringify(broker.audit()), JSON.stringify(await seen(broker))]
  const files = (await readdir(dataDir)).map((file) => readFile(join(dataDir, file), 'latin1'))
  for (const text of [...shown, ...(await Promise.all(files))]) {
    t.notOk(text.includes(main?.clientSecret ?? ''), 'nobody is shown the secret')
  }
})

/** All that the API says of it. */
const seen = async ({ call }: Pick<Awaited<ReturnType<typeof secretive>>['broker'], 'call'>) =>
  Promise.all(
    ['/integrations/billing', CREDENTIALS, '/integrations/billing/setup', '/audit'].map((path) =>
      call('GET', path),
    ),
  )

t.test('with rotate_every_days nobody has to do anything, time and again', async (t) => {
  const world = await secretive(t, { deployment: { rotate_every_days: 30 } })
  const { simulator, app, later } = world
  let { broker } = world
  for (let round = 0; round < 2; round += 1) {
    const formerId = await activeId(broker)
    await broker.stop()
    later(31 * 86_400_000)
    broker = await world.restart()
    const id = await eventually(async () => {
      const active = await activeId(broker)
      return active === formerId ? undefined : active
    })
    await phaseIs(broker, id, 'activated')
    later(QUIET_MS)
    await phaseIs(broker, id, 'retired')
    t.equal(simulator.besideCredentials(app.clientId), undefined)
    await broker.call('DELETE', '/tokens/billing')
    t.equal((await broker.call('GET', '/tokens/billing')).status, 200)
  }
})

t.test('while it spreads it is proven again and again', async (t) => {
  const { broker, later } = await secretive(t, {
    settings: { propagation: { nodes: 4, minMs: 120_000, maxMs: 300_000 } },
  })
  later(301_000)
  const id = await stageKey(broker)
  await deploy(broker, id)
  const waiting = await eventually(async () => {
    const deployment = await deploymentOf(broker, id)
    return deployment.tries > 0 ? deployment : undefined
  })
  t.match(waiting, { phase: 'deployed', reason: 'credential_rejected', next_try_at: String })
  t.equal((await broker.call('GET', '/tokens/billing')).status, 200)
  later(301_000)
  await phaseIs(broker, id, 'activated')
})

t.test('what stands beside the main pair and is not ours is left alone', async (t) => {
  const { broker, simulator, app } = await secretive(t)
  simulator.stageCredentials(app.clientId, { newKey: true })
  const theirs = simulator.besideCredentials(app.clientId)
  const id = await stageKey(broker)
  await deploy(broker, id)
  const failed = await phaseIs(broker, id, 'failed')
  t.match(failed, { failed_in: 'requested', reason: 'slot_taken' })
  t.same(simulator.besideCredentials(app.clientId), theirs)
  t.equal((await broker.call('GET', '/tokens/billing')).status, 200)
  simulator.rotateCredentials(app.clientId)
  await deploy(broker, id)
  t.match(await phaseIs(broker, id, 'failed'), { reason: 'app_differs' })
})

t.test('a proof that fails too long leaves all as it was, and its pair is used next', async (t) => {
  const hoursMs = 3 * 3_600_000
  const { broker, simulator, app, later } = await secretive(t, {
    settings: { propagation: { nodes: 2, minMs: hoursMs - 1, maxMs: hoursMs } },
  })
  later(hoursMs)
  const formerId = await activeId(broker)
  const id = await stageKey(broker)
  await deploy(broker, id)
  await eventually(async () => (await deploymentOf(broker, id)).tries > 0)
  const beside = simulator.besideCredentials(app.clientId)
  later(31 * 60_000)
  t.match(await phaseIs(broker, id, 'failed'), { failed_in: 'deployed' })
  t.equal(await activeId(broker), formerId)
  t.equal((await broker.call('GET', '/tokens/billing')).status, 200)
  later(hoursMs)
  await deploy(broker, id)
  await phaseIs(broker, id, 'activated')
  t.equal(simulator.besideCredentials(app.clientId)?.id, beside?.id, 'no further one was made')
})

/** What is wrong at Salesforce, and what becomes of it. */
const TROUBLES: Readonly<
  Record<string, (world: Awaited<ReturnType<typeof secretive>>) => unknown>
> = {
  'the user may not view client secrets': ({ simulator, deployer }) =>
    simulator.updateUser(deployer, { mayStageCredentials: false }),
  'the org keeps its secrets': ({ simulator }) =>
    simulator.updateOrg(simulator.acme.id, { consumerSecretsByRest: false }),
}

for (const [what, spoil] of Object.entries(TROUBLES)) {
  t.test(`${what}: it fails before anything was done`, async (t) => {
    const world = await secretive(t)
    spoil(world)
    const id = await stageKey(world.broker)
    await deploy(world.broker, id)
    const failed = await phaseIs(world.broker, id, 'failed')
    t.match(failed, { failed_in: 'requested', reason: 'request_refused', detail: String })
    t.equal(world.simulator.besideCredentials(world.app.clientId), undefined)
  })
}

t.test('a former secret that cannot be ended is tried again, and said', async (t) => {
  const { broker, simulator, app, deployer, later } = await secretive(t)
  const id = await stageKey(broker)
  await deploy(broker, id)
  await phaseIs(broker, id, 'activated')
  simulator.updateUser(deployer, { mayStageCredentials: false })
  later(QUIET_MS)
  const waiting = await eventually(async () => {
    const deployment = await deploymentOf(broker, id)
    return deployment.reason === null ? undefined : deployment
  })
  t.match(waiting, { phase: 'activated', reason: 'request_refused' })
  await eventually(() => broker.logs().includes('a deployment waits'))
  simulator.updateUser(deployer, { mayStageCredentials: true })
  later(3_600_000)
  await phaseIs(broker, id, 'retired')
  t.equal(simulator.besideCredentials(app.clientId), undefined)
})

t.test('what cannot be deployed is refused', async (t) => {
  const { broker, app } = await secretive(t)
  const active = await activeId(broker)
  t.match(await deploy(broker, active), { status: 409, body: { code: 'credential_state' } })
  const pending = await stageKey(broker)
  const by = { client_secret: 'A_SECRET_OF_MINE_1' }
  const { body } = await broker.call('POST', CREDENTIALS, { body: by })
  t.match(await deploy(broker, body.id), { status: 409, body: { code: 'credential_state' } })
  t.match(await deploy(broker, pending), { status: 409 }, 'there is no room beside a staged one')
  const another = await broker.call('POST', CREDENTIALS, { body: { generate: {} } })
  t.match(another, { status: 409, body: { code: 'credential_state' } })
  const ANY = { 'if-match': '*' }
  const patch = (name: string, changes: object) =>
    broker.call('PATCH', `/integrations/${name}`, { body: changes, headers: ANY })
  await broker.call('DELETE', `${CREDENTIALS}/${body.id}`)
  await patch('deployer', {
    grant: { client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  })
  t.match(await deploy(broker, pending), { status: 409, body: { detail: /own app/ } })
  await patch('billing', { deployment: null })
  const refused = await broker.call('POST', CREDENTIALS, { body: { generate: {} } })
  t.match(refused, { status: 422, body: { code: 'credential_invalid' } })
})

t.test('the former name of the member is taken, and answered by the new one', async (t: Test) => {
  const { broker, app } = await secretive(t)
  const rule = { through: 'deployer', app: app.apiName, rotate_every_days: 7 }
  const headers = { 'if-match': '*' }
  const path = '/integrations/billing'
  const patched = await broker.call('PATCH', path, {
    ...{ headers, body: { certificate_deployment: { rotate_every_days: 7 } } },
  })
  t.same(patched.body.deployment, rule)
  t.notOk('certificate_deployment' in patched.body)
  const { deployment, ...rest } = patched.body
  const put = await broker.call('PUT', path, {
    ...{ headers, body: { ...rest, certificate_deployment: deployment } },
  })
  t.match(put, { status: 200, body: { deployment: rule } })
  const gone = await broker.call('PATCH', path, {
    ...{ headers, body: { certificate_deployment: null } },
  })
  t.notOk('deployment' in gone.body)
})

t.test('who may not write the credentials of the deployer does not set it up', async (t) => {
  const { broker } = await secretive(t)
  const { call } = broker
  const keyOf = async (name: string, ...more: readonly string[]) => {
    const permissions = ['integrations:read', ...more]
    const body = { name, permissions, integrations: ['billing'] }
    return (await call('POST', '/api-keys', { body })).body.key
  }
  const key = await keyOf('writer', 'integrations:write', 'credentials:write')
  const headers = { 'if-match': '*' }
  for (const member of ['deployment', 'certificate_deployment']) {
    const body = { [member]: { app: 'Other' } }
    const refused = await call('PATCH', '/integrations/billing', { key, headers, body })
    t.match(refused, { status: 403, body: { code: 'caller_forbidden' } }, member)
  }
  const reader = await keyOf('reader')
  const body = { generate: {} }
  t.match(await call('POST', CREDENTIALS, { key: reader, body }), { status: 403 })
  const staged = await call('POST', CREDENTIALS, { key, body })
  t.equal(staged.status, 201)
  t.match(await deploy(broker, staged.body.id, { key: reader }), { status: 403 })
  const asked = await deploy(broker, staged.body.id, { key })
  t.equal(asked.status, 202, 'what is set up may be used')
  await phaseIs(broker, staged.body.id, 'activated')
})
