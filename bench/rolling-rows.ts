/** The rows of `npm run bench -- faults` about replacing every replica behind a load balancer. */
import { startFleet } from '../test/support/fleet.ts'
import { type RollingRestartOptions, rollingRestart } from './cases/rolling-restart.ts'
import { codes, type Row } from './fault-row.ts'

const PER_SECOND = 1_000
const ROUNDS = 7
const PRE_STOP_MS = 2_000

const rolling = (how: string, options: Pick<RollingRestartOptions, 'mode' | 'preStopMs'>): Row => ({
  what: `a rolling restart of 3 replicas behind HAProxy, ${ROUNDS} times over, ${PER_SECOND} requests/s, ${how}`,
  must: '0 failed requests; each replica stops within 10 s',
  async run(t) {
    const fleet = await startFleet(t, { replicas: 3 })
    const { failed, requests, perSecond, restarts, slowestStopMs, p99Ms } = await rollingRestart(
      t,
      fleet,
      { names: ['a', 'b'], perSecond: PER_SECOND, rounds: ROUNDS, ...options },
    )
    const which = failed.length > 0 ? ` (${codes(failed)})` : ''
    return {
      shown: `${failed.length} failed${which} of ${requests} at ${perSecond}/s, over ${restarts} restarts; slowest stop ${slowestStopMs} ms; p99 ${p99Ms} ms`,
      holds: failed.length === 0 && slowestStopMs < 10_000,
    }
  },
})

export const ROLLING: readonly Row[] = [
  rolling('by connection, as a Service balances', { mode: 'tcp', preStopMs: PRE_STOP_MS }),
  rolling('by request, as an ingress balances', { mode: 'http', preStopMs: PRE_STOP_MS }),
  rolling('by connection, and nobody is told before', { mode: 'tcp', preStopMs: undefined }),
]
