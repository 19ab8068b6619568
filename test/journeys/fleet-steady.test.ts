/** Short leases under steady load: nobody waits, whoever is restarted. */
import t from 'tap'
import { refreshAhead } from '../../bench/cases/refresh-ahead.ts'
import { SHORT_LIVES, steadyLoad } from '../../bench/cases/steady-load.ts'
import { startFleet } from '../support/fleet.ts'
import { tally } from '../support/load.ts'

/** Between the latest refresh and the first reader who would wait is a tenth of it, which a busy machine may take. */
const LIFE_MS = 20_000

t.test(
  'no caller waits for a mint or gets a dead token while replicas are restarted',
  async (t) => {
    const fleet = await startFleet(t, {
      replicas: 3,
      settings: { ...SHORT_LIVES, sessionTimeoutMs: LIFE_MS },
    })
    const load = await steadyLoad(fleet, {
      names: ['a', 'b'],
      lifeMs: LIFE_MS,
      lifetimes: 2,
      perSecond: 100,
      restartEveryMs: 10_000,
    })
    t.ok(load.requests > 3_000, `${load.requests} requests`)
    t.ok(load.restarts >= 2, `${load.restarts} restarts`)
    t.ok(load.mints >= 4, `${load.mints} mints`)
    t.same(tally(load.errors.map(({ status, code }) => `${status} ${code}`)), {})
    t.same(load.expired, [])
    t.same(tally(load.waited.map(({ via }) => via)), {})
  },
)

t.test('only what is read, or kept warm, is refreshed, and in time', async (t) => {
  const fleet = await startFleet(t, { replicas: 2, settings: SHORT_LIVES })
  const { lateMs, warmMints, forgottenMints } = await refreshAhead(fleet, {
    prefix: 'ahead',
    count: 3,
    durationMs: 12_000,
  })
  t.ok(lateMs.length >= 3, `${lateMs.length} refreshes`)
  t.ok((lateMs.at(-1) ?? Number.NaN) < 2_000, lateMs.join())
  t.ok(
    warmMints.every((count) => count >= 3),
    warmMints.join(),
  )
  // The first caller waited, so it was in use once.
  t.same(forgottenMints, [2, 2, 2])
})
