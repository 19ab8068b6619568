import t, { type Test } from 'tap'
import { createRefresher } from '../../../src/tokens/refresh/refresher.ts'
import type { Lease, MintResult } from '../../../src/tokens/serve/lease.ts'
import type { Entry } from '../../../src/tokens/serve/lease-cache.ts'
import { credential } from '../../rotation/fixture.ts'
import { eventually } from '../../support/eventually.ts'
import { integrationOf } from '../../support/integrations.ts'
import { testRuntime } from '../../support/runtime.ts'

const POINT = 1_000
const LEASE = { mintedAt: 0, refreshAt: POINT, expiresAt: 100_000 } as Lease

const integration = (name: string) =>
  integrationOf({ name, credentials: [credential('cred_1', 'active')] })

/** A refresher whose leases are all due; each mint lasts until it is told to end. */
function start(t: Test, count: number, lateMs = 0) {
  const waiting = Array.from({ length: count }, (_, index) => `billing-${index}`)
  const slept: number[] = []
  const ends: ((failure?: Error) => void)[] = []
  let most = 0
  let overs = 0
  const refresher = createRefresher({
    due: {
      mark: async () => undefined,
      unmark: async () => undefined,
      claim: async (limit) => waiting.splice(0, limit),
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
  return { refresher, slept, ends, waiting, most: () => most, overs: () => overs }
}

t.test('leases that are due together are begun one after the other', async (t) => {
  const { slept, ends, waiting } = start(t, 5)
  await eventually(() => ends.length === 5 && waiting.length === 0)
  t.same(slept.slice(0, 5), [20, 20, 20, 20, 20])
  await eventually(() => slept.length > 5)
  t.equal(slept[5], 150, 'and then it looks less often')
})

t.test('and faster once they have waited for long', async (t) => {
  const { slept, ends } = start(t, 5, 31_000)
  await eventually(() => ends.length === 5)
  t.equal(slept[3], 5)
})

t.test('one that is late because it failed hurries nobody', async (t) => {
  const { slept, ends, waiting } = start(t, 1, 31_000)
  await eventually(() => ends.length === 1)
  ends[0]?.(new Error('refused'))
  await eventually(() => slept.at(-1) === 150)
  waiting.push('billing-0', 'billing-0')
  const from = slept.length
  await eventually(() => ends.length === 3)
  t.equal(
    slept.slice(from).find((ms) => ms !== 150 && ms !== 5),
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
