import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { createCallerCounts } from '../../src/usage/caller-counts.ts'
import { PRINCIPALS_MAX } from '../../src/usage/caller-days.ts'
import { testRuntime } from '../support/runtime.ts'
import { eachEngine } from '../support/store-engines.ts'

const DAY_MS = 86_400_000
const lease = { integration: 'billing', uid: 'u1' }
const integration = { name: 'billing', uid: 'u1' }

eachEngine(async (t, open) => {
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
      one.note('api-key:a', lease, clock.now)
      other.note('api-key:a', lease, clock.now)
      other.note('api-key:b', lease, clock.now)
      clock.now += 1
      await Promise.all([one.stop(), other.stop()])
    }
    t.strictSame(await one.read(integration), [
      { principal: 'api-key:a', firstAt, lastAt: firstAt + 29, count: 60 },
      { principal: 'api-key:b', firstAt, lastAt: firstAt + 29, count: 30 },
    ])
  })

  t.test('what is older than 30 days is forgotten', async (t) => {
    const { one, clock } = await replicas()
    one.note('api-key:old', lease, clock.now)
    one.note('api-key:both', lease, clock.now)
    await one.stop()
    clock.now += 31 * DAY_MS
    one.note('api-key:both', lease, clock.now)
    t.strictSame(await one.read(integration), [
      { principal: 'api-key:both', firstAt: clock.now, lastAt: clock.now, count: 1 },
    ])
  })

  t.test('an integration that was made anew begins anew', async (t) => {
    const { one, clock } = await replicas()
    one.note('api-key:a', lease, clock.now)
    await one.stop()
    t.strictSame(await one.read({ ...integration, uid: 'u2' }), [])
    one.note('api-key:b', { ...lease, uid: 'u2' }, clock.now)
    t.match(await one.read({ ...integration, uid: 'u2' }), [{ principal: 'api-key:b', count: 1 }])
  })

  t.test('keeps a bounded number of principals: those that read last', async (t) => {
    const { one, clock } = await replicas()
    for (let index = 0; index < PRINCIPALS_MAX + 5; index += 1) {
      clock.now += 1
      one.note(`api-key:${String(index).padStart(5, '0')}`, lease, clock.now)
    }
    const rows = await one.read(integration)
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
    counts.note('api-key:a', lease, Date.now())
    counts.note('api-key:a', { ...lease, integration: 'other' }, Date.now())
    t.match(await counts.read({ ...integration, name: 'other' }), [{ count: 1 }])
    t.equal(lost, 0)
    t.notOk(records.has('billing'))
    t.same(said, ['the counts of callers cannot be stored yet'])
    counts.note('api-key:a', lease, Date.now())
    lost = 20
    await counts.stop()
    t.match(await counts.read(integration), [{ principal: 'api-key:a', count: 2 }])
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
  counts.note('api-key:a', lease, Date.now())
  await counts.stop()
  counts.note('api-key:a', lease, Date.now())
  isAway = false
  t.match(await counts.read(integration), [{ principal: 'api-key:a', count: 2 }])
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
    counts.note('api-key:a', lease, Date.now())
    counts.note('api-key:a', { ...lease, integration: 'other' }, Date.now())
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
    counts.note('api-key:a', { ...lease, integration: `i${at}` }, Date.now())
  }
  await counts.stop()
  t.equal(stored.size, 120)
  t.equal(most, 50)
})
