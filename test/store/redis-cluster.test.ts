import t, { type Test } from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { createKeys } from '../../src/store/keys.ts'
import { createRedisStore } from '../../src/store/redis/redis-store.ts'
import { eventually } from '../support/eventually.ts'
import { ask, type RedisServer } from '../support/redis.ts'
import { startCluster } from '../support/redis-cluster.ts'
import { missingOf, startLoad } from '../support/store-load.ts'

/** Promised are 2 s more than the failover takes; the machine may be busy. */
const LATER_MS = 2_000 * 5
/** No operation waits longer: the time limit of a command (900 ms), and what a busy machine adds. */
const SLOWEST_MS = 5_000
const SETTLE_MS = 60_000

const servers = await startCluster({ args: ['--appendonly', 'yes'] })
t.teardown(() => servers.stop())
const KEY = createKeys('vk:').meta

async function loaded(t: Test) {
  await servers.settled(SETTLE_MS)
  const store = await createRedisStore({
    connection: { url: new Secret(servers.url()) },
    waitReplicas: 1,
    onEvent: () => undefined,
  })
  t.teardown(() => store.close())
  const load = startLoad(store)
  t.teardown(() => load.stop())
  await load.worksAgain()
  await eventually(() => load.subscription.isCurrent() && load.heard.length > 0)
  return { store, load, master: await servers.masterOf(KEY) }
}

async function isMaster({ port }: RedisServer): Promise<boolean> {
  const role = await ask(port, (client) => client.call('ROLE'))
  return Array.isArray(role) && role[0] === 'master'
}

/** What must hold whatever happened to the master. */
async function survives(
  t: Test,
  fault: (master: RedisServer) => Promise<unknown>,
  heal: (master: RedisServer) => Promise<unknown>,
  mayLose = true,
) {
  const { store, load, master } = await loaded(t)
  const [replica] = await servers.replicasOf(master)
  if (!replica) throw new Error('The master has no replica')
  const epoch = load.subscription.epoch()

  const start = performance.now()
  await fault(master)
  await eventually(() => isMaster(replica), SETTLE_MS)
  const failoverMs = performance.now() - start
  // Nobody is left to confirm what the new master has, until the former one is back.
  await eventually(
    () =>
      store.due.mark('a', 1).then(
        () => true,
        () => false,
      ),
    SETTLE_MS,
  )
  const againMs = performance.now() - start - failoverMs
  t.comment(`failover ${Math.round(failoverMs)} ms, then writes after ${Math.round(againMs)} ms`)
  t.ok(againMs < LATER_MS, `writes were back ${Math.round(againMs)} ms after the failover`)
  await heal(master)
  t.comment(`confirmed ones after ${Math.round(await load.worksAgain())} ms more`)

  await eventually(() => load.subscription.isCurrent())
  if (mayLose) t.not(load.subscription.epoch(), epoch, 'memory was distrusted')
  const heard = load.heard.length
  await eventually(() => load.heard.length > heard)
  await load.stop()
  t.comment(`${load.acknowledged.length} acknowledged; ${JSON.stringify([...load.errors])}`)
  t.same(
    [...load.errors.keys()].filter((code) => !code.startsWith('store_unavailable')),
    [],
  )
  t.notOk([...load.errors.keys()].some((code) => code.includes('CROSSSLOT')))
  t.ok(load.slowestMs() < SLOWEST_MS, `the slowest took ${Math.round(load.slowestMs())} ms`)
  t.equal(await missingOf(store, load.acknowledged), 0, 'no acknowledged write is lost')
}

t.test('survives the death of the master of its slot', (t) =>
  survives(
    t,
    (master) => master.kill('SIGKILL'),
    (master) => master.restart(),
  ),
)

t.test('survives a master that hangs', (t) =>
  survives(
    t,
    (master) => master.kill('SIGSTOP'),
    (master) => master.kill('SIGCONT'),
  ),
)

t.test('survives a failover that was asked for', (t) =>
  survives(
    t,
    async (master) => {
      const [replica] = await servers.replicasOf(master)
      await ask(replica?.port ?? 0, (client) => client.call('CLUSTER', 'FAILOVER'))
    },
    async () => undefined,
    // Master and replica agree on the moment, and nothing is between them.
    false,
  ),
)

t.test('does not notice the death of another master', async (t) => {
  const { load, master } = await loaded(t)
  const others = servers.nodes.filter((node) => node !== master)
  const masters = await Promise.all(others.map(isMaster))
  const other = others[masters.indexOf(true)]
  await other?.kill('SIGKILL')
  const before = load.acknowledged.length
  await eventually(() => load.acknowledged.length > before + 300, SETTLE_MS)
  await other?.restart()
  t.same([...load.errors], [])
})

t.test('follows its slot to another master', async (t) => {
  const { store, load, master } = await loaded(t)
  const others = servers.nodes.filter((node) => node !== master)
  const masters = await Promise.all(others.map(isMaster))
  const target = others[masters.indexOf(true)]
  if (!target) throw new Error('There is no other master')
  const start = performance.now()
  await moveSlot(master, target)
  t.comment(`the slot moved in ${Math.round(performance.now() - start)} ms`)
  const again = await load.worksAgain()
  t.comment(`writes were back ${Math.round(again)} ms after that`)
  t.ok(again < LATER_MS)
  await eventually(() => load.subscription.isCurrent())
  await load.stop()
  t.comment(`${load.acknowledged.length} acknowledged; ${JSON.stringify([...load.errors])}`)
  t.same(
    [...load.errors.keys()].filter((code) => !code.startsWith('store_unavailable')),
    [],
  )
  t.equal(await missingOf(store, load.acknowledged), 0, 'no acknowledged write is lost')
})

/** As `redis-cli --cluster reshard` does it. */
async function moveSlot(from: RedisServer, to: RedisServer): Promise<void> {
  const tell = async (node: RedisServer, ...command: readonly (string | number)[]) => {
    const [name = '', ...args] = command.map(String)
    const reply = await ask(node.port, (client) => client.call(name, ...args))
    if (reply === undefined) throw new Error(`${command.slice(0, 3).join(' ')} was refused`)
    return reply
  }
  const slot = Number(await tell(from, 'CLUSTER', 'KEYSLOT', KEY))
  const [source, target] = await Promise.all(
    [from, to].map(async (node) => String(await tell(node, 'CLUSTER', 'MYID'))),
  )
  await tell(to, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', source ?? '')
  await tell(from, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', target ?? '')
  for (;;) {
    const keys = await tell(from, 'CLUSTER', 'GETKEYSINSLOT', slot, 100)
    if (!Array.isArray(keys) || keys.length === 0) break
    await tell(from, 'MIGRATE', '127.0.0.1', to.port, '', 0, 5_000, 'REPLACE', 'KEYS', ...keys)
  }
  for (const node of [to, from]) await tell(node, 'CLUSTER', 'SETSLOT', slot, 'NODE', target ?? '')
}
