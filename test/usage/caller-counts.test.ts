import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import type { AuditEvents } from '../../src/audit/event.ts'
import { createMacs } from '../../src/crypto/macs.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import { createEvents } from '../../src/runtime/events.ts'
import { tellAtTheEnd } from '../../src/store/integrity/unconfirmed.ts'
import type { Documents } from '../../src/store/store.ts'
import { createCallerCounts } from '../../src/usage/caller-counts.ts'
import { PRINCIPALS_MAX } from '../../src/usage/caller-days.ts'
import {
  ALL_NETWORKS_MAX,
  createNetworkNames,
  mergedNetworks,
  NETWORKS_MAX,
  noteAddress,
} from '../../src/usage/caller-networks.ts'
import { createMintHours } from '../../src/usage/mint-hours.ts'
import { newCallers, type Unusual } from '../../src/usage/unusual.ts'
import { testLog, testRuntime } from '../support/runtime.ts'
import { eachEngine } from '../support/store-engines.ts'

const DAY_MS = 86_400_000
const lease = { integration: 'billing', uid: 'u1' }
const integration = { name: 'billing', uid: 'u1' }
const HOUR_MS = 3_600_000
const HOME = '192.0.2.7'
/** A request that came without a proxy. */
const from = (ip: string) => ({ ip, raw: { socket: { remoteAddress: ip }, headers: {} } })
const keys = ['one', 'two'].map((id, at) => ({ id, key: new Uint8Array(32).fill(at) }))

