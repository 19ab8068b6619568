import t from 'tap'
import { TURN_MS } from '../../src/connections/device-flow.ts'
import { createDevicePoller } from '../../src/connections/device-poller.ts'
import { sleep } from '../../src/runtime/runtime.ts'
import { eventually } from '../support/eventually.ts'
import { testLog, testRuntime } from '../support/runtime.ts'
import { enterCode } from '../support/salesforce-user.ts'
import { flows } from './fixture.ts'

const SECOND_MS = 1_000
const INTERVAL_MS = 5 * SECOND_MS

t.test('shows a code, asks in Salesforce’s own words, and connects', async (t) => {
  const { device, add, beginning, pollDue, pass, stateOf, kept, simulator, audited } =
    await flows(t)
  const begun = await device.begin(beginning(add('billing')))
  t.match(begun, {
    userCode: /^[A-Z2-9]{8}$/,
    verificationUri: `${simulator.origins.myDomain}/setup/connect`,
    connection: { flow: 'device', state: 'pending' },
  })
  t.equal(await pollDue(), 0, 'not before its interval')
  pass(INTERVAL_MS)
  t.equal(await pollDue(), 1)
  t.equal(await stateOf(begun.connection.id), 'pending')
  await enterCode(begun.verificationUri, begun.userCode)
  pass(INTERVAL_MS)
  await pollDue()
  t.equal(await stateOf(begun.connection.id), 'connected')
  t.match(kept, [{ name: 'billing', refreshToken: /^5Aep861/ }])
  t.match(audited, [{ action: 'integration.connected', integration: 'billing' }])
  const [asked, ...polls] = simulator.tokenRequests().map(({ form = {} }) => form)
  t.match(asked, { response_type: 'device_code' })
  t.equal(polls.length, 2)
  for (const form of polls) {
    t.same(Object.keys(form).sort(), ['client_id', 'code', 'grant_type'])
    t.equal(form.grant_type, 'device')
  }
  pass(INTERVAL_MS)
  t.equal(await pollDue(), 0, 'nothing is asked any more')
})

t.test('what was allowed is told, whatever the store did not acknowledge', async (t) => {
  for (const trouble of ['isClaimUnanswered', 'isScheduleAway'] as const) {
    const { device, add, beginning, pollDue, pass, stateOf, kept, audited, world } = await flows(t)
    const begun = await device.begin(beginning(add('billing')))
    await enterCode(begun.verificationUri, begun.userCode)
    pass(INTERVAL_MS)
    world[trouble] = true
    await pollDue().catch(() => undefined)
    t.equal(kept.length, 1)
    t.equal(await stateOf(begun.connection.id), 'connected', trouble)
    t.match(audited, [{ action: 'integration.connected', integration: 'billing' }], trouble)
    world[trouble] = false
    pass(TURN_MS)
    await pollDue()
    pass(TURN_MS)
    t.equal(await pollDue(), 0, 'and nobody asks any more')
    t.equal(kept.length, 1)
    t.equal(audited.length, 1)
  }
})

t.test('slows down by five seconds for good, when Salesforce says so', async (t) => {
  const { device, add, beginning, pollDue, pass, simulator } = await flows(t)
  await device.begin(beginning(add('billing')))
  pass(INTERVAL_MS)
  simulator.refuseNext('slow_down')
  t.equal(await pollDue(), 1)
  pass(INTERVAL_MS)
  t.equal(await pollDue(), 0)
  pass(INTERVAL_MS)
  t.equal(await pollDue(), 1)
  pass(INTERVAL_MS)
  t.equal(await pollDue(), 0, 'and after another answer, too')
  pass(INTERVAL_MS)
  t.equal(await pollDue(), 1)
})

