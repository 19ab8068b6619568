/** The rows of `npm run bench -- faults` about a Redis that is slow. */
import type { Slowness } from '../test/support/fault-proxy.ts'
import { slowRedis } from './cases/slow-redis.ts'
import { onFleet, type Row, shareOk } from './fault-row.ts'

const PER_SECOND = 200
const SLOW_MS = 20_000

function slow(what: string, slowness: Slowness): Row {
  return {
    what: `Redis answers ${what} for 20 s, 3 replicas, ${PER_SECOND} requests/s`,
    must: '0 errors for tokens in memory, none waits a second; p99 under 50 ms once it is said, within 6 s; over within 3 s',
    run: onFleet({ replicas: 3, proxied: true }, async (fleet) => {
      const result = await slowRedis(fleet, { slowness, slowMs: SLOW_MS, perSecond: PER_SECOND })
      const { seen, slowestMs, p50Ms, p99Ms, saidAfterMs, overAfterMs } = result
      const errors = seen.length - shareOk(seen)
      return {
        shown: `${errors} errors of ${seen.length}, the slowest ${slowestMs} ms; \`slow\` said after ${saidAfterMs} ms, then p50 ${p50Ms} ms, p99 ${p99Ms} ms; over after ${overAfterMs} ms`,
        holds:
          errors === 0 &&
          slowestMs < 1_000 &&
          p99Ms < 50 &&
          saidAfterMs < 6_000 &&
          overAfterMs < 3_000,
      }
    }),
  }
}

export const SLOW: readonly Row[] = [
  slow('late by 500 ± 400 ms', { delayMs: () => 100 + Math.random() * 800 }),
  slow('5 bytes at a time', { delayMs: () => 25, pieceBytes: 5 }),
]
