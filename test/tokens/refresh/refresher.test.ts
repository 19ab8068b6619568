import t, { type Test } from 'tap'
import { createRefresher } from '../../../src/tokens/refresh/refresher.ts'
import type { Lease, MintResult } from '../../../src/tokens/serve/lease.ts'
import type { Entry } from '../../../src/tokens/serve/lease-cache.ts'
import { credential } from '../../rotation/fixture.ts'
import { eventually } from '../../support/eventually.ts'
import { integrationOf } from '../../support/integrations.ts'
import { testRuntime } from '../../support/runtime.ts'

const POINT = 1_000
/** Until the next lease is due. */
const LATER_MS = 4_321
const LEASE = { mintedAt: 0, refreshAt: POINT, expiresAt: 100_000 } as Lease

const integration = (name: string) =>
  integrationOf({ name, credentials: [credential('cred_1', 'active')] })

/** A refresher whose leases are all due; each mint lasts until it is told to end. */
function start(t: Test, count: number, lateMs = 0) {
  const waiting = Array.from({ length: count }, (_, index) => `billing-${index}`)
  const slept: number[] = []
  const marked: number[] = []
  const ends: ((failure?: Error) => void)[] = []
  let most = 0
  let overs = 0
  const refresher = createRefresher({
    due: {
      async mark(_name, dueAt) {
        marked.push(dueAt)
      },
      unmark: async () => undefined,
      claim: async (limit) => ({ names: waiting.splice(0, limit), nextInMs: LATER_MS }),
      size: async () => ({ count: waiting.length, earliest: null }),
    },
    look: async (name) => ({ integration: integration(name), lease: LEASE }) as Entry,
    coordinator: {
      run: () => {
        const { promise, resolve, reject } = Promise.withResolvers<MintResult>()
        ends.push((failure) =>
          failure ? reject(failure) : resolve({ lease: LEASE, isFresh: true, isSaved: true }),
        )
        return { result: promise, joined: false }
      },
    },
    runtime: testRuntime({
      now: () => POINT + lateMs,
      async sleep(ms) {
        slept.push(ms)
        most = Math.max(most, refresher.activeCount())
        await new Promise((resolve) => setImmediate(resolve))
      },
    }),
    onRefreshed: () => undefined,
    outage: {
      report: (error) => t.fail(String(error)),
      over() {
        overs += 1
      },
    },
  })
  t.teardown(async () => {
    const stopped = refresher.stop()
    for (const end of ends) end()
    await stopped
  })
  refresher.start()
  return { refresher, slept, marked, ends, waiting, most: () => most, overs: () => overs }
}

t.test('leases that are due together are begun one after the other', async (t) => {
  const { slept, ends, waiting } = start(t, 5)
  await eventually(() => ends.length === 5 && waiting.length === 0)
  t.same(slept.slice(0, 5), [20, 20, 20, 20, 20])
  await eventually(() => slept.length > 5)
  t.equal(slept[5], LATER_MS, 'and then it waits for the next')
})

t.test('and faster once they have waited for long', async (t) => {
  const { slept, ends } = start(t, 5, 31_000)
  await eventually(() => ends.length === 5)
  t.equal(slept[3], 5)
})

t.test('one that is late because it failed hurries nobody', async (t) => {
  const { slept, ends, waiting, marked } = start(t, 1, 31_000)
  await eventually(() => ends.length === 1)
  ends[0]?.(new Error('refused'))
  await eventually(() => marked.length === 1)
  waiting.push('billing-0', 'billing-0')
  const from = slept.length
  await eventually(() => ends.length === 3)
  t.equal(
    slept.slice(from).find((ms) => ms !== LATER_MS && ms !== 5),
    20,
  )
})

t.test('sixteen at once, and the next as soon as one has ended', async (t) => {
  const { refresher, ends, waiting, most } = start(t, 20)
  await eventually(() => ends.length === 16)
  t.equal(waiting.length, 4)
  ends[0]?.()
  await eventually(() => ends.length === 17)
  t.equal(refresher.activeCount(), 16)
  t.equal(most(), 16)
})

t.test('an outage is over when a refresh came to its end, not when one began', async (t) => {
  const { slept, ends, overs } = start(t, 1)
  await eventually(() => ends.length === 1 && slept.length > 3)
  t.equal(overs(), 0, 'nor when nothing is due')
  ends[0]?.()
  await eventually(() => overs() === 1)
})

/** A refresher that waits; `nextInMs` is what the index says, and `claims` how often it was asked. */
function waitingFor(t: Test, state: { nextInMs: number; clock: number }) {
  const pauses: number[] = []
  let claims = 0
  const refresher = createRefresher({
    due: {
      mark: async () => undefined,
      unmark: async () => undefined,
      async claim() {
        claims += 1
        return { names: [], nextInMs: state.nextInMs }
      },
      size: async () => ({ count: 0, earliest: null }),
    },
    look: async () => undefined,
    coordinator: { run: () => ({ result: new Promise(() => undefined), joined: false }) },
    runtime: testRuntime({
      now: () => state.clock,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          pauses.push(ms)
          signal?.addEventListener('abort', () => resolve())
        }),
    }),
    onRefreshed: () => undefined,
    outage: { report: (error) => t.fail(String(error)), over: () => undefined },
  })
  t.teardown(refresher.stop)
  refresher.start()
  const settled = async () => {
    for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate)
    return claims
  }
  return { refresher, pauses, settled }
}

t.test('it reads the index again when the next lease is due, or an earlier one', async (t) => {
  const state = { nextInMs: 4_000.2, clock: 1_000 }
  const { refresher, pauses, settled } = waitingFor(t, state)
  t.equal(await settled(), 1)
  t.same(pauses, [4_001])
  refresher.expect(5_001)
  t.equal(await settled(), 1, 'a later one changes nothing')
  refresher.expect(3_000)
  state.clock = 3_000
  t.equal(await settled(), 2)
  t.same(pauses, [4_001, 4_001], 'for as long as the store says')
  refresher.heard()
  t.equal(await settled(), 3, 'another replica added one')
})

t.test(
  'it reads the index again when the clock of the store was set, and now and then',
  async (t) => {
    const state = { nextInMs: 3_600_000, clock: 1_000 }
    const { refresher, pauses, settled } = waitingFor(t, state)
    t.equal(await settled(), 1)
    t.same(pauses, [10_000])
    refresher.tick()
    t.equal(await settled(), 1)
    state.clock += 3_600_000
    refresher.tick()
    t.equal(await settled(), 2)
  },
)
