import t from 'tap'
import type { AppSeed } from '../../simulator/handle.ts'
import { eventually } from '../support/eventually.ts'
import { type Replica, startFleet } from '../support/fleet.ts'
import {
  ageBy,
  integrateConnected,
  presentedTo,
  reconnect,
  SETTLE_MS,
} from '../support/refresh-tokens.ts'
import { scrape } from '../support/scrape.ts'

/** Two real brokers, and a Redis that forgets nothing. */
const fleet = await startFleet(t, {
  replicas: 2,
  proxied: true,
  metered: true,
  redisArgs: ['--appendonly', 'yes', '--appendfsync', 'always'],
})
const { simulator, redis } = fleet
const first = fleet.replica(0)
const second = fleet.replica(1)

const tokenOf = (replica: Replica, name: string) => replica.call('GET', `/tokens/${name}`)
const statusOf = async (name: string) =>
  (await second.call('GET', `/integrations/${name}`)).body.status

/** Asks the first replica, and goes on once Salesforce has the request in its hands. */
async function heldAt(app: AppSeed, name: string, spoiler?: 'reset') {
  const held = simulator.addFault({ kind: 'hold', clientId: app.clientId })
  // Held and then reset: Salesforce never saw to it.
  if (spoiler) simulator.addFault({ kind: spoiler, clientId: app.clientId })
  const asked = tokenOf(first, name).catch(() => undefined)
  await eventually(() => held.holding() === 1)
  return { asked, release: () => held.remove() }
}

const answered = (app: AppSeed) =>
  simulator
    .tokenRequests()
    .some(({ clientId, outcome }) => clientId === app.clientId && outcome !== undefined)

async function isLost(name: string, app: AppSeed) {
  const { status, body } = await tokenOf(second, name)
  t.equal(status, 503, `${name}: nobody presents it again while it is not settled`)
  t.equal(body.code, 'salesforce_unavailable')
  await ageBy(redis.url, name, SETTLE_MS)
  await eventually(async () => (await statusOf(name)).state === 'not_connected')
  t.match(await statusOf(name), { connection: { reason: 'answer_lost' } })
  t.equal((await tokenOf(second, name)).body.code, 'integration_not_connected')
  t.ok(await reconnect(simulator, second.call, name, app))
  t.equal((await tokenOf(second, name)).status, 200, `${name}: connected anew`)
}

/** Salesforce takes its time, all through what follows. */
const slow = await integrateConnected(fleet, 'slow')
const slowly = simulator.addFault({ kind: 'hold', clientId: slow.clientId })
const slowAnswer = tokenOf(second, 'slow')

t.test('killed while Salesforce is at it: lost, said so, counted, connected anew', async (t) => {
  const app = await integrateConnected(fleet, 'at-work')
  const { asked, release } = await heldAt(app, 'at-work')
  await first.kill()
  release()
  await asked
  await eventually(() => answered(app))
  await isLost('at-work', app)
  const { value } = await scrape(second.metricsPort)
  t.equal(value('valetkey_connections_lost_total', { reason: 'answer_lost' }), 1)
  await first.restart('SIGKILL')
})

t.test('killed before Salesforce saw to it: the other asks, and goes on with it', async (t) => {
  const app = await integrateConnected(fleet, 'unseen')
  const { asked, release } = await heldAt(app, 'unseen', 'reset')
  await first.kill()
  release()
  await asked
  t.equal((await tokenOf(second, 'unseen')).status, 503)
  await ageBy(redis.url, 'unseen', SETTLE_MS)
  const goesOn = eventually(async () => (await tokenOf(second, 'unseen')).status === 200)
  await Promise.all([goesOn, first.restart('SIGKILL')])
})

t.test('killed with the answer in its hands: lost, said so, connected anew', async () => {
  const app = await integrateConnected(fleet, 'in-hands')
  const { asked, release } = await heldAt(app, 'in-hands')
  first.proxy.set('cut', 'commands')
  release()
  await eventually(() => answered(app))
  await first.kill()
  await asked
  first.proxy.set('pass')
  await Promise.all([isLost('in-hands', app), first.restart('SIGKILL')])
})

t.test('cut off from Redis with the answer in its hands: keeps it until Redis hears', async (t) => {
  const app = await integrateConnected(fleet, 'waiting')
  const { asked, release } = await heldAt(app, 'waiting')
  first.proxy.set('reset', 'commands')
  release()
  await eventually(() => /is not stored yet/.test(first.output()))
  first.proxy.set('pass')
  t.equal((await asked)?.status, 200)
  t.equal((await tokenOf(second, 'waiting')).status, 200)
  t.match(await statusOf('waiting'), { connection: { state: 'connected' } })
})

t.test('Redis is killed and comes back while Salesforce is at it: nothing is lost', async (t) => {
  const app = await integrateConnected(fleet, 'restarted')
  const { asked, release } = await heldAt(app, 'restarted')
  await redis.kill('SIGKILL')
  release()
  await eventually(() => answered(app))
  await redis.restart()
  t.equal((await asked)?.status, 200)
  await eventually(async () => (await tokenOf(second, 'restarted')).status === 200)
})

t.test('told to end while Salesforce is at it: ends it first', async (t) => {
  const app = await integrateConnected(fleet, 'ending')
  const { asked, release } = await heldAt(app, 'ending')
  const restarted = first.restart('SIGTERM')
  await eventually(() => /"stopping"/.test(first.output()))
  release()
  t.equal((await asked)?.status, 200)
  await restarted
  t.equal((await tokenOf(second, 'ending')).status, 200)
  t.match(await statusOf('ending'), { connection: { state: 'connected' } })
})

t.test('stopped past the end of its lock: the other presents nothing', async (t) => {
  const app = await integrateConnected(fleet, 'asleep')
  const { asked, release } = await heldAt(app, 'asleep')
  first.signal('SIGSTOP')
  release()
  const { status } = await tokenOf(second, 'asleep')
  t.equal(status, 503)
  first.signal('SIGCONT')
  t.equal((await asked)?.status, 200)
  await eventually(async () => (await tokenOf(second, 'asleep')).status === 200)
})

t.test('slower than any caller waits: the answer that comes is kept and served', async (t) => {
  const { status, body } = await slowAnswer
  t.equal(status, 504)
  t.equal(body.code, 'salesforce_timeout')
  slowly.remove()
  await eventually(async () => (await tokenOf(second, 'slow')).status === 200)
  const requests = simulator.tokenRequests().filter(({ clientId }) => clientId === slow.clientId)
  t.equal(requests.length, 1)
})

t.test('and in all of this no refresh token was presented twice unasked', async (t) => {
  const { count, unasked, replays } = presentedTo(simulator)
  t.ok(count >= 10)
  t.same(unasked, [])
  t.equal(replays, 0)
})
