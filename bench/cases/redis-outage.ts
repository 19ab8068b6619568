/** Redis goes away under load, in one of the ways in which it can, and comes back. */
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../../test/support/eventually.ts'
import type { Fleet } from '../../test/support/fleet.ts'
import { createAsker, percentile, type Seen, startLoad } from '../../test/support/load.ts'

/** `kill`: the process ends, and is started again. `stop`: it accepts, and never answers. `cut`, `stall`, `reset`: the network, see `FaultProxy`. */
export type OutageKind = 'kill' | 'stop' | 'cut' | 'stall' | 'reset'

export interface RedisOutageOptions {
  readonly kind: OutageKind
  readonly downMs: number
  readonly perSecond: number
}

export interface RedisOutage {
  /** Callers of an integration whose lease outlives the outage. */
  readonly kept: readonly Seen[]
  /** Callers of one whose lease ends meanwhile. */
  readonly crossing: readonly Seen[]
  /** Of all callers: those that came while Redis was away. */
  readonly during: readonly Seen[]
  /** How many of those that came later than this after the beginning were not told that the store is out of sight. */
  readonly untold: readonly Seen[]
  /** From the beginning until somebody was told so. */
  readonly noticedAfterMs: number
  /** From the return until nobody was told so any more. */
  readonly normalAfterMs: number
  readonly p99Ms: number
  /** Of the integration that outlives it. */
  readonly keptMints: number
  /** Of the other, from the beginning to the return. */
  readonly crossingMints: number
  /** Writes that were tried meanwhile. */
  readonly writes: readonly { readonly code: string | undefined; readonly tookMs: number }[]
  /** In the end: when the leases are over, by every replica and by the store. */
  readonly ends: ReadonlySet<string>
}

/** By then everybody knows: trust lasts one second. */
const TOLD_MS = 1_500
const WARM_MS = 1_000
const AFTER_MS = 5_000

const DEGRADED = 'detail=store-unreachable'

export async function redisOutage(fleet: Fleet, options: RedisOutageOptions): Promise<RedisOutage> {
  const { kind, downMs, perSecond } = options
  const { simulator, key } = fleet
  simulator.configure({ expiresIn: 'session', mintSlides: true })
  const names = { kept: `kept-${kind}`, crossing: `crossing-${kind}` }
  const kept = await fleet.integrate(names.kept)
  const crossing = await fleet.integrate(names.crossing, {
    // Long enough that the one minted meanwhile outlives the outage.
    app: { sessionTimeoutMs: Math.max(5_000, Math.ceil((downMs * 0.7) / 1_000) * 1_000) },
  })
  const asker = createAsker({ key })
  for (const url of fleet.urls()) {
    for (const name of Object.values(names)) await asker.ask([url], name)
  }
  const load = startLoad({
    ...{ names: Object.values(names), perSecond, key, urls: fleet.urls },
    judge: (token) => simulator.sessions().some((session) => session.token === token),
  })
  await sleep(WARM_MS)

  const mintsBefore = { kept: fleet.mints(kept), crossing: fleet.mints(crossing) }
  const downAt = Date.now()
  await breakRedis(fleet, kind)
  const writes: { code: string | undefined; tookMs: number }[] = []
  while (Date.now() < downAt + downMs) {
    const writeAt = Date.now()
    const { body } = await fleet.call('PUT', `/integrations/new-${kind}`, {
      body: { login_url: kept.loginUrl, grant: { type: 'client_credentials' } },
    })
    writes.push({ code: body.code, tookMs: Date.now() - writeAt })
    await sleep(Math.max(0, Math.min(1_000, downAt + downMs - Date.now())))
  }
  const backAt = await restoreRedis(fleet, kind)
  const crossingMints = fleet.mints(crossing) - mintsBefore.crossing
  await sleep(AFTER_MS)
  const seen = await load.stop()

  const read = await fleet.call('GET', `/integrations/${names.kept}`)
  const last = await Promise.all(fleet.urls().map((url) => asker.ask([url], names.kept)))
  await asker.close()
  const told = seen.filter(({ via }) => via.includes(DEGRADED))
  const during = seen.filter(({ start }) => start >= downAt && start < backAt)
  return {
    kept: seen.filter(({ name }) => name === names.kept),
    crossing: seen.filter(({ name }) => name === names.crossing),
    during,
    untold: during.filter(
      ({ start, end, via }) => start > downAt + TOLD_MS && end < backAt && !via.includes(DEGRADED),
    ),
    noticedAfterMs: Math.min(...told.map(({ start }) => start)) - downAt,
    normalAfterMs: Math.max(...told.map(({ end }) => end)) - backAt,
    p99Ms: percentile(
      during.filter(({ via }) => via.startsWith('valetkey; hit')),
      0.99,
    ),
    keptMints: fleet.mints(kept) - mintsBefore.kept,
    crossingMints,
    writes,
    ends: new Set([
      read.body.status.lease?.expires_at,
      ...last.map(({ expiresAt }) => new Date(expiresAt).toISOString()),
    ]),
  }
}

async function breakRedis({ redis, replicas }: Fleet, kind: OutageKind): Promise<void> {
  if (kind === 'kill') return redis.kill('SIGKILL')
  if (kind === 'stop') return redis.kill('SIGSTOP')
  for (const { proxy } of replicas) proxy.set(kind)
}

/** Gives the time at which it answers again. */
async function restoreRedis({ redis, replicas }: Fleet, kind: OutageKind): Promise<number> {
  if (kind === 'kill') await redis.restart()
  else if (kind === 'stop') await redis.kill('SIGCONT')
  else for (const { proxy } of replicas) proxy.set('pass')
  return Date.now()
}

/** Until each replica answers from what it knows by the store. */
export async function allInSight(fleet: Fleet, name: string): Promise<void> {
  const asker = createAsker({ key: fleet.key })
  for (const url of fleet.urls()) {
    await eventually(async () => !(await asker.ask([url], name)).via.includes(DEGRADED))
  }
  await asker.close()
}
