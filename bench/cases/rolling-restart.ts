/** Replicas behind a load balancer are replaced one after the other, under load. */
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../../test/support/eventually.ts'
import type { Fleet } from '../../test/support/fleet.ts'
import { type BalancerMode, startBalancer } from '../../test/support/haproxy.ts'
import { percentile, type Seen, startLoad } from '../../test/support/load.ts'

export interface RollingRestartOptions {
  readonly names: readonly string[]
  readonly perSecond: number
  /** How often each replica is restarted. */
  readonly rounds: number
  /**
   * As the chart has it: the balancer takes the replica out, and for so long it goes on serving before
   * `SIGTERM`. Undefined: `SIGTERM` comes unannounced, and the balancer finds out by itself.
   */
  readonly preStopMs: number | undefined
  readonly mode: BalancerMode
}

export interface RollingRestart {
  readonly requests: number
  /** Other answers than a token, and none. A balancer may send on what met a closed port; callers never do. */
  readonly failed: readonly Seen[]
  readonly restarts: number
  readonly perSecond: number
  readonly p99Ms: number
  readonly slowestStopMs: number
}

/** So few that none is idle for long: HTTP/1.1 has no way to end an idle one that cannot meet a request. */
const CONNECTIONS = 8

interface Teardown {
  teardown(end: () => unknown): void
}

export async function rollingRestart(
  t: Teardown,
  fleet: Fleet,
  options: RollingRestartOptions,
): Promise<RollingRestart> {
  const { names, perSecond, rounds, preStopMs, mode } = options
  for (const name of names) {
    await fleet.integrate(name)
    await fleet.call('GET', `/tokens/${name}`)
  }
  const balancer = await startBalancer(t, fleet.urls(), mode)
  const startedAt = performance.now()
  const urls = () => [balancer.url]
  const load = startLoad({ names, perSecond, connections: CONNECTIONS, key: fleet.key, urls })
  const size = fleet.replicas.length
  let slowestStopMs = 0
  for (let turn = 0; turn < rounds * size; turn += 1) {
    const index = turn % size
    const replica = fleet.replica(index)
    if (preStopMs !== undefined) {
      await balancer.remove(index)
      await sleep(preStopMs)
    }
    slowestStopMs = Math.max(slowestStopMs, await replica.restart())
    await balancer.add(index, replica.url)
    await eventually(async () => (await balancer.serving()) === size)
  }
  const seen = await load.stop()
  const seconds = (performance.now() - startedAt) / 1_000
  return {
    requests: seen.length,
    failed: seen.filter(({ status, retries }) => status !== 200 || retries > 0),
    restarts: rounds * size,
    perSecond: Math.round(seen.length / seconds),
    p99Ms: percentile(seen, 0.99),
    slowestStopMs,
  }
}