eachEngine(async (t, open) => {
  /** Two replicas that watch, at noon of a day that the store has before it. */
  const watching = async () => {
    const { store, peer } = await open()
    const clock = { now: Math.ceil(Date.now() / DAY_MS) * DAY_MS + 12 * HOUR_MS }
    const setting = { isOn: true, isPlain: false, keys: keys.slice(0, 1) }
    const found: Unusual[] = []
    const replica = ({ documents }: Pick<typeof store, 'documents'>) =>
      createCallerCounts({
        ...{ documents, runtime: testRuntime({ now: () => clock.now }) },
        log: { warn: () => undefined },
        watch: {
          names: createNetworkNames(createMacs(setting.keys, 'test'), setting.isPlain),
          isOn: async () => setting.isOn,
          found: (_integration, unusual) => found.push(unusual),
        },
      })
    return {
      ...{ clock, setting },
      /** What both find in these reads, each of which both know and one counts. */
      async read(
        ...reads: readonly (readonly [principal: string, address: string, times?: number])[]
      ) {
        found.length = 0
        const both = [replica(store), replica(peer)]
        for (const [principal, address, times = 1] of reads) {
          for (let at = 0; at < times; at += 1) {
            both[at % 2]?.note(principal, lease, clock.now, from(address))
          }
        }
        await Promise.all(both.map((one) => one.stop()))
        return [...found]
      },
      async rows() {
        const { rows, withNetworks } = await replica(store).read(integration)
        return rows.map(withNetworks)
      },
      write: (body: object) =>
        store.documents.write('callers', 'billing', JSON.stringify(body), { expected: 'absent' }),
      body: async () => (await store.documents.read('callers', 'billing'))?.body ?? '',
    }
  }

  t.test('a caller is new after 30 days, and nobody is on the first day', async (t) => {
    const { clock, setting, read } = await watching()
    t.same(await read(['a', HOME, 2], ['b', HOME, 2]), [])
    clock.now += DAY_MS - 1
    t.same(await read(['c', HOME]), [], 'still the first day')
    clock.now += 1
    t.same(await read(['a', HOME, 2], ['d', HOME, 8]), [{ action: 'caller.new', principal: 'd' }])
    t.same(await read(['d', HOME]), [], 'told once')
    clock.now += 29 * DAY_MS
    t.same(await read(['d', HOME]), [])
    t.same(await read(['b', HOME, 2]), [{ action: 'caller.new', principal: 'b' }])
    setting.isOn = false
    t.same(await read(['e', HOME]), [], 'it is off for the integration')
    setting.isOn = true
    t.same(await read(['e', HOME]), [], 'counted meanwhile')
    clock.now += 60 * DAY_MS
    t.same(await read(['thief', HOME]), [{ action: 'caller.new', principal: 'thief' }], 'idle')
  })

  t.test('a network is new after 30 days, and not on the first day of its caller', async (t) => {
    const { clock, setting, read, body } = await watching()
    const networkOf = ([one]: readonly Unusual[]) =>
      one?.action === 'caller.new_network' ? one.network : undefined
    t.same(await read(['a', HOME], ['a', '198.51.100.1']), [])
    clock.now += DAY_MS
    const near = ['192.0.2.200', '::ffff:192.0.2.9', '198.51.100.2'] as const
    t.same(await read(...near.map((address) => ['a', address] as const)), [])
    const six = await read(['a', '2001:db8:0:1::1', 4])
    t.match(six, [{ action: 'caller.new_network', principal: 'a', network: /^[\w-]{16}$/ }])
    t.same(await read(['a', '2001:db8:0:1:ffff::2']), [], 'the same /64')
    t.not(networkOf(await read(['a', '2001:db8:0:2::1'])), networkOf(six))
    t.same(await read(['a', 'unknown'], ['a', `${HOME}:123`], ['a', '']), [], 'no address')
    t.notMatch(await body(), /192\.0\.2|198\.51|2001:db8/, 'none is stored')
    clock.now += 29 * DAY_MS
    t.same(await read(['a', HOME, 2]), [])
    t.equal((await read(['a', '198.51.100.1'], ['a', '2001:db8:0:1::1'])).length, 0)
    clock.now += 29 * DAY_MS
    await read(['a', HOME])
    clock.now += 2 * DAY_MS
    t.match(await read(['a', '198.51.100.1']), [{ action: 'caller.new_network' }])
    t.same(await read(['b', HOME]), [{ action: 'caller.new', principal: 'b' }])
    t.same(await read(['b', '198.51.100.1']), [], 'its first day')
    setting.isOn = false
    await read(['a', HOME])
    t.notMatch(await body(), 'networks', 'off: forgotten')
  })

  t.test('networks stay known when the sealing key or the setting changes', async (t) => {
    const { clock, setting, read, rows, body } = await watching()
    const networks = async () => {
      const all = (await rows()).find(({ principal }) => principal === 'a')?.networks ?? []
      return all.map(({ network }) => network)
    }
    await read(['a', HOME], ['a', '198.51.100.1'])
    t.match(await networks(), [/^[\w-]{16}$/, /^[\w-]{16}$/], 'as events name them')
    clock.now += DAY_MS
    setting.keys = keys.toReversed()
    t.same(await read(['a', HOME], ['a', '198.51.100.1']), [], 'the former key still opens')
    await read(['b', HOME])
    setting.isPlain = true
    t.same(await read(['a', HOME]), [])
    t.match(await body(), '192.0.2.0/24')
    t.match(await read(['a', '203.0.113.9']), [{ network: '203.0.113.0/24' }])
    const last = new Date(clock.now).toISOString().slice(0, 10)
    t.match((await rows())[0], {
      principal: 'a',
      networks: [
        { network: '192.0.2.0/24', lastOn: last },
        { network: '203.0.113.0/24', lastOn: last },
      ],
    })
    setting.isPlain = false
    t.notMatch(await networks(), [/\//], 'none is shown in plain text, though it is stored')
    t.same(await read(['a', '203.0.113.7']), [])
    t.notMatch(await body(), /192\.0\.2|203\.0/, 'hashed again')
    setting.keys = keys.slice(0, 1)
    t.same(await read(['a', '10.0.0.1']), [], 'nobody can tell without the key')
    clock.now += 30 * DAY_MS
    t.same(await networks(), [], 'of the last 30 days')
  })

  t.test('what a former release counted is known, and its days are compared', async (t) => {
    const { clock, read, write } = await watching()
    const at = clock.now - 2 * DAY_MS
    const day = { day: Math.floor(at / DAY_MS), firstAt: at, lastAt: at, count: 30 }
    await write({ uid: 'u1', counts: [['a', [day]]] })
    t.same(await read(['a', HOME, 299], ['b', HOME]), [{ action: 'caller.new', principal: 'b' }])
    t.match(await read(['a', HOME]), [{ action: 'caller.unusual_rate', reads: 300, usual: 30 }])
  })

  t.test('counts are kept once where the store does not confirm, or takes nothing', async (t) => {
    const { documents } = (await open()).store
    const away = new BrokerError('store_unavailable', 'Not now')
    const writing = (write: Documents['write']) => ({ ...documents, write })
    const unconfirmed = writing(async (...of) => {
      const written = await documents.write(...of)
      if (tellAtTheEnd(away)) return written
      throw away
    })
    const now = Date.now()
    const shared = { runtime: testRuntime({ now: () => now }), log: testLog() }
    const counts = createCallerCounts({ ...shared, documents: unconfirmed })
    counts.note('a', lease, now, from(HOME))
    for (const times of [1, 2, 3])
      t.match(await counts.read(integration), { rows: [{ count: 1 }] }, `${times}`)

    for (const some of [unconfirmed, writing(() => Promise.reject(away))]) {
      const events = createEvents<AuditEvents>()
      const hours = createMintHours({ ...shared, documents: some, events })
      const before = (await hours.read()).at(-1)?.minted ?? 0
      const by = { principal: null, requestId: null }
      events.emit('audit.recorded', {
        by,
        entry: { action: 'token.minted', integration: 'billing' },
      })
      for (const times of [1, 2, 3]) {
        t.equal((await hours.read()).at(-1)?.minted, before + 1, `${times}`)
      }
    }
  })

  t.test('of many networks none is new, and a bounded number is stored', async (t) => {
    const { clock, read, body } = await watching()
    await read(['a', HOME])
    clock.now += DAY_MS
    let told = 0
    for (let net = 0; net < NETWORKS_MAX + 20; net += 1) {
      told += (await read(['a', `10.0.${net}.1`])).length
    }
    t.equal(told, NETWORKS_MAX - 1)
    const [[, , marks]] = JSON.parse(await body()).networks
    t.equal(marks.length, NETWORKS_MAX)
  })

  t.test('ten times the busiest hour before is unusual, once a day', async (t) => {
    const { clock, read } = await watching()
    const rate = (reads: number, usual: number) => [
      { action: 'caller.unusual_rate', principal: 'a', reads, usual },
    ]
    t.same(await read(['a', HOME, 500]), [], 'the first day')
    clock.now += 31 * DAY_MS
    for (const count of [12, 20]) {
      t.notMatch(await read(['a', HOME, count]), [{ action: 'caller.unusual_rate' }])
      clock.now += DAY_MS
    }
    for (let half = 0; half < 2; half += 1) t.same(await read(['a', HOME, 99]), [])
    clock.now += HOUR_MS
    t.same(await read(['a', HOME, 199]), [], 'another hour')
    t.same(await read(['a', HOME, 1], ['b', HOME, 900]), [
      { action: 'caller.new', principal: 'b' },
      ...rate(200, 20),
    ])
    clock.now += HOUR_MS
    t.same(await read(['a', HOME, 5_000]), [], 'told today')
    clock.now += DAY_MS
    t.same(await read(['a', HOME, 5_000]), [], 'it did so before')
  })

  const replicas = async () => {
    const { store, peer } = await open()
    const clock = { now: Date.now() }
    const warnings: string[] = []
    const log = { warn: (_bindings: object, message: string) => warnings.push(message) }
    const [one, other] = [store, peer].map(({ documents }) =>
      createCallerCounts({ documents, runtime: testRuntime({ now: () => clock.now }), log }),
    )
    if (!one || !other) throw new Error('two replicas')
    return { one, other, clock, warnings, documents: store.documents }
  }

  t.test('the counts of two replicas add up, even when both write at once', async (t) => {
    const { one, other, clock } = await replicas()
    const firstAt = clock.now
    for (let index = 0; index < 30; index += 1) {
      one.note('api-key:a', lease, clock.now, from(HOME))
      other.note('api-key:a', lease, clock.now, from(HOME))
      other.note('api-key:b', lease, clock.now, from(HOME))
      clock.now += 1
      await Promise.all([one.stop(), other.stop()])
    }
    t.strictSame((await one.read(integration)).rows, [
      { principal: 'api-key:a', firstAt, lastAt: firstAt + 29, count: 60 },
      { principal: 'api-key:b', firstAt, lastAt: firstAt + 29, count: 30 },
    ])
  })

  t.test('what is older than 30 days is forgotten', async (t) => {
    const { one, clock } = await replicas()
    one.note('api-key:old', lease, clock.now, from(HOME))
    one.note('api-key:both', lease, clock.now, from(HOME))
    await one.stop()
    clock.now += 31 * DAY_MS
    one.note('api-key:both', lease, clock.now, from(HOME))
    t.strictSame((await one.read(integration)).rows, [
      { principal: 'api-key:both', firstAt: clock.now, lastAt: clock.now, count: 1 },
    ])
  })

  t.test('an integration that was made anew begins anew', async (t) => {
    const { one, clock } = await replicas()
    one.note('api-key:a', lease, clock.now, from(HOME))
    await one.stop()
    t.strictSame((await one.read({ ...integration, uid: 'u2' })).rows, [])
    one.note('api-key:b', { ...lease, uid: 'u2' }, clock.now, from(HOME))
    t.match(await one.read({ ...integration, uid: 'u2' }), {
      rows: [{ principal: 'api-key:b', count: 1 }],
    })
  })

  t.test('keeps a bounded number of principals: those that read last', async (t) => {
    const { one, clock } = await replicas()
    for (let index = 0; index < PRINCIPALS_MAX + 5; index += 1) {
      clock.now += 1
      one.note(`api-key:${String(index).padStart(5, '0')}`, lease, clock.now, from(HOME))
    }
    const { rows } = await one.read(integration)
    t.equal(rows.length, PRINCIPALS_MAX)
    t.equal(rows[0]?.principal, 'api-key:00005')
  })
})

t.test(
  'a lost race keeps its counts, holds up no others, and is tried again at the end',
  async (t) => {
    const records = new Map<string, { id: string; version: number; body: string }>()
    /** How many more writes of this one others are faster at. */
    let lost = 10
    const said: string[] = []
    const counts = createCallerCounts({
      documents: {
        read: async (_kind, id) => records.get(id),
        async write(_kind, id, body) {
          if (id === 'billing' && lost > 0) {
            lost -= 1
            return undefined
          }
          records.set(id, { id, version: 1, body })
          return records.get(id)
        },
      },
      runtime: testRuntime(),
      log: { warn: (_bindings, message) => said.push(message) },
    })
    counts.note('api-key:a', lease, Date.now(), from(HOME))
    counts.note('api-key:a', { ...lease, integration: 'other' }, Date.now(), from(HOME))
    t.match(await counts.read({ ...integration, name: 'other' }), { rows: [{ count: 1 }] })
    t.equal(lost, 0)
    t.notOk(records.has('billing'))
    t.same(said, ['the counts of callers cannot be stored yet'])
    counts.note('api-key:a', lease, Date.now(), from(HOME))
    lost = 20
    await counts.stop()
    t.match(await counts.read(integration), { rows: [{ principal: 'api-key:a', count: 2 }] })
    t.equal(said.length, 1, 'nothing was lost')
  },
)

t.test('counts wait for a store that is away, and are not lost', async (t) => {
  let isAway = true
  let body: string | undefined
  const documents = {
    async read() {
      if (isAway) throw new Error('away')
      return body === undefined ? undefined : { id: 'billing', version: 1, body }
    },
    async write(_kind: string, id: string, text: string) {
      body = text
      return { id, version: 1, body: text }
    },
  }
  const counts = createCallerCounts({
    documents,
    runtime: testRuntime(),
    log: { warn: () => undefined },
  })
  counts.note('api-key:a', lease, Date.now(), from(HOME))
  await counts.stop()
  counts.note('api-key:a', lease, Date.now(), from(HOME))
  isAway = false
  t.match(await counts.read(integration), { rows: [{ principal: 'api-key:a', count: 2 }] })
})

t.test(
  'counts that wait for the store are said once, and so is their loss at the end',
  async (t) => {
    const said: string[] = []
    const away = async () => {
      throw new Error('away')
    }
    const counts = createCallerCounts({
      documents: { read: away, write: away },
      runtime: testRuntime(),
      log: { warn: (bindings, message) => said.push(`${message} ${Object.keys(bindings)}`) },
    })
    counts.note('api-key:a', lease, Date.now(), from(HOME))
    counts.note('api-key:a', { ...lease, integration: 'other' }, Date.now(), from(HOME))
    for (let tries = 0; tries < 3; tries += 1) await t.rejects(counts.read(integration))
    await counts.stop()
    t.strictSame(said, [
      'the counts of callers cannot be stored yet err',
      'the last counts of callers were lost integrations',
    ])
  },
)

t.test('the counts of many integrations are written together, so many at once', async (t) => {
  let underway = 0
  let most = 0
  const stored = new Set<string>()
  const documents = {
    read: async () => undefined,
    async write(_kind: string, id: string, body: string) {
      underway += 1
      most = Math.max(most, underway)
      await nextTurn()
      underway -= 1
      stored.add(id)
      return { id, version: 1, body }
    },
  }
  const runtime = testRuntime()
  const counts = createCallerCounts({ documents, runtime, log: { warn: () => undefined } })
  for (let at = 0; at < 120; at += 1) {
    counts.note('api-key:a', { ...lease, integration: `i${at}` }, Date.now(), from(HOME))
  }
  await counts.stop()
  t.equal(stored.size, 120)
  t.equal(most, 50)
})

t.test('of very many callers none is new, and a bounded number of networks is kept', async (t) => {
  const now = 20_000 * DAY_MS
  const day = { day: now / DAY_MS, firstAt: now, lastAt: now, count: 1 }
  const reads = (others: number) => ({
    before: new Map(),
    fresh: new Map([['a', [day]]]),
    after: new Map(Array.from({ length: others }, (_, at) => [`${at}`, [day]] as const)),
  })
  const observed = { since: now - DAY_MS, now }
  t.equal(newCallers(reads(PRINCIPALS_MAX - 1), observed).length, 1)
  t.same(newCallers(reads(PRINCIPALS_MAX), observed), [])

  const names = createNetworkNames(createMacs(keys, 'test'), true)
  const seen = new Map()
  for (let at = 0; at < ALL_NETWORKS_MAX + 5; at += 1) {
    noteAddress(seen, `p${at >> 4}`, from(`10.${at >> 8}.${at & 255}.1`))
  }
  const first = mergedNetworks([], seen, { uid: 'u1', names, now })
  const kept = first.networks.flatMap(([, , marks]) => marks)
  t.ok(kept.length <= ALL_NETWORKS_MAX && kept.length > ALL_NETWORKS_MAX - 16)
  const other = new Map()
  noteAddress(other, 'p0', from('192.0.2.1'))
  const full = [...first.networks, ['z', now, Array(16).fill(['x', '', day.day])] as const]
  const later = { uid: 'u1', names, now: now + DAY_MS }
  t.equal(mergedNetworks(first.networks.slice(9), other, later).found.length, 0, 'learnt anew')
  t.equal(mergedNetworks(full, other, later).found.length, 0, 'too many')
  t.equal(mergedNetworks(full.slice(0, 9), other, later).found.length, 1)
})

t.test('networks are made of rows that are shown, and for no other', async (t) => {
  const at = Date.now()
  const day = { day: Math.floor(at / DAY_MS), firstAt: at, lastAt: at, count: 1 }
  const callers = ['a', 'b', 'c']
  const stored = (mark: readonly string[]) =>
    JSON.stringify({
      ...{ uid: 'u1', counts: callers.map((caller) => [caller, [day]]) },
      networks: callers.map((caller) => [caller, at, Array(9).fill([...mark, day.day])]),
    })
  const macs = createMacs(keys, 'test')
  let made = 0
  const counting = {
    ...macs,
    makeWith(keyId: string, text: string) {
      made += 1
      return macs.makeWith(keyId, text)
    },
  }
  const read = (mark: readonly string[]) =>
    createCallerCounts({
      documents: {
        read: async (_kind, id) => ({ id, version: 1, body: stored(mark) }),
        write: async () => undefined,
      },
      ...{ runtime: testRuntime(), log: testLog() },
      watch: {
        names: createNetworkNames(counting, false),
        ...{ isOn: async () => true, found: () => undefined },
      },
    }).read(integration)
  const plain = await read(['192.0.2.0/24', ''])
  t.notOk(plain.rows.some(({ networks }) => networks))
  t.equal(made, 0)
  const shown = plain.rows.slice(1, 2).map(plain.withNetworks)
  t.equal(made, 9)
  t.match(shown, [{ principal: 'b', networks: [{ network: /^[\w-]{16}$/ }] }])

  const hashed = await read(['hash', keys[0]?.id ?? ''])
  const texts = t.capture(JSON, 'stringify')
  t.equal(hashed.rows.map(hashed.withNetworks)[2]?.networks?.length, 9)
  t.equal(texts().length, 0, 'hashes stay as they are, so no text is made for new ones')
})

t.test('a request that came like the last one is not asked for its address', async (t) => {
  let asked = 0
  const behind = (peer: string, forwarded: string | undefined, ip: string) => ({
    get ip() {
      asked += 1
      return ip
    },
    raw: { socket: { remoteAddress: peer }, headers: { 'x-forwarded-for': forwarded } },
  })
  const seen = new Map()
  for (const [times, reader] of [
    [3, behind('10.0.0.1', undefined, '10.0.0.1')],
    [3, behind('10.0.0.1', '192.0.2.1', '192.0.2.1')],
    [3, behind('10.0.0.1', '192.0.2.2', '192.0.2.2')],
    [3, behind('10.0.0.2', '192.0.2.2', '192.0.2.3')],
  ] as const) {
    for (let turn = 0; turn < times; turn += 1) noteAddress(seen, 'a', reader)
  }
  t.equal(asked, 4)
  t.same([...seen.get('a').all], ['10.0.0.1', '192.0.2.1', '192.0.2.2', '192.0.2.3'])
})
