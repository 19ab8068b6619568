/** What `npm run bench -- faults` shows of rotations. */
import { CRASH_JOURNEYS } from './cases/crash-journeys.ts'
import { LIFETIME_SECONDS, rotationUnderLoad, rotationWithoutStore } from './cases/rotation.ts'
import { killAtEachPoint } from './cases/rotation-crash.ts'
import { codes, onFleet, type Row, shareOk } from './fault-row.ts'

export const ROTATION: readonly Row[] = [
  {
    what: 'a signing key is rotated under 300 requests/s, leases of 3 s, 20 s of mixed answers, 3 replicas',
    must: '0 errors, 0 waits over 1 s, one flip',
    run: onFleet({ replicas: 3, settings: { expiresIn: LIFETIME_SECONDS } }, async (fleet) => {
      const result = await rotationUnderLoad(fleet, {
        ...{ name: 'rotated', perSecond: 300, windowMs: 20_000 },
      })
      const { seen, flips, states, requests, refused } = result
      const errors = seen.length - shareOk(seen)
      const longest = Math.max(...seen.map(({ start, end }) => end - start))
      return {
        shown: `${codes(seen)}; longest wait ${longest} ms; ${flips} flip; ${refused} of ${requests} requests refused by Salesforce`,
        holds:
          errors === 0 &&
          longest <= 1_000 &&
          flips === 1 &&
          refused > 0 &&
          states.former === 'retired' &&
          states.staged === 'active',
      }
    }),
  },
  {
    what: 'the certificate of the app is replaced while Redis hangs for 15 s, leases of 3 s, 100 requests/s, 2 replicas',
    must: '0 errors, 0 waits over 1 s; the flip comes when Redis is back',
    run: onFleet(
      { replicas: 2, proxied: true, settings: { expiresIn: LIFETIME_SECONDS } },
      async (fleet) => {
        const { seen, flipAfterMs } = await rotationWithoutStore(fleet, {
          ...{ name: 'rotated', perSecond: 100, downMs: 15_000 },
        })
        const longest = Math.max(...seen.map(({ start, end }) => end - start))
        return {
          shown: `${codes(seen)}; longest wait ${longest} ms; the flip ${flipAfterMs} ms after its return`,
          holds: shareOk(seen) === seen.length && longest <= 1_000 && flipAfterMs <= 10_000,
        }
      },
    ),
  },
  ...Object.entries(CRASH_JOURNEYS).map(
    ([what, journey]): Row => ({
      what: `${what}, and the broker is killed (\`kill -9\`) after each write and at each request to Salesforce`,
      must: 'each time a legal state, which mints',
      async run(t) {
        const { killedAt, missed, wrong, hasEnded } = await killAtEachPoint(t, journey)
        return {
          shown: `killed at ${killedAt.length} points; ${wrong.length} illegal states or refused tokens`,
          holds: wrong.length === 0 && missed.length === 0 && hasEnded,
        }
      },
    }),
  ),
]
