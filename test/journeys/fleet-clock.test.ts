/** Replicas whose machines do not agree on the time. */
import t from 'tap'
import { SHORT_LIVES } from '../../bench/cases/steady-load.ts'
import { clockArgs, WRONG_MS, wrongClocks } from '../../bench/cases/wrong-clocks.ts'
import { startFleet } from '../support/fleet.ts'
import { tally } from '../support/load.ts'

t.test('clocks that are five minutes wrong, or are set, serve no dead token', async (t) => {
  const fleet = await startFleet(t, {
    replicas: 3,
    settings: SHORT_LIVES,
    nodeArgs: [clockArgs(-WRONG_MS), clockArgs(0), clockArgs(WRONG_MS)],
  })
  const durationMs = 12_000
  const result = await wrongClocks(fleet, { durationMs, perSecond: 100 })
  t.ok(result.requests > 1_000, `${result.requests} requests`)
  t.same(tally(result.errors.map(({ status, code }) => `${status} ${code}`)), {})
  t.same(result.expired, [])
  // Two integrations, each refreshed after 70 % of six seconds at the earliest.
  t.ok(result.mints >= 4 && result.mints <= 10, `${result.mints} mints`)
  t.equal(result.refused, 0)
  for (const [replica, aheadSeconds] of [
    [0, -300],
    [2, 300],
  ] as const) {
    t.match(fleet.replica(replica).output(), new RegExp(`"aheadSeconds":${aheadSeconds},`))
  }
})
