import t from 'tap'
import { BrokerError } from '../../src/errors.ts'
import type { Entry, LeaseCache } from '../../src/tokens/lease-cache.ts'
import { createLeaseReader } from '../../src/tokens/lease-reader.ts'

const away = () => new BrokerError('store_unavailable', 'away')
const entry = (rev: number) => ({ rev, integration: { name: 'a' } }) as unknown as Entry

/** A store that is away, a memory that holds revision 1, and a reader between them. */
function readerOf() {
  let held: Entry | undefined = entry(1)
  let isHearing = false
  let answer = async (): Promise<Entry> => {
    throw away()
  }
  const cache: Partial<LeaseCache> = {
    known: () => held,
    silentForMs: () => (held ? 0 : Number.POSITIVE_INFINITY),
    begin: () => ({ epoch: 1, at: 0 }),
    fill: async (_ticket, look) => look as unknown as Entry,
    floor: () => 0,
  }
  const reader = createLeaseReader({
    cache: cache as LeaseCache,
    outcomes: { look: async () => (await answer()) as never },
    flights: { join: (_key, work) => ({ result: work(), joined: false }) },
    hearing: { isHearing: () => isHearing },
    monotonic: () => performance.now(),
    sleep: async () => undefined,
    storelessMs: 60_000,
  })
  return {
    reader,
    hang() {
      answer = () => new Promise(() => undefined)
    },
    /** That the integration changed, and what the store says of it now. */
    hear(change: () => Promise<Entry>) {
      held = undefined
      isHearing = true
      answer = change
    },
  }
}

t.test('memory serves while the store is away', async (t) => {
  const { reader } = readerOf()
  t.match(await reader.read('a', () => true), { entry: { rev: 1 }, isStoreless: true })
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
  t.match(await reading, { entry: { rev: 2 }, isStoreless: false })
  t.equal(tries, 3, 'with patience, for the store is heard')
})
