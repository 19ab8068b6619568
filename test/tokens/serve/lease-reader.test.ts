import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import { createReplicaCache, type ReadTicket } from '../../../src/store/replica-cache.ts'
import type { Look } from '../../../src/store/store.ts'
import { createStoreReads } from '../../../src/tokens/mint/retry.ts'
import type { Entry } from '../../../src/tokens/serve/lease-cache.ts'
import { createLeaseReader } from '../../../src/tokens/serve/lease-reader.ts'
import { entryOf, integrationOf, lookOf } from '../../support/integrations.ts'
import { testRuntime } from '../../support/runtime.ts'

const away = () => new BrokerError('store_unavailable', 'away')
const entry = (rev: number) =>
  entryOf({ rev, integration: integrationOf({ name: 'a' }), ticket: { epoch: rev, at: 0 } })

/** A store that is away, a memory that holds revision 1, and a reader between them. */
function readerOf() {
  let held: Entry | undefined = entry(1)
  let isCurrent = false
  let isSlow = false
  let answer = async (): Promise<Entry> => {
    throw away()
  }
  const memory = createReplicaCache<Entry>({
    stream: { isCurrent: () => isCurrent, epoch: () => 1, silentForMs: () => 0 },
    isSlow: () => isSlow,
    monotonic: () => performance.now(),
    ...{ degradedMs: 60_000, waitMs: 550 },
  })
  const cache = {
    ...memory,
    known: () => held,
    servable: () => held,
    fill: async (_ticket: ReadTicket, { integration }: Look) => entry(integration.rev),
    floor: () => 0,
  }
  const reader = createLeaseReader({
    cache,
    outcomes: {
      async look() {
        const { rev } = await answer()
        const { integration, ...look } = lookOf('a')
        return { ...look, integration: { ...integration, rev } }
      },
    },
    flights: { join: (_key, work) => ({ result: work(), joined: false }) },
    subscription: { onceChanged: () => () => undefined },
    isSlow: () => isSlow,
    runtime: testRuntime(),
    untilRead: createStoreReads({
      stream: { isCurrent: () => isCurrent },
      runtime: testRuntime({ monotonic: () => performance.now(), sleep: async () => undefined }),
      stopping: new AbortController().signal,
    }),
  })
  return {
    reader,
    hang() {
      answer = () => new Promise(() => undefined)
    },
    /** Or not so slow that it is not heard. */
    slowDown() {
      isCurrent = true
      isSlow = true
    },
    quicken() {
      isSlow = false
    },
    /** What memory holds from now on. */
    hold(other: Entry) {
      held = other
    },
    /** That the integration changed, and what the store says of it now. */
    hear(change: () => Promise<Entry>) {
      held = undefined
      isCurrent = true
      answer = change
    },
  }
}

t.test('memory serves while the store is away', async (t) => {
  const { reader } = readerOf()
  t.match(await reader.read('a', () => true), { entry: { rev: 1 }, isDegraded: true })
})

t.test('a change that is heard while memory is asked sends the reader to the store', async (t) => {
  const { reader, hear, hang } = readerOf()
  await reader.read('a', () => true)
  hang()
  // By now nobody waits for the store any more.
  const reading = reader.read('a', () => true)
  let tries = 0
  hear(async () => {
    tries += 1
    if (tries < 3) throw away()
    return entry(2)
  })
  t.match(await reading, { entry: { rev: 2 }, isDegraded: false })
  t.equal(tries, 3, 'it tries again, because changes of the store arrive')
})

t.test('memory that is another by then serves only if it is enough itself', async (t) => {
  const { reader, hold, hang } = readerOf()
  await reader.read('a', () => true)
  hang()
  const isFirst = ({ rev }: Entry) => rev !== 2
  const enough = reader.read('a', isFirst)
  hold(entry(3))
  t.match(await enough, { entry: { rev: 3 }, isDegraded: true })

  const short = reader.read('a', isFirst)
  hold(entry(2))
  const hung = new Promise((resolve) => setTimeout(resolve, 100, 'it waits for the store'))
  t.equal(await Promise.race([short, hung]), 'it waits for the store')
})

t.test('nobody waits for a store that is heard and slow, where memory is enough', async (t) => {
  const { reader, hang, slowDown } = readerOf()
  hang()
  slowDown()
  const started = performance.now()
  t.match(await reader.read('a', () => true), { entry: { rev: 1 } })
  t.ok(performance.now() - started < 100)
  const short = reader.read('a', () => false)
  const hung = new Promise((resolve) => setTimeout(resolve, 100, 'it waits for the store'))
  t.equal(await Promise.race([short, hung]), 'it waits for the store')
})

t.test('nobody waits a second for a store that is heard, where memory is enough', async (t) => {
  const { reader, hang, slowDown, quicken } = readerOf()
  hang()
  slowDown()
  quicken()
  const started = performance.now()
  t.match(await reader.read('a', () => true), { entry: { rev: 1 } })
  t.ok(performance.now() - started < 1_000)
})

t.test('a gap makes no other of it', async (t) => {
  const { reader, hold, hang } = readerOf()
  await reader.read('a', () => true)
  hang()
  let asked = 0
  const reading = reader.read('a', () => {
    asked += 1
    return asked === 1
  })
  const { ticket } = (await reader.read('a', () => true)).entry ?? entry(0)
  hold({ ...entry(1), ticket })
  t.match(await reading, { entry: { rev: 1 }, isDegraded: true })
})
