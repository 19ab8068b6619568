/** Many lifetimes of short leases under steady load, while replicas are restarted one after the other. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fleet } from '../../test/support/fleet.ts'
import { createAsker, percentile, type Seen, startLoad } from '../../test/support/load.ts'

export interface SteadyLoadOptions {
  readonly names: readonly string[]
  /** How long a token lives, as the simulator was told. Default `LIFE_MS`. */
  readonly lifeMs?: number
  readonly lifetimes: number
  readonly perSecond: number
  readonly restartEveryMs: number
}

export interface SteadyLoad {
  readonly requests: number
  readonly errors: readonly Seen[]
  /** Requests that a load balancer would have sent to another replica, for theirs was being restarted. */
  readonly retried: number
  /** Tokens that were over when they were asked for, or that Salesforce no longer knew when they came. */
  readonly expired: readonly Seen[]
  /** Callers that were not answered from a lease at hand. */
  readonly waited: readonly Seen[]
  readonly restarts: number
  readonly mints: number
  readonly p99Ms: number
}

export const LIFE_MS = 6_000

/** Each mint, and nothing else, gives the session another six seconds; then Salesforce forgets it. */
export const SHORT_LIVES = {
  expiresIn: 'session',
  sessionTimeoutMs: LIFE_MS,
  mintSlides: true,
} as const

export async function steadyLoad(fleet: Fleet, options: SteadyLoadOptions): Promise<SteadyLoad> {
  const { names, lifeMs = LIFE_MS, lifetimes, perSecond, restartEveryMs } = options
  const { simulator, key } = fleet
  for (const name of names) await fleet.integrate(name)
  const asker = createAsker({ key })
  for (const name of names) await asker.ask(fleet.urls(), name)
  await asker.close()

  const mintsBefore = simulator.tokenRequests().length
  const load = startLoad({
    ...{ names, perSecond, key, urls: fleet.urls },
    judge: (token) => simulator.sessions().some((session) => session.token === token),
  })
  const endAt = Date.now() + lifetimes * lifeMs
  let restarts = 0
  for (let next = Date.now() + restartEveryMs; next < endAt; next += restartEveryMs) {
    await sleep(Math.max(0, next - Date.now()))
    await fleet.replica(restarts % fleet.replicas.length).restart()
    restarts += 1
  }
  await sleep(Math.max(0, endAt - Date.now()))
  const seen = await load.stop()
  return {
    requests: seen.length,
    errors: seen.filter(({ status }) => status !== 200),
    retried: seen.filter(({ retries }) => retries > 0).length,
    expired: seen.filter(({ isAlive, expiresAt, start }) => !isAlive || expiresAt <= start),
    waited: seen.filter(({ status, via }) => status === 200 && !via.startsWith('valetkey; hit')),
    restarts,
    mints: simulator.tokenRequests().length - mintsBefore,
    p99Ms: percentile(seen, 0.99),
  }
}
