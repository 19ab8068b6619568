import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, startBroker } from '../support/broker.ts'
import { activeId, auditOf, CREDENTIALS, defineDeployable, phaseIs } from '../support/deployable.ts'
import { eventually } from '../support/eventually.ts'

t.setTimeout(120_000)

const DAY_MS = 86_400_000

t.test('with rotate_every_days nobody has to do anything', async (t) => {
  let daysLater = 0
  const now = () => Date.now() + daysLater * DAY_MS
  const simulator = await startSimulator({ now })
  t.teardown(() => simulator.stop())
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-auto-rotation-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const options = {
    loginHosts: [simulator.origins.myDomain],
    keyring: generateKeyring(Date.now()).reveal(),
    adminKey: newAdminKey(),
    dataDir,
    now,
  }
  /** A start is when it looks; the next look is an hour later. */
  const start = async (days: number) => {
    daysLater = days
    return startBroker(t, options)
  }

  const first = await start(0)
  await defineDeployable(t, simulator, first.call, { rotate_every_days: 30 })
  const formerId = await activeId(first)
  await first.stop()
  const early = await start(29)
  t.equal((await early.call('GET', '/tokens/billing')).status, 200)
  t.same(simulator.deployments(), [], 'not before it is time')
  await early.stop()

  const broker = await start(31)
  const id = await eventually(async () => {
    const active = await activeId(broker)
    return active === formerId ? undefined : active
  })
  t.match(await phaseIs(broker, id, 'activated'), { phase: 'activated' })
  t.equal(simulator.deployments().length, 1)
  const { certificate } = (await broker.call('GET', `${CREDENTIALS}/${id}`)).body
  t.equal(certificate.key_bits, 2048)
  const validDays = (Date.parse(certificate.not_after) - now()) / DAY_MS
  t.ok(validDays > 364 && validDays < 366, `${validDays}`)
  await eventually(() => auditOf(broker, id).length === 3)
  t.same(
    auditOf(broker, id).map(([action]) => action),
    ['credential.staged', 'credential.deployed', 'credential.activated'],
  )
  t.equal((await broker.call('GET', '/tokens/billing')).status, 200)
})

t.test(
  'a rotation that fails is tried again the next day, with the key that is there',
  async (t) => {
    let daysLater = 0
    const now = () => Date.now() + daysLater * DAY_MS
    const simulator = await startSimulator({ now })
    t.teardown(() => simulator.stop())
    const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-auto-rotation-'))
    t.teardown(() => rm(dataDir, { recursive: true, force: true }))
    const options = {
      loginHosts: [simulator.origins.myDomain],
      keyring: generateKeyring(Date.now()).reveal(),
      adminKey: newAdminKey(),
      dataDir,
      now,
    }
    const first = await startBroker(t, options)
    await defineDeployable(t, simulator, first.call, { rotate_every_days: 1 })
    await first.stop()
    simulator.configure({ metadataDeploy: { durationMs: 0, outcome: 'Failed' } })
    daysLater = 1.1
    const second = await startBroker(t, options)
    await eventually(() => second.logs().includes('a deployment failed'))
    t.equal((await second.call('GET', '/tokens/billing')).status, 200)
    await second.stop()
    simulator.configure({ metadataDeploy: { durationMs: 0, outcome: 'Succeeded' } })
    daysLater = 1.2
    const third = await startBroker(t, options)
    t.equal((await third.call('GET', '/tokens/billing')).status, 200)
    const { items } = (await third.call('GET', CREDENTIALS)).body
    const staged = items.find(({ state }: { state: string }) => state === 'staged')
    t.equal(simulator.deployments().length, 1)
    await third.stop()
    daysLater = 2.2
    const fourth = await startBroker(t, options)
    await phaseIs(fourth, staged.id, 'activated')
    t.equal(await activeId(fourth), staged.id)
  },
)
