import t from 'tap'
import { CRASH_JOURNEYS } from '../../bench/cases/crash-journeys.ts'
import { killAtEachPoint } from '../../bench/cases/rotation-crash.ts'

t.setTimeout(240_000)

/** Of 28 points; the bench has it, and `deployment-crash.test.ts` the four that matter. */
const LONG = 'a certificate is deployed'

for (const [what, journey] of Object.entries(CRASH_JOURNEYS)) {
  if (what === LONG) continue
  t.test(`${what}, and the broker is killed on the way`, async (t) => {
    const { points, killedAt, missed, wrong, hasEnded } = await killAtEachPoint(t, journey)
    t.same(wrong, [])
    t.same(missed, [], `it was killed at ${killedAt.join(', ')}`)
    t.ok(points.length > 0)
    t.ok(hasEnded)
  })
}