t.test('tells denied, expired, refused and changed from one another', async (t) => {
  const here = await flows(t)
  const { device, add, beginning, pollDue, pass, connections, simulator, world } = here
  const begin = (name: string) => device.begin(beginning(add(name)))
  const endOf = async (id: string) => (await connections.read(id))?.connection
  const denied = await begin('denied')
  await enterCode(denied.verificationUri, denied.userCode, { decision: 'deny' })
  pass(INTERVAL_MS)
  await pollDue()
  t.match(await endOf(denied.connection.id), { state: 'denied', sealed: null })

  const refused = await begin('refused')
  simulator.refuseNext('app_blocked')
  pass(INTERVAL_MS)
  await pollDue()
  t.match(await endOf(refused.connection.id), {
    state: 'failed',
    refusal: { reason: 'app_blocked' },
  })

  const changed = await begin('changed')
  world.integrations.delete('changed')
  const before = simulator.tokenRequests().length
  pass(INTERVAL_MS)
  await pollDue()
  t.match(await endOf(changed.connection.id), { state: 'failed', reason: 'integration_changed' })
  t.equal(simulator.tokenRequests().length, before)

  const late = await begin('late')
  pass(10 * 60 * SECOND_MS)
  await pollDue()
  t.match(await endOf(late.connection.id), { state: 'expired', reason: null })
  t.equal(await pollDue(), 0)

  simulator.configure({ deviceCodeLifetimeMs: 590 * SECOND_MS })
  const early = await begin('early')
  pass(595 * SECOND_MS)
  await pollDue()
  t.match(await endOf(early.connection.id), { state: 'expired' }, 'by Salesforce’s own count')
  const lost = await begin('lost')
  simulator.refuseNext('assertion_expired')
  pass(INTERVAL_MS)
  await pollDue()
  t.match(await endOf(lost.connection.id), { state: 'failed' }, 'long before its end')
})

t.test('outlives an outage of Salesforce, and asks less often meanwhile', async (t) => {
  const { device, add, beginning, pollDue, pass, simulator, stateOf, logged } = await flows(t)
  const { connection, verificationUri, userCode } = await device.begin(beginning(add('billing')))
  const outage = simulator.addFault({ kind: 'html', times: null })
  pass(INTERVAL_MS)
  t.equal(await pollDue(), 1)
  pass(INTERVAL_MS)
  t.equal(await pollDue(), 0)
  pass(INTERVAL_MS)
  t.equal(await pollDue(), 1)
  t.equal(logged.length, 2)
  outage.remove()
  await enterCode(verificationUri, userCode)
  pass(4 * INTERVAL_MS)
  await pollDue()
  t.equal(await stateOf(connection.id), 'connected')
})

t.test('of many replicas one asks; one that died is replaced', async (t) => {
  const { device, add, beginning, pass, now, schedule, simulator } = await flows(t)
  await device.begin(beginning(add('billing')))
  const due = async () => {
    const turns = []
    for await (const turn of schedule.turns()) if (turn.nextAt <= now()) turns.push(turn)
    return turns
  }
  pass(INTERVAL_MS)
  const [turn] = await due()
  if (!turn) throw new Error('nothing is due')
  const before = simulator.tokenRequests().length
  await Promise.all(Array.from({ length: 6 }, () => device.poll(turn)))
  t.equal(simulator.tokenRequests().length, before + 1)
  pass(INTERVAL_MS)
  const [next] = await due()
  if (!next) throw new Error('nothing is due')
  t.ok(await schedule.take(next), 'and then it dies')
  t.same(await due(), [])
  pass(TURN_MS)
  t.equal((await due()).length, 1)
})

t.test('the poller looks by itself, not while the audit is blocked, and stops', async (t) => {
  const { device, add, beginning, pass, schedule, stateOf, simulator } = await flows(t)
  const { connection, verificationUri, userCode } = await device.begin(beginning(add('billing')))
  let isBlocked = true
  let looks = 0
  const poller = createDevicePoller({
    schedule,
    flow: device,
    audit: {
      isBlocked() {
        looks += 1
        return isBlocked
      },
    },
    runtime: testRuntime({ sleep: (_ms, signal) => sleep(5, signal) }),
    log: testLog(),
  })
  poller.start()
  t.teardown(() => poller.stop())
  await enterCode(verificationUri, userCode)
  pass(INTERVAL_MS)
  await eventually(() => looks > 3)
  t.equal(simulator.tokenRequests().length, 1, 'only the request for the code')
  isBlocked = false
  await eventually(async () => (await stateOf(connection.id)) === 'connected')
  await poller.stop()
})
