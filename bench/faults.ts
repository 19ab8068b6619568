/** `npm run bench -- faults`: what goes wrong in a fleet of real processes on a real Redis, and what callers see of it. */
import { percentile } from '../test/support/load.ts'
import { AUDIT } from './audit-rows.ts'
import { coldHerd } from './cases/cold-herd.ts'
import { dueStorm } from './cases/due-storm.ts'
import { holderKilled, holderOvertaken, STALLED, STOPPED } from './cases/lock-holder.ts'
import { obedience, type Trouble } from './cases/obedience.ts'
import { type OutageKind, redisOutage } from './cases/redis-outage.ts'
import { refreshAhead } from './cases/refresh-ahead.ts'
import { rejections } from './cases/rejections.ts'
import { salesforceDown } from './cases/salesforce-down.ts'
import { SPARSE_LIVES, sparseRefresh } from './cases/sparse-refresh.ts'
import { LIFE_MS, SHORT_LIVES, steadyLoad } from './cases/steady-load.ts'
import { clockArgs, WRONG_MS, wrongClocks } from './cases/wrong-clocks.ts'
import { CLOCK } from './clock-row.ts'
import { keepFaultResult } from './fault-results.ts'
import { codes, onFleet, type Row, shareOk } from './fault-row.ts'
import { PARTIAL } from './partial-rows.ts'
import { ROLLING } from './rolling-rows.ts'
import { ROTATION } from './rotation-rows.ts'
import { SENTINEL } from './sentinel-rows.ts'
import { SLOW } from './slow-rows.ts'
import { VAULT } from './vault-row.ts'

const CALLERS = 2_000
const PER_SECOND = 500
const DOWN_MS = 20_000

function outage(kind: OutageKind, what: string): Row {
  const isProxied = kind !== 'kill' && kind !== 'stop'
  // A connection that was made while the network was cut is itself cut.
  const normalSeconds = kind === 'cut' ? 5 : 1
  return {
    what: `${what}, 3 replicas, ${PER_SECOND} requests/s`,
    must: `0 errors for tokens in memory; p99 of hits under 50 ms; writes fail within 1 s; normal within ${normalSeconds} s of its return`,
    run: onFleet(
      { replicas: 3, proxied: isProxied, redisArgs: ['--appendonly', 'yes'] },
      async (fleet) => {
        const result = await redisOutage(fleet, { kind, downMs: DOWN_MS, perSecond: PER_SECOND })
        const { kept, crossing, noticedAfterMs, normalAfterMs, p99Ms, crossingMints } = result
        const errors = kept.length - shareOk(kept)
        const crossed = crossing.length - shareOk(crossing)
        const slowest = Math.max(...result.writes.map(({ tookMs }) => tookMs))
        return {
          shown: `${errors} errors of ${kept.length}; of ${crossing.length} for a lease that ended meanwhile ${crossed} errors, ${crossingMints} mints; p99 ${p99Ms} ms; said so after ${noticedAfterMs} ms; writes refused in at most ${slowest} ms; normal after ${normalAfterMs} ms`,
          holds:
            errors + crossed === 0 &&
            crossingMints <= 3 &&
            result.keptMints === 0 &&
            p99Ms < 50 &&
            slowest < 1_200 &&
            normalAfterMs < normalSeconds * 1_000 &&
            result.ends.size === 1,
        }
      },
    ),
  }
}

