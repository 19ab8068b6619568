import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import { createRedisStore } from '../../src/store/redis/redis-store.ts'
import type { RedisEvent } from '../../src/store/redis-connection/connection.ts'
import type { Store } from '../../src/store/store.ts'
import { eventually } from '../support/eventually.ts'
import { array, bulk, handshake, type Reply, startFakeRedis } from '../support/fake-redis.ts'
import { ask, startRedis } from '../support/redis.ts'
import { monitorLines } from '../support/redis-monitor.ts'
import { content, lease } from '../support/store-engines.ts'

/** As Redis words them. */
const REFUSALS = {
  OOM: "OOM command not allowed when used memory > 'maxmemory'. script: canary, on @user_script:1.",
  READONLY: "READONLY You can't write against a read only replica. script: canary",
  LOADING: 'LOADING Redis is loading the dataset in memory',
  MISCONF: 'MISCONF Redis is configured to save RDB snapshots, but it is unable to persist on disk',
  NOAUTH: 'NOAUTH Authentication required.',
  NOPERM: 'NOPERM this user has no permissions to run the command canary',
  NOREPLICAS: 'NOREPLICAS Not enough good replicas to write.',
  BUSY: 'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
  MASTERDOWN: "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  CLUSTERDOWN: 'CLUSTERDOWN The cluster is down',
  EXECABORT: 'EXECABORT Transaction discarded because of previous errors.',
  WRONGTYPE: 'WRONGTYPE Operation against a key holding the wrong kind of value',
  NOSCRIPT: 'NOSCRIPT No matching script. Please use EVAL.',
  ERR: 'ERR canary went wrong',
} as const

/** What no Redis says in answer to these commands. */
const GARBAGE: Readonly<Record<string, Reply>> = {
  'a number': ':7\r\n',
  'a text': bulk('canary'),
  'an empty array': '*0\r\n',
  'a nested array': array(array(array(':1\r\n', bulk('canary')))),
  nulls: array('$-1\r\n', '$-1\r\n', '$-1\r\n', '$-1\r\n', '$-1\r\n'),
  'a status': '+CANARY\r\n',
  'an error without a code': '-canary\r\n',
  'an empty error': '-\r\n',
  'no protocol': '\u0000\u0001canary\r\n\r\n',
  HTTP: 'HTTP/1.1 400 Bad Request\r\nContent-Length: 6\r\n\r\ncanary',
  'an end': 'close',
}

const codeOf = (error: unknown) => (error instanceof BrokerError ? error.code : error)

/** Every operation of the port. */
const operations = (store: Store): Readonly<Record<string, () => Promise<unknown>>> => ({
  identity: () => store.identity(),
  now: () => store.now(),
  read: () => store.integrations.read('a'),
  readSealed: () => store.integrations.readSealed('a'),
  list: () => store.integrations.list({ limit: 10 }),
  create: () => store.integrations.create('a', 'u', content()),
  change: () => store.integrations.change('a', { uid: 'u', version: 1 }, content()),
  remove: () => store.integrations.remove('a', { uid: 'u', version: 1 }),
  look: () => store.outcomes.look('a'),
  save: () =>
    store.outcomes.save(
      'a',
      { uid: 'u', orev: 0 },
      { lease: lease({ tokenId: 'T', expiresAt: 1 }), dueAt: 1 },
    ),
  forgetRefusal: () => store.outcomes.forgetRefusal('a'),
  revoke: () => store.outcomes.revoke('T', 1),
  holders: () => store.outcomes.holders('T'),
  acquire: () => store.locks.acquire('a', 'me', 1),
  renew: () => store.locks.renew('a', 'me', 1),
  release: () => store.locks.release('a', 'me'),
  mark: () => store.due.mark('a', 1),
  claim: () => store.due.claim(1, 1),
  unmark: () => store.due.unmark('a'),
  size: () => store.due.size(),
  take: () => store.budgets.take([{ key: 'k', limit: 1, windowMs: 1_000 }]),
  takeUnderLock: () =>
    store.budgets.takeUnderLock([{ key: 'k', limit: 1, windowMs: 1_000 }], {
      ...{ name: 'a', owner: 'me', ttlMs: 1 },
      ...{ uid: 'u', version: 1, orev: 0 },
    }),
  used: () => store.budgets.used('k', 1_000),
  'documents.read': () => store.documents.read('k', 'd'),
  'documents.list': () => store.documents.list('k', { limit: 1 }),
  write: () => store.documents.write('k', 'd', 'canary', { expected: 'any' }),
  'documents.remove': () => store.documents.remove('k', 'd', 'any'),
  append: () => store.events.append(['canary'], 10),
  put: () => store.events.put([{ key: 'k', body: 'canary' }], 10),
  'events.read': () => store.events.read({ limit: 1 }),
  tail: () => store.changes.tail(),
  pulse: () => store.changes.pulse(true),
  wait: () => store.changes.wait('x/1/1-1', 10),
  'changes.read': () => store.changes.read('x/1/1-1'),
})

