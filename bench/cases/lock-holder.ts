/** The replica that mints dies, or sleeps past the end of its lock and wakes up. */
import { Secret } from '../../src/crypto/secret.ts'
import { tokenIdOf } from '../../src/tokens/serve/lease.ts'
import { eventually } from '../../test/support/eventually.ts'
import type { Fleet, Replica } from '../../test/support/fleet.ts'
import { createAsker, type Seen } from '../../test/support/load.ts'
import { callAll } from './cold-herd.ts'

export interface HolderKilled {
  readonly requests: number
  /** What the callers of the others saw. */
  readonly seen: readonly Seen[]
  /** From the kill to the last answer. */
  readonly tookMs: number
}

/** The first replica begins a mint, and is killed while Salesforce is still busy with it. */
export async function holderKilled(fleet: Fleet, name: string, callers: number) {
  const app = await fleet.integrate(name)
  const hold = fleet.simulator.addFault({ kind: 'hold', clientId: app.clientId })
  const holder = fleet.replica(0)
  const asker = createAsker({ key: fleet.key })
  const lost = asker.ask([holder.url], name)
  await eventually(() => hold.holding() === 1)
  const others = fleet.urls().slice(1)
  const asked = Array.from({ length: callers }, (_, i) =>
    asker.ask([others[i % others.length] ?? ''], name),
  )
  const killedAt = Date.now()
  await holder.kill()
  const seen = await Promise.all(asked)
  const tookMs = Math.max(...seen.map(({ end }) => end)) - killedAt
  hold.remove()
  await lost
  await asker.close()
  await holder.restart()
  return { requests: fleet.mints(app), seen, tookMs } satisfies HolderKilled
}

export interface HolderOvertaken {
  readonly requests: number
  /** What the others minted while the holder was away. */
  readonly newer: string
  /** What the holder had got, and was not to write. */
  readonly older: string
  /** Token ids served after the holder came back, by every replica. */
  readonly after: readonly (string | undefined)[]
  /** The token id in the store in the end. */
  readonly stored: string | undefined
}

/** How the holder of the lock is out of the way past the end of its lock, and comes back. */
export interface Absence {
  begin(holder: Replica): void
  /** Salesforce's answer arrives while the holder is away; resolves when it has done its harm. */
  answered(holder: Replica, tokenId: string): Promise<unknown>
  end(holder: Replica): void
}

/** The process is stopped; the answer waits for it. */
export const STOPPED: Absence = {
  begin: (holder) => holder.signal('SIGSTOP'),
  answered: async () => undefined,
  end: (holder) => holder.signal('SIGCONT'),
}

/** The process goes on without sight of the store, which gets its write later than anybody else's. */
export const STALLED: Absence = {
  begin: (holder) => holder.proxy.set('stall'),
  answered: (holder, tokenId) => eventually(() => holder.proxy.holds(tokenId)),
  end: (holder) => holder.proxy.set('pass'),
}

/**
 * Salesforce's answer to the first replica is held until that replica is out of the way; then its
 * token is ended, the others mint another one, and the first replica goes on with the older one.
 */
export async function holderOvertaken(
  fleet: Fleet,
  name: string,
  away: Absence,
): Promise<HolderOvertaken> {
  const { simulator } = fleet
  // Nothing is proven after the mint, so that the older token is not found dead before it is written.
  const { expiresIn } = simulator.settings()
  simulator.configure({ expiresIn: 900 })
  const app = await fleet.integrate(name)
  const hold = simulator.addFault({ kind: 'hold', clientId: app.clientId, afterCommit: true })
  const holder = fleet.replica(0)
  const asker = createAsker({ key: fleet.key })
  const own = asker.ask([holder.url], name)
  await eventually(() => hold.holding() === 1)
  away.begin(holder)
  const [session] = simulator.sessions().filter(({ clientId }) => clientId === app.clientId)
  const older = tokenIdOf(new Secret(session?.token ?? ''))
  simulator.endSessions({ clientId: app.clientId })
  hold.remove()
  await away.answered(holder, older)
  const [newer] = await Promise.all(
    fleet
      .urls()
      .slice(1)
      .map((url) => asker.ask([url], name)),
  )
  away.end(holder)
  await own
  for (const url of fleet.urls()) {
    await eventually(async () => !(await asker.ask([url], name)).via.includes('store-unreachable'))
  }
  const after = [...(await callAll(fleet, name, 12 * fleet.replicas.length))]
  await asker.close()
  simulator.configure({ expiresIn })
  const read = await fleet.replica(1).call('GET', `/integrations/${name}`)
  return {
    requests: fleet.mints(app),
    newer: newer?.tokenId ?? 'none',
    older,
    after: after.map(({ tokenId, status, code }) => tokenId ?? `${status} ${code}`),
    stored: read.body.status.lease?.token_id,
  }
}
