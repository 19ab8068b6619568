/** One, two and four replicas on one Redis: mints stay one a lease, and what Redis does stays what it was, however many hits there are. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Fleet, startFleet } from '../test/support/fleet.ts'
import { createAsker, startLoad } from '../test/support/load.ts'
import { LIFE_MS, SHORT_LIVES } from './cases/steady-load.ts'
import { exactly, type Figure } from './figure.ts'
import { load, provideLoad } from './load.ts'
import { nameOf } from './many.ts'
import { commandsOf } from './redis-commands.ts'
import type { Teardown } from './setting.ts'

export interface FleetBenchOptions {
  readonly replicas: readonly number[]
  readonly integrations: number
  readonly perSecond: number
  readonly lifetimes: number
  /** Of rest, and of hits as fast as they come. */
  readonly seconds: number
}

export async function measureFleets(
  t: Teardown,
  options: FleetBenchOptions,
): Promise<readonly Figure[]> {
  provideLoad()
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-bench-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const figures: Figure[] = []
  for (const replicas of options.replicas) {
    const ends: (() => unknown)[] = []
    const fleet = await startFleet(
      { teardown: (end) => void ends.unshift(end) },
      { replicas, env: { VALETKEY_AUDIT_FILE: join(folder, `${replicas}.audit`) } },
    )
    try {
      figures.push(...(await measureFleet(fleet, options)))
    } finally {
      for (const end of ends) await end()
    }
  }
  return figures
}

async function measureFleet(fleet: Fleet, options: FleetBenchOptions): Promise<readonly Figure[]> {
  const count = fleet.replicas.length
  const of = count === 1 ? '1 replica' : `${count} replicas`
  const commands = await commandsOfHits(fleet, options)
  const { mints, leases, failures } = await mintsOfLeases(fleet, options)
  return [
    {
      id: `mints-${count}`,
      what: `${of}: mints for each lease that was served`,
      spread: exactly(mints / leases),
      digits: 3,
      target: { atMost: 1 },
    },
    { id: `leases-${count}`, what: `${of}: leases`, spread: exactly(leases), digits: 0 },
    {
      id: `failures-${count}`,
      what: `${of}: failed requests`,
      spread: exactly(failures + commands.failures),
      digits: 0,
      target: { atMost: 0 },
    },
    {
      id: `rest-commands-${count}`,
      what: `${of}: Redis commands a second while nobody asks`,
      spread: exactly(commands.atRest),
      digits: 0,
    },
    {
      id: `hit-commands-${count}`,
      what: `${of}: Redis commands a second under as many hits as there can be`,
      spread: exactly(commands.underHits),
      digits: 0,
    },
    {
      id: `commands-growth-${count}`,
      what: `${of}: Redis commands that each hit added`,
      spread: exactly((commands.underHits - commands.atRest) / commands.hitsPerSecond),
      digits: 5,
      target: { atMost: 0.01 },
    },
    {
      id: `hits-${count}`,
      what: `${of}: hits a second`,
      spread: exactly(commands.hitsPerSecond),
      digits: 0,
    },
  ]
}

/** With leases that last. */
async function commandsOfHits(fleet: Fleet, { integrations, seconds }: FleetBenchOptions) {
  fleet.simulator.configure({ expiresIn: 3_600 })
  const names = Array.from({ length: integrations }, (_, index) => nameOf('long-', index))
  for (const name of names) await fleet.integrate(name)
  const asker = createAsker({ key: fleet.key })
  for (const url of fleet.urls()) for (const name of names) await asker.ask([url], name)
  await asker.close()

  const { port } = fleet.redis
  const first = await commandsOf(port)
  await sleep(seconds * 1_000)
  const second = await commandsOf(port)
  const loads = await Promise.all(
    fleet.urls().map((url) =>
      load({
        ...{ url: `${url}/tokens/${names[0]}`, seconds, connections: 8 },
        headers: { authorization: `Bearer ${fleet.key}` },
      }),
    ),
  )
  const third = await commandsOf(port)
  return {
    atRest: (second - first) / seconds,
    underHits: (third - second) / seconds,
    hitsPerSecond: loads.reduce((sum, { requestsPerSecond }) => sum + requestsPerSecond, 0),
    failures: loads.reduce((sum, one) => sum + one.failures, 0),
  }
}

/** With leases of six seconds, over several of their lives. */
async function mintsOfLeases(
  fleet: Fleet,
  { integrations, perSecond, lifetimes }: FleetBenchOptions,
) {
  fleet.simulator.configure(SHORT_LIVES)
  const names = Array.from({ length: integrations }, (_, index) => nameOf('short-', index))
  for (const name of names) await fleet.integrate(name)
  const mintsBefore = fleet.simulator.tokenRequests().length
  const running = startLoad({ names, perSecond, key: fleet.key, urls: fleet.urls })
  await sleep(lifetimes * LIFE_MS)
  const seen = await running.stop()
  const served = seen.filter(({ status }) => status === 200)
  return {
    mints: fleet.simulator.tokenRequests().length - mintsBefore,
    leases: new Set(served.map(({ name, expiresAt }) => `${name} ${expiresAt}`)).size,
    failures: seen.length - served.length,
  }
}
