/** Replacing every replica under load loses no request: `npm run bench -- faults` has the long form. */
import t from 'tap'
import { rollingRestart } from '../../bench/cases/rolling-restart.ts'
import { provideCommand, unlessProvided } from '../support/apt.ts'
import { startFleet } from '../support/fleet.ts'
import { tally } from '../support/load.ts'

const skip = unlessProvided(provideCommand('haproxy', console.error))

t.test('replicas behind a Service are replaced without a failed request', { skip }, async (t) => {
  const fleet = await startFleet(t, { replicas: 3 })
  const { failed, requests, restarts, slowestStopMs } = await rollingRestart(t, fleet, {
    ...{ names: ['a', 'b'], perSecond: 200, rounds: 1 },
    ...{ mode: 'tcp', preStopMs: 500 },
  })
  t.equal(restarts, 3)
  t.ok(requests > 500)
  const how = failed.map(({ retries, status, code }) =>
    retries > 0 ? 'the connection ended' : (code ?? status),
  )
  t.same(tally(how), {})
  t.ok(slowestStopMs < 10_000, `${slowestStopMs} ms`)
})
