/** Refresh tokens that rotate, in a fleet whose brokers are killed all the time and whose Redis is restarted. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { AppSeed } from '../../simulator/handle.ts'
import type { Fleet, Replica } from '../../test/support/fleet.ts'
import { type Seen, startLoad } from '../../test/support/load.ts'
import {
  integrateConnected,
  type Presented,
  presentedTo,
  reconnect,
} from '../../test/support/refresh-tokens.ts'

export interface CustodyChaosOptions {
  readonly integrations: number
  readonly durationMs: number
  readonly killEveryMs: number
  /** How often Redis is killed and started again. */
  readonly redisRestarts: number
  readonly perSecond: number
  /** Of all chance. */
  readonly seed: number
}

/** A connection that came to its end. */
export interface Loss {
  readonly name: string
  readonly reason: string
  /** From the last use of its refresh token until the state said so. */
  readonly afterMs: number
}

export interface CustodyChaos {
  readonly presented: Presented
  readonly losses: readonly Loss[]
  readonly kills: number
  readonly redisRestarts: number
  readonly seen: readonly Seen[]
  /** Integrations that serve a token in the end. */
  readonly serving: number
}

/** So long after everything is quiet even the last presentation is settled. */
const QUIET_MS = 66_000
const POLL_MS = 500
/** Mulberry32. */
function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export async function custodyChaos(
  fleet: Fleet,
  options: CustodyChaosOptions,
): Promise<CustodyChaos> {
  const { simulator, redis, replicas, key } = fleet
  const random = chance(options.seed)
  const apps = new Map<string, AppSeed>()
  for (let at = 0; at < options.integrations; at += 1) {
    const name = `crm-${at}`
    apps.set(name, await integrateConnected(fleet, name, { sessionTimeoutMs: 5_000 }))
  }
  const load = startLoad({
    urls: fleet.urls,
    names: [...apps.keys()],
    ...{ perSecond: options.perSecond, key },
  })
  const losses: Loss[] = []
  let isOver = false

  const lastUse = (clientId: string): number =>
    simulator.tokenRequests().findLast((request) => request.clientId === clientId)?.at ?? 0

  /** As an operator does who is told. Undefined: nobody answers now. */
  const lookAfter = async (replica: Replica, name: string, app: AppSeed): Promise<void> => {
    try {
      const { body } = await replica.call('GET', `/integrations/${name}`)
      if (body.status?.state !== 'not_connected') return
      const { reason } = body.status.connection
      const afterMs = simulator.clock.now() - lastUse(app.clientId)
      if (await reconnect(simulator, replica.call, name, app)) {
        losses.push({ name, reason, afterMs })
      }
    } catch (error) {
      // It was killed under the request.
      if (!(error instanceof TypeError)) throw error
    }
  }

  const looking = (async () => {
    while (!isOver) {
      for (const [name, app] of apps) {
        const replica = replicas[Math.floor(random() * replicas.length)]
        if (replica) await lookAfter(replica, name, app)
      }
      await sleep(POLL_MS)
    }
  })()

  const startedAt = Date.now()
  let kills = 0
  let redisRestarts = 0
  while (Date.now() < startedAt + options.durationMs) {
    const beganAt = Date.now()
    const share = (Date.now() - startedAt) / options.durationMs
    if (share > (redisRestarts + 1) / (options.redisRestarts + 1)) {
      await redis.restart()
      redisRestarts += 1
    }
    await sleep(random() * options.killEveryMs)
    const victim = replicas[Math.floor(random() * replicas.length)]
    await victim?.restart('SIGKILL')
    kills += 1
    await sleep(Math.max(0, beganAt + options.killEveryMs - Date.now()))
  }
  await sleep(QUIET_MS)
  isOver = true
  await looking
  const seen = await load.stop()
  let serving = 0
  for (const name of apps.keys()) {
    if ((await fleet.call('GET', `/tokens/${name}`)).status === 200) serving += 1
  }
  return { presented: presentedTo(simulator), losses, kills, redisRestarts, seen, serving }
}
