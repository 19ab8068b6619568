/** A thousand leases come due at once, while callers read others. */
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../../test/support/eventually.ts'
import type { Fleet } from '../../test/support/fleet.ts'
import { createAsker, percentile } from '../../test/support/load.ts'
import { startLoadApart } from '../load-apart.ts'

export interface DueStormOptions {
  readonly count: number
  readonly perSecond: number
  /** How long Salesforce takes for one token. */
  readonly delayMs: number
}

export interface DueStorm {
  /** The most token requests that Salesforce had at once. */
  readonly mostAtOnce: number
  readonly tookMs: number
  readonly errors: number
  /** Of hits, in milliseconds: before, and meanwhile. */
  readonly idle: { readonly p50: number; readonly p99: number }
  readonly storm: { readonly p50: number; readonly p99: number }
}

const USERS = 10
const IDLE_MS = 8_000
/** So long that the first lease lives yet when the last one, minted a fifth of it later, is due. */
const LIFE_S = 160

/** The fleet stands still until the last of the leases is due, so that all of them are due at once. */
export async function dueStorm(fleet: Fleet, options: DueStormOptions): Promise<DueStorm> {
  const { count, perSecond, delayMs } = options
  const { simulator, key, replicas } = fleet
  const users = Array.from({ length: USERS }, (_, i) => `storm-${i}@acme.com`)
  for (const username of users) simulator.addUser({ username, orgId: simulator.acme.id })
  await fleet.integrate('read')
  const asker = createAsker({ key })
  await asker.ask(fleet.urls(), 'read')

  const names = Array.from({ length: count }, (_, i) => `storm-${i}`)
  for (let i = 0; i < count; i += USERS) {
    await Promise.all(
      users.map((username, j) => fleet.integrate(`storm-${i + j}`, { app: { username } })),
    )
  }
  const reading = { names: ['read'], perSecond, key, urls: fleet.urls() }
  const load = startLoadApart(reading)
  await sleep(IDLE_MS)
  const idle = (await load.stop()).filter(({ via }) => via.startsWith('valetkey; hit'))

  simulator.configure({ expiresIn: LIFE_S })
  for (let i = 0; i < count; i += 2 * USERS) {
    await Promise.all(names.slice(i, i + 2 * USERS).map((name) => asker.ask(fleet.urls(), name)))
  }
  await asker.close()
  for (const replica of replicas) replica.signal('SIGSTOP')
  await sleep(LIFE_S * 800)
  const before = simulator.tokenRequests().length
  const slow = simulator.addFault({ kind: 'delay', ms: delayMs, times: null })
  simulator.configure({ expiresIn: 3_600 })
  let mostAtOnce = 0
  const watch = setInterval(() => {
    const pending = simulator.tokenRequests().filter(({ outcome }) => outcome === undefined)
    mostAtOnce = Math.max(mostAtOnce, pending.length)
  }, 20)
  const startedAt = Date.now()
  for (const replica of replicas) replica.signal('SIGCONT')
  // Its waking up, after a minute without word from the store, is not what is measured here.
  await eventually(() => simulator.tokenRequests().length > before)
  const during = startLoadApart(reading)
  await eventually(() => simulator.tokenRequests().length >= before + count, 120_000)
  const tookMs = Date.now() - startedAt
  const seen = await during.stop()
  clearInterval(watch)
  slow.remove()
  const hits = seen.filter(({ via }) => via.startsWith('valetkey; hit'))
  return {
    mostAtOnce,
    tookMs,
    errors: seen.filter(({ status }) => status !== 200).length,
    idle: { p50: percentile(idle, 0.5), p99: percentile(idle, 0.99) },
    storm: { p50: percentile(hits, 0.5), p99: percentile(hits, 0.99) },
  }
}
