import t, { type Test } from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { createRedisStore } from '../../src/store/redis/redis-store.ts'
import type { RedisEvent } from '../../src/store/redis-connection/connection.ts'
import { eventually } from '../support/eventually.ts'
import { ask } from '../support/redis.ts'
import { startSentinel } from '../support/redis-sentinel.ts'
import { missingOf, startLoad } from '../support/store-load.ts'

/** Promised are 2 s more than the failover takes; the machine may be busy. */
const LATER_MS = 2_000 * 5
/** No operation waits longer: the time limit of a command (900 ms), and what a busy machine adds. */
const SLOWEST_MS = 5_000
const SETTLE_MS = 60_000

const servers = await startSentinel({ args: ['--appendonly', 'yes'] })
t.teardown(() => servers.stop())

async function loaded(t: Test, waitReplicas = 1) {
  await servers.settled(SETTLE_MS)
  const events: RedisEvent[] = []
  const store = await createRedisStore({
    connection: { url: new Secret(servers.url()) },
    prefix: `${t.name.replaceAll(/\W/g, '-').slice(0, 40)}:`,
    waitReplicas,
    onEvent: (event) => events.push(event),
  })
  t.teardown(() => store.close())
  const load = startLoad(store)
  t.teardown(() => load.stop())
  await load.worksAgain()
  await eventually(() => load.subscription.isCurrent() && load.heard.length > 0)
  return { store, load, events }
}

/** Until one that was a replica calls itself the master. Gives how long that took. */
async function promoted(from: number): Promise<number> {
  const start = performance.now()
  await eventually(async () => {
    for (const { port } of servers.nodes) {
      if (port === from) continue
      const role = await ask(port, (client) => client.call('ROLE'))
      if (Array.isArray(role) && role[0] === 'master') return true
    }
    return false
  }, SETTLE_MS)
  return performance.now() - start
}

/** What must hold whatever happened to the master. */
async function survives(t: Test, fault: (master: number) => Promise<() => Promise<void>>) {
  const { store, load } = await loaded(t)
  const master = await servers.master()
  const epoch = load.subscription.epoch()

  const failover = promoted(master.port)
  let healing: Promise<void> | undefined
  const mend = await fault(master.port)
  const heal = () => {
    healing ??= mend()
    return healing
  }
  // In any case, or the tests that follow would suffer, too.
  t.teardown(heal)
  const [failoverMs, againMs] = await Promise.all([
    failover,
    failover.then(() => load.worksAgain()),
  ])
  t.ok(againMs < LATER_MS, `writes were back ${Math.round(againMs)} ms after the failover`)
  t.comment(`failover ${Math.round(failoverMs)} ms, then writes after ${Math.round(againMs)} ms`)

  await eventually(() => load.subscription.isCurrent())
  t.not(load.subscription.epoch(), epoch, 'memory was distrusted')
  const heard = load.heard.length
  await eventually(() => load.heard.length > heard)

  await heal()
  await load.stop()
  t.same(
    [...load.errors.keys()].filter((code) => !code.startsWith('store_unavailable')),
    [],
  )
  t.comment(`${load.acknowledged.length} acknowledged; ${JSON.stringify([...load.errors])}`)
  t.ok(load.slowestMs() < SLOWEST_MS, `the slowest took ${Math.round(load.slowestMs())} ms`)
  await servers.settled(SETTLE_MS)
  await eventually(() => store.now().then(Boolean, () => false))
  t.equal(await missingOf(store, load.acknowledged), 0, 'no acknowledged write is lost')
}

const nodeAt = (port: number) => {
  const node = servers.nodes.find((one) => one.port === port)
  if (!node) throw new Error('No such node')
  return node
}

t.test('survives the death of the master', (t) =>
  survives(t, async (master) => {
    await nodeAt(master).kill('SIGKILL')
    return () => nodeAt(master).restart()
  }),
)

t.test('survives a master that hangs', (t) =>
  survives(t, async (master) => {
    await nodeAt(master).kill('SIGSTOP')
    return () => nodeAt(master).kill('SIGCONT')
  }),
)

/**
 * A failover that is forced while the master lives: what it acknowledges until it hears of it is
 * safe only on a replica that is promoted, so all of them must have it.
 */
t.test('leaves a master that was deposed', async (t) => {
  const { store, load } = await loaded(t, 2)
  const master = await servers.master()
  const epoch = load.subscription.epoch()
  const failover = promoted(master.port)
  await servers.failover()
  const failoverMs = await failover
  await eventually(() => load.subscription.epoch() !== epoch, SETTLE_MS)
  const againMs = await load.worksAgain()
  t.comment(`failover ${Math.round(failoverMs)} ms; both replicas after ${Math.round(againMs)} ms`)
  await load.stop()
  t.same(
    [...load.errors.keys()].filter((code) => !code.startsWith('store_unavailable')),
    [],
  )
  t.equal(await missingOf(store, load.acknowledged), 0, 'no acknowledged write is lost')
})

t.test('goes on while all Sentinels are down', async (t) => {
  const { load, events } = await loaded(t)
  for (const sentinel of servers.sentinels) await sentinel.kill('SIGKILL')
  const [before, epoch] = [load.acknowledged.length, load.subscription.epoch()]
  await eventually(() => load.acknowledged.length > before + 1_000, SETTLE_MS)
  t.same([...load.errors], [], '0 of 1,000')
  t.equal(load.subscription.epoch(), epoch)
  t.ok(load.subscription.isCurrent())
  const troubles = events.flatMap((event) => (event.type === 'error' ? [event.error] : []))
  const said = troubles.map(({ name, code }) => `${name} ${code}`)
  // A connection that was begun before a Sentinel died may time out first.
  const expected = ['Sentinel ECONNREFUSED', 'Sentinel ETIMEDOUT']
  t.same(
    said.filter((one) => !expected.includes(one)),
    [],
  )
  t.ok(said.includes('Sentinel ECONNREFUSED'))
  for (const one of expected) {
    const times = said.filter((other) => other === one).length
    t.ok(times <= 3, `${one} is said once for each connection, not ${times} times`)
  }
  for (const sentinel of servers.sentinels) await sentinel.restart()
  await load.worksAgain()
  t.same([...load.errors], [])
})
