import t from 'tap'
import {
  activeId,
  auditOf,
  CREDENTIALS,
  deploy,
  deployable,
  deploymentOf,
  phaseIs,
  stageKey,
  statesOf,
} from '../support/deployable.ts'
import { eventually } from '../support/eventually.ts'

t.setTimeout(120_000)

t.test('a certificate is uploaded, proven and activated, and no caller notices', async (t) => {
  const { broker, simulator } = await deployable(t)
  simulator.configure({ metadataDeploy: { durationMs: 300, outcome: 'Succeeded' } })
  const before = (await broker.call('GET', '/tokens/billing')).body
  const formerId = await activeId(broker)
  const id = await stageKey(broker)
  const asked = await deploy(broker, id)
  t.match(asked, { status: 202, body: { credential: id, phase: 'requested', failed_in: null } })
  t.equal(asked.headers.get('location'), `${CREDENTIALS}/${id}/deployment`)
  t.match(asked.headers.get('etag'), /^".+"$/)
  const done = await phaseIs(broker, id, 'activated', 'failed')
  t.match(done, { phase: 'activated', reason: null, next_try_at: null, deploy_id: /^0Af/ })
  t.same(await statesOf(broker), { [id]: 'active', [formerId]: 'retired' })
  const after = (await broker.call('GET', '/tokens/billing')).body
  t.equal(after.token_id, before.token_id, 'the lease survived')
  t.match(simulator.deployments(), [{ status: 'Succeeded', checkOnly: false }])
  await eventually(() => auditOf(broker, id).length === 4)
  t.same(
    auditOf(broker, id).map(([action]) => action),
    ['staged', 'deploy_requested', 'deployed', 'activated'].map((what) => `credential.${what}`),
  )
  const refused = await broker.call('GET', '/tokens/deployer')
  t.match(refused, { status: 403, body: { code: 'caller_forbidden' } }, 'its token stays inside')
})

t.test('while it spreads it is proven again and again', async (t) => {
  let offsetMs = 0
  const now = () => Date.now() + offsetMs
  const propagation = { nodes: 4, minMs: 120_000, maxMs: 300_000 }
  const { broker } = await deployable(t, {
    simulator: { now, settings: { propagation } },
    broker: { now },
  })
  offsetMs += 301_000
  t.equal((await broker.call('GET', '/tokens/billing')).status, 200)
  const id = await stageKey(broker)
  await deploy(broker, id)
  const waiting = await eventually(async () => {
    const deployment = await deploymentOf(broker, id)
    return deployment.tries > 0 ? deployment : undefined
  })
  t.match(waiting, { phase: 'deployed', reason: 'credential_rejected', next_try_at: String })
  t.equal((await broker.call('GET', '/tokens/billing')).status, 200)
  t.match(
    await broker.call('DELETE', `${CREDENTIALS}/${id}`),
    { status: 409, body: { code: 'credential_state' } },
    'the key is not thrown away while its certificate is on its way',
  )
  offsetMs += 301_000
  await phaseIs(broker, id, 'activated')
  t.equal((await broker.call('GET', '/tokens/billing')).status, 200)
})

t.test('one that is under way is not begun twice, nor beside another', async (t) => {
  const { broker, simulator } = await deployable(t)
  simulator.configure({ metadataDeploy: { durationMs: 3_600_000, outcome: 'Succeeded' } })
  const formerId = await activeId(broker)
  const id = await stageKey(broker)
  await deploy(broker, id)
  const under = await phaseIs(broker, id, 'uploaded', 'deploying')
  t.match(await deploy(broker, id), { status: 202, body: { deploy_id: under.deploy_id } })
  t.match(await deploy(broker, formerId), { status: 409, body: { code: 'credential_state' } })
  t.equal(simulator.deployments().length, 1)
  simulator.configure({ assertionsByWallClock: true })
  simulator.clock.advance(3_600_001)
  await phaseIs(broker, id, 'activated')
})

t.test('a flip by a mint is where it ends, too', async (t) => {
  const { app, broker, simulator } = await deployable(t)
  const fault = simulator.addFault({ kind: 'hold', endpoint: 'metadata', times: null })
  const id = await stageKey(broker)
  await deploy(broker, id)
  const { body } = await broker.call('GET', `${CREDENTIALS}/${id}`)
  await eventually(() => fault.holding() > 0)
  simulator.updateApp(app.clientId, { certificatePem: body.certificate.pem })
  t.equal((await broker.call('GET', '/tokens/billing')).status, 200)
  await eventually(async () => (await activeId(broker)) === id)
  fault.remove()
  await phaseIs(broker, id, 'activated')
  await eventually(() => auditOf(broker, id).some(([action]) => action === 'credential.deployed'))
  const activations = auditOf(broker, id).filter(([action]) => action === 'credential.activated')
  t.equal(activations.length, 1)
})
