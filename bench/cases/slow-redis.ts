/** Redis answers, and late, under load. */
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../../test/support/eventually.ts'
import type { Slowness } from '../../test/support/fault-proxy.ts'
import type { Fleet, Replica } from '../../test/support/fleet.ts'
import { percentile, type Seen, startLoad } from '../../test/support/load.ts'

export interface SlowRedis {
  /** Of all callers while it is slow. */
  readonly seen: readonly Seen[]
  /** Of all of them. */
  readonly slowestMs: number
  /** Of those that came when every replica had said so. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** From the beginning until every replica said so, and from the end until none did. */
  readonly saidAfterMs: number
  readonly overAfterMs: number
}

/** The fleet is proxied. */
export async function slowRedis(
  fleet: Fleet,
  { slowness, slowMs, perSecond }: { slowness: Slowness; slowMs: number; perSecond: number },
): Promise<SlowRedis> {
  const { key } = fleet
  await fleet.integrate('slow')
  for (const { call } of fleet.replicas) await call('GET', '/tokens/slow')
  const load = startLoad({ names: ['slow'], perSecond, key, urls: fleet.urls })
  const begunAt = Date.now()
  for (const { proxy } of fleet.replicas) proxy.slow(slowness)
  await eventually(() => all(fleet, (ok) => !ok))
  const saidAfterMs = Date.now() - begunAt
  await sleep(Math.max(0, begunAt + slowMs - Date.now()))
  const endedAt = Date.now()
  for (const { proxy } of fleet.replicas) proxy.slow(undefined)
  await eventually(() => all(fleet, (ok) => ok))
  const overAfterMs = Date.now() - endedAt
  const seen = (await load.stop()).filter(({ start }) => start >= begunAt && start < endedAt)
  const known = seen.filter(({ start }) => start >= begunAt + saidAfterMs)
  return {
    ...{ seen, saidAfterMs, overAfterMs },
    slowestMs: percentile(seen, 1),
    p50Ms: percentile(known, 0.5),
    p99Ms: percentile(known, 0.99),
  }
}

async function all({ replicas }: Fleet, is: (ok: boolean) => boolean): Promise<boolean> {
  const states = await Promise.all(replicas.map(isQuick))
  return states.every(is)
}

async function isQuick({ call }: Replica): Promise<boolean> {
  const { checks } = (await call('GET', '/readyz')).body
  return checks.find(({ name }: { name: string }) => name === 'store_speed').ok
}