const ROWS: readonly Row[] = [
  {
    what: `4 replicas, ${CALLERS} concurrent cold callers of one integration`,
    must: '1 request at Salesforce, all answered with the same token',
    run: onFleet({ replicas: 4 }, async (fleet) => {
      const { seen, requests } = await coldHerd(fleet, {
        ...{ name: 'herd', callers: CALLERS, delayMs: 1_000 },
      })
      const tokens = new Set(seen.map(({ token }) => token)).size
      return {
        shown: `${requests} request; ${codes(seen)}; ${tokens} token; p99 ${percentile(seen, 0.99)} ms with 1,000 ms at Salesforce`,
        holds: requests === 1 && tokens === 1 && shareOk(seen) === CALLERS,
      }
    }),
  },
  {
    what: 'the same, Salesforce refuses permanently',
    must: 'at most 1 request in 30 s, clean problems',
    run: onFleet({ replicas: 4 }, async (fleet) => {
      const { seen, requests } = await coldHerd(fleet, {
        ...{ name: 'refused', callers: CALLERS, delayMs: 1_000 },
        refusal: 'user_not_admin_approved',
      })
      const clean = seen.filter(
        ({ status, code }) => (status === 424 || status === 503) && code === 'grant_refused',
      )
      return {
        shown: `${requests} request; ${codes(seen)}`,
        holds: requests <= 1 && clean.length === CALLERS,
      }
    }),
  },
  {
    what: 'the lock holder is killed (`kill -9`) during the mint',
    must: 'others answer within 5 s; at most 2 requests',
    run: onFleet({ replicas: 3 }, async (fleet) => {
      const { seen, requests, tookMs } = await holderKilled(fleet, 'killed', 100)
      return {
        shown: `${codes(seen)} within ${tookMs} ms; ${requests} requests`,
        holds: shareOk(seen) === 100 && tookMs <= 5_000 && requests <= 2,
      }
    }),
  },
  ...[
    { absence: STOPPED, how: 'is stopped (SIGSTOP) past the end of its lock, then continued' },
    { absence: STALLED, how: 'loses Redis, which gets its write last of all' },
  ].map(({ absence, how }) => ({
    what: `the lock holder ${how}`,
    must: 'its write is fenced off; no older lease replaces a newer one',
    run: onFleet({ replicas: 2, proxied: true }, async (fleet) => {
      const { newer, older, after, stored } = await holderOvertaken(fleet, 'overtaken', absence)
      const stale = after.filter((one) => one !== newer).length
      return {
        shown: `${stale} of ${after.length} later answers with the older token; the store holds the ${stored === newer ? 'newer' : 'older'}`,
        holds: stale === 0 && stored === newer && newer !== older,
      }
    }),
  })),
  {
    what: `${PER_SECOND} requests/s for 10 lifetimes of ${LIFE_MS / 1_000} s, 3 replicas, one restarted every 5 s`,
    must: '0 errors, 0 expired tokens, 0 callers that waited for a mint after the first',
    run: onFleet({ replicas: 3, settings: SHORT_LIVES }, async (fleet) => {
      const load = await steadyLoad(fleet, {
        ...{ names: ['a', 'b'], lifetimes: 10, perSecond: PER_SECOND, restartEveryMs: 5_000 },
      })
      const { requests, errors, expired, waited, restarts, retried, mints, p99Ms } = load
      return {
        shown: `of ${requests} requests ${errors.length} errors, ${expired.length} expired, ${waited.length} waited; ${restarts} restarts, ${mints} mints; ${retried} sent to another replica, as by a load balancer; p99 ${p99Ms} ms`,
        holds: errors.length + expired.length + waited.length === 0,
      }
    }),
  },
  ...ROLLING,
  outage('kill', 'Redis is killed (`kill -9`), and back after 20 s'),
  outage('stop', 'Redis hangs (SIGSTOP) for 20 s'),
  outage('cut', 'the network to Redis is cut without a word for 20 s'),
  {
    what: 'Redis is killed just after 20 leases were refreshed by one of 3 replicas each; nobody asks in between',
    must: '0 errors, 0 dead tokens',
    run: onFleet({ replicas: 3, settings: SPARSE_LIVES }, async (fleet) => {
      const { answers, dead } = await sparseRefresh(fleet, 20)
      const errors = answers.filter(({ status }) => status !== 200).length
      return {
        shown: `${errors} errors of ${answers.length}; ${dead} dead tokens`,
        holds: errors + dead === 0,
      }
    }),
  },
  {
    what: 'Salesforce is down for 5 minutes (of the broker’s clock) within a lease’s life',
    must: '0 errors; one warning with count',
    async run(t) {
      const { requests, errors, attempts, warnings, over, isRefreshed } = await salesforceDown(
        t,
        5_000,
      )
      const summary = over.map(({ msg, count }) => `“${msg}”, count ${count}`).join('; ')
      return {
        shown: `${errors} errors of ${requests}; ${attempts} attempts; ${warnings.length} warning; at the end ${summary}`,
        holds: errors === 0 && warnings.length === 1 && isRefreshed,
      }
    },
  },
  {
    what: '1,000 integrations due at once, 1 replica, 200 hits/s beside it',
    must: 'refreshed with at most 16 at once; p99 of hits within 2 × of idle',
    run: onFleet({ replicas: 1 }, async (fleet) => {
      const storm = await dueStorm(fleet, { count: 1_000, perSecond: 200, delayMs: 100 })
      return {
        shown: `at most ${storm.mostAtOnce} at once, all in ${(storm.tookMs / 1_000).toFixed(1)} s; hits ${storm.errors} errors, p50 ${storm.idle.p50} → ${storm.storm.p50} ms, p99 ${storm.idle.p99} → ${storm.storm.p99} ms`,
        holds:
          storm.mostAtOnce <= 16 && storm.errors === 0 && storm.storm.p99 <= 2 * storm.idle.p99,
      }
    }),
  },
  {
    what: '100 callers with `?rejected=` of the live id, Salesforce repeats the token',
    must: '1 request, 100 × 409; none within 30 s',
    run: onFleet({ replicas: 3 }, async (fleet) => {
      const { seen, requests, requestsAgain } = await rejections(fleet, {
        ...{ name: 'live', callers: 100, token: 'live' },
      })
      return {
        shown: `${requests} request; ${codes(seen)}; ${requestsAgain} when asked again`,
        holds:
          requests === 1 &&
          requestsAgain === 0 &&
          seen.every(({ code }) => code === 'token_still_live'),
      }
    }),
  },
  {
    what: 'clocks 5 minutes slow, right and fast; the right one is set forward meanwhile',
    must: 'no expired token, no refusal loop',
    run: onFleet(
      {
        replicas: 3,
        settings: SHORT_LIVES,
        nodeArgs: [clockArgs(-WRONG_MS), clockArgs(0), clockArgs(WRONG_MS)],
      },
      async (fleet) => {
        const result = await wrongClocks(fleet, { durationMs: 30_000, perSecond: 200 })
        const { requests, errors, expired, mints, refused } = result
        return {
          shown: `of ${requests} requests ${errors.length} errors, ${expired.length} expired; ${mints} mints in 30 s of 6 s lives and 2 integrations, ${refused} refused`,
          holds: errors.length + expired.length + refused === 0 && mints <= 20,
        }
      },
    ),
  },
  {
    what: 'a change (revoke, disable, delete, new client) on one of 3 replicas; one paused 5 s, or deaf to changes',
    must: 'obeyed by all 1 s after its acknowledgement',
    run: onFleet({ replicas: 3, proxied: true }, async (fleet) => {
      let checked = 0
      let violations = 0
      let degraded = 0
      for (const trouble of ['none', 'paused', 'deaf'] satisfies Trouble[]) {
        const result = await obedience(fleet, trouble, 300)
        checked += result.checked
        violations += result.violations.length
        degraded += result.degraded.length
      }
      return {
        shown: `${violations} old answers of ${checked}; ${degraded} by a replica that said \`store-unreachable\``,
        holds: violations === 0,
      }
    }),
  },
  {
    what: 'refresh-ahead, 20 integrations kept warm and 20 forgotten, 2 replicas',
    must: 'within 250 ms of its point; only what is used or kept warm',
    run: onFleet({ replicas: 2, settings: SHORT_LIVES }, async (fleet) => {
      const { lateMs, forgottenMints } = await refreshAhead(fleet, {
        ...{ prefix: 'ahead', count: 20, durationMs: 30_000 },
      })
      const most = lateMs.at(-1) ?? Number.NaN
      const median = lateMs[Math.floor(lateMs.length / 2)] ?? Number.NaN
      return {
        shown: `${lateMs.length} refreshes, late by ${median} ms (median), ${most} ms (most); ${Math.max(...forgottenMints)} mints at most of a forgotten one`,
        holds: most <= 250 && Math.max(...forgottenMints) <= 2,
      }
    }),
  },
  ...PARTIAL,
  ...SLOW,
  CLOCK,
  ...SENTINEL,
  ...ROTATION,
  VAULT,
  ...AUDIT,
]

/** Lines of a Markdown table. `only`: rows that have one of these texts in their name. */
export async function benchFaults(only: readonly string[] = []): Promise<readonly string[]> {
  const lines = ['| case | must show | measured | holds |', '|---|---|---|---|']
  const order = ROWS.map(({ what }) => what)
  for (const { what, must, run } of ROWS) {
    if (only.length > 0 && !only.some((text) => what.includes(text))) continue
    const ends: (() => unknown)[] = []
    try {
      const result = await run({ teardown: (end) => void ends.unshift(end) })
      keepFaultResult({ what, must }, result, order)
      const { shown, holds } = result
      lines.push(`| ${what} | ${must} | ${shown} | ${holds ? 'yes' : '**no**'} |`)
    } finally {
      for (const end of ends) await end()
    }
    console.error(lines.at(-1))
  }
  return lines
}