async function outcomeOf(operation: () => Promise<unknown>): Promise<unknown> {
  try {
    await operation()
    return undefined
  } catch (error) {
    return error
  }
}

async function storeThatIsTold(t: Test, reply: () => Reply, waitReplicas = 0) {
  const fake = await startFakeRedis((command) => handshake(command) ?? reply())
  t.teardown(() => fake.stop())
  const events: RedisEvent[] = []
  const store = await createRedisStore({
    connection: { url: new Secret(fake.url) },
    waitReplicas,
    onEvent: (event) => events.push(event),
  })
  t.teardown(() => store.close())
  // A connection on which the rights cannot be tried is not used, and the store says why.
  const ready = () =>
    eventually(
      async () => (await store.now().then(Boolean, isAnswered)) || store.trouble() !== undefined,
    )
  return { store, events, ready }
}

/** Whether the connection is there, whatever is said on it. */
const isAnswered = ({ cause }: { cause?: { code?: string } }) =>
  cause?.code !== 'CLOSED' && cause?.code !== 'OFFLINE'

/** What lies in the place of one record is no trouble of the store's. */
const READS_OF_ONE = ['read', 'readSealed', 'look', 'documents.read']

for (const [code, text] of Object.entries(REFUSALS)) {
  t.test(`${code} is store_unavailable for every operation`, async (t) => {
    const { store, events } = await storeThatIsTold(t, () => `-${text}\r\n`)
    for (const [name, operation] of Object.entries(operations(store))) {
      const error = await outcomeOf(operation)
      const isOfOne = code === 'WRONGTYPE' && READS_OF_ONE.includes(name)
      t.match(error, { code: isOfOne ? 'record_corrupt' : 'store_unavailable' }, name)
      t.notMatch(inspect(error, { depth: 9, showHidden: true }), /canary/, name)
    }
    t.notMatch(inspect(events, { depth: 9, showHidden: true }), /canary/)
  })
}

for (const [what, reply] of Object.entries(GARBAGE)) {
  t.test(`${what} in answer to everything is nobody's bug here`, async (t) => {
    const { store, events, ready } = await storeThatIsTold(t, () => reply)
    for (const [name, operation] of Object.entries(operations(store))) {
      if (reply !== 'close') await ready()
      const error = await outcomeOf(operation)
      if (error === undefined) continue
      t.type(error, BrokerError, name)
      t.match(error, { code: /^(store_unavailable|record_corrupt)$/ }, name)
      t.notMatch(inspect(error, { depth: 9, showHidden: true }), /canary/i, name)
    }
    t.notMatch(inspect(events, { depth: 9, showHidden: true }), /canary/i)
  })
}

t.test('a change that WAIT cannot confirm is not acknowledged', async (t) => {
  for (const answer of [':0\r\n', '-NOPERM no permissions to run wait\r\n', bulk('1'), '$-1\r\n']) {
    const fake = await startFakeRedis(([name = '', ...rest]) => {
      if (name === 'wait') return answer
      if (name === 'eval') return ':1\r\n'
      return handshake([name, ...rest]) ?? '-ERR\r\n'
    })
    t.teardown(() => fake.stop())
    const url = new Secret(fake.url)
    const store = await createRedisStore({
      connection: { url },
      waitReplicas: 1,
      onEvent: () => undefined,
    })
    t.teardown(() => store.close())
    const written = store.documents.write('k', 'd', '', { expected: 'any' })
    const confirmed = store.integrations.confirm()
    if (answer === bulk('1')) await Promise.all([written, confirmed])
    else {
      await t.rejects(written, { code: 'store_unavailable' }, answer)
      await t.rejects(confirmed, { code: 'store_unavailable' }, answer)
    }
  }
})

