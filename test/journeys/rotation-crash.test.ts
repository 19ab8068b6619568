import t from 'tap'
import { CRASH_JOURNEYS } from '../../bench/cases/crash-journeys.ts'
import { killAtEachPoint } from '../../bench/cases/rotation-crash.ts'

t.setTimeout(240_000)

/** Each point is two starts of a broker: the main ones with each run of the tests, and all with `VALETKEY_TEST_LONG=1`. */
const WHICH = process.env.VALETKEY_TEST_LONG === '1' ? 'every' : 'main'
/** Of 28 points; the bench has it, and `deployment-crash.test.ts` the four that matter. */
const LONG = 'a certificate is deployed'

for (const [what, journey] of Object.entries(CRASH_JOURNEYS)) {
  if (what === LONG) continue
  t.test(`${what}, and the broker is killed on the way`, async (t) => {
    const kills = await killAtEachPoint(t, journey, WHICH)
    const { points, killedAt, missed, wrong, hasEnded } = kills
    t.comment(`killed at ${killedAt.length} of ${points.length} points`)
    t.same(wrong, [])
    t.same(missed, [], `it was killed at ${killedAt.join(', ')}`)
    t.ok(points.length > 0)
    t.ok(hasEnded)
  })
}