t.test(
  'finds Redis behind a Sentinel again that spoke of a failover while it was asked',
  async (t) => {
    const redis = await startRedis()
    t.teardown(() => redis.stop())
    const held: (() => void)[] = []
    let isHolding = false
    const address = array(bulk('127.0.0.1'), bulk(String(redis.port)))
    const sentinel = await startFakeRedis(([name = '', ...rest], socket) => {
      if (name === 'subscribe') return array(bulk('subscribe'), bulk('+switch-master'), ':1\r\n')
      if (name !== 'sentinel') return handshake([name, ...rest]) ?? '-ERR\r\n'
      if (rest[0]?.toLowerCase() === 'sentinels') return '*0\r\n'
      if (!isHolding) return address
      return new Promise((resolve) => {
        held.push(() => resolve(socket.destroyed ? '' : address))
      })
    })
    t.teardown(() => sentinel.stop())
    const store = await createRedisStore({
      connection: { url: new Secret(`redis+sentinel://127.0.0.1:${sentinel.port}/main/0`) },
      onEvent: () => undefined,
    })
    t.teardown(() => store.close())
    await eventually(() => store.now().then(Boolean, () => false))
    const listeners = [...sentinel.sockets]
    await eventually(() => listeners.length > 0)

    isHolding = true
    await redis.kill('SIGKILL')
    await eventually(() => held.length >= 2)
    for (const socket of listeners) {
      socket.write(array(bulk('message'), bulk('+switch-master'), bulk('main a 1 b 2')))
    }
    await redis.restart()
    isHolding = false
    for (const answer of held) answer()
    await eventually(() => store.now().then(Boolean, () => false))
    await eventually(() => store.changes.tail().then(Boolean, () => false))
  },
)

t.test(
  'records that are asked for in one turn are read in one script, in their order',
  async (t) => {
    const redis = await startRedis()
    t.teardown(() => redis.stop())
    const store = await createRedisStore({
      connection: { url: new Secret(redis.url) },
      onEvent: () => undefined,
    })
    t.teardown(() => store.close())
    const { integrations, outcomes, documents, budgets, custody } = store
    const names = Array.from({ length: 120 }, (_, at) => `n${at}`)
    const expiresAt = (await store.now()) + 60_000
    for (const name of names) {
      await integrations.create(name, `u-${name}`, content())
      const saved = lease({ tokenId: `T-${name}`, expiresAt })
      await outcomes.save(name, { uid: `u-${name}`, orev: 0 }, { lease: saved })
      await documents.write('subject', name, name, { expected: 'absent' })
      await budgets.take([{ key: name, limit: 9, windowMs: 60_000, amount: 2 }])
    }
    await ask(redis.port, (client) => client.set('vk:{vk}:o:odd', 'another type'))
    await integrations.create('odd', 'u', content())
    const lines = await monitorLines(t, redis.port)
    const of = <Found>(read: (name: string) => Promise<Found>) =>
      Promise.all([...names, 'absent', 'odd'].map((name) => read(name).catch(codeOf)))
    const [looks, subjects, used, sharers, records, custodies] = await Promise.all([
      of(outcomes.look),
      of((name) => documents.read('subject', name)),
      of((name) => budgets.used(name, 60_000)),
      of((name) => outcomes.sharers(`T-${name}`, 9)),
      of(integrations.read),
      of(custody.read),
    ])
    const sent = (await lines()).filter((line) => /^\+\S+ \[\d+ (?!lua\])/.test(line))
    // Two scripts for each kind of read, and what could not be read is read alone.
    t.ok(sent.length <= 13 + 6, `${sent.length} commands`)
    for (const [at, name] of names.entries()) {
      t.match(looks[at], { integration: { name }, outcome: { lease: { tokenId: `T-${name}` } } })
      t.match(subjects[at], { id: name, body: name })
      t.match(sharers[at], { count: 1, names: [name] })
      t.match(records[at], { name, uid: `u-${name}` })
    }
    t.same(new Set(used.slice(0, 120)), new Set([2]))
    t.same(used.slice(120), [0, 0])
    t.same([looks[120], subjects[120], records[120]], [undefined, undefined, undefined])
    t.equal(looks[121], 'record_corrupt')
    t.match(custodies, { length: 122, 0: { record: undefined } })

    const before = names.slice(0, 3).map((name) => documents.read('subject', name))
    const written = documents.write('subject', 'n0', 'later', { expected: 1 })
    t.same(
      (await Promise.all(before)).map((found) => found?.body),
      ['n0', 'n1', 'n2'],
      'a write leaves after the reads before it',
    )
    t.match(await written, { version: 2 })
  },
)
