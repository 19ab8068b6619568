/** A signing key is rotated under load: while the app's new certificate spreads over Salesforce's servers, and while the store is away. */
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../../test/support/eventually.ts'
import type { Fleet } from '../../test/support/fleet.ts'
import { type Seen, startLoad } from '../../test/support/load.ts'
import { makeSigning } from '../../test/support/rotatable.ts'

export interface RotationOptions {
  readonly name: string
  readonly perSecond: number
  /** For so long Salesforce gives mixed answers. */
  readonly windowMs: number
}

export interface RotationUnderLoad {
  readonly seen: readonly Seen[]
  /** Flips that the replicas wrote into their audit. */
  readonly flips: number
  /** States by role in the rotation. */
  readonly states: Readonly<Record<'former' | 'staged', string | undefined>>
  readonly count: number
  /** Token requests that reached Salesforce, and how many of them were refused. */
  readonly requests: number
  readonly refused: number
  readonly loginsLastHour: number
}

/** The lease lifetime of the issue; Salesforce gives it as `expires_in`. */
export const LIFETIME_SECONDS = 3
const NODES = 8

/** The fleet's simulator must answer `expires_in` with the lifetime above. */
export async function rotationUnderLoad(
  fleet: Fleet,
  { name, perSecond, windowMs }: RotationOptions,
): Promise<RotationUnderLoad> {
  const { simulator } = fleet
  const integration = await makeSigning(fleet, name, { members: { logins_per_hour: 3_600 } })
  await integration.token()
  const staged = await integration.stage()
  const before = simulator.tokenRequests().length
  const load = startLoad({
    ...{ urls: fleet.urls, names: [name], perSecond, key: fleet.key },
    judge: (token) => simulator.sessions().some((session) => session.token === token),
  })
  const lifetimeMs = LIFETIME_SECONDS * 1_000
  await sleep(lifetimeMs)
  const { propagation } = simulator.settings()
  simulator.configure({ propagation: { nodes: NODES, minMs: 0, maxMs: windowMs } })
  integration.upload(staged.certificate)
  // Until the last lease of the window was replaced, too.
  await sleep(windowMs + lifetimeMs)
  const seen = await load.stop()
  simulator.configure({ propagation })

  const states = new Map(await integration.states())
  const asked = simulator.tokenRequests().slice(before)
  const flipped = `"action":"credential.activated","integration":"${name}"`
  const audited = fleet.replicas.map(({ output }) => output().split(flipped).length - 1)
  return {
    seen,
    // The first is of the credential that the integration was made with.
    flips: audited.reduce((sum, count) => sum + count, 0) - 1,
    states: { former: states.get(integration.firstId), staged: states.get(staged.id) },
    count: states.size,
    requests: asked.length,
    refused: asked.filter(({ outcome }) => outcome?.status !== 200).length,
    loginsLastHour: (await integration.read()).body.status.logins_last_hour,
  }
}

/** The certificate of the app is replaced while no replica can write; the flip has to wait for the store. The fleet must be proxied. */
export async function rotationWithoutStore(
  fleet: Fleet,
  { name, perSecond, downMs }: { name: string; perSecond: number; downMs: number },
): Promise<{ readonly seen: readonly Seen[]; readonly flipAfterMs: number }> {
  const integration = await makeSigning(fleet, name, { members: { logins_per_hour: 3_600 } })
  // Who has never minted for it cannot do so without the store.
  for (const { call } of fleet.replicas) await call('GET', `/tokens/${name}`)
  const staged = await integration.stage()
  const load = startLoad({ urls: fleet.urls, names: [name], perSecond, key: fleet.key })
  await sleep(LIFETIME_SECONDS * 1_000)
  for (const { proxy } of fleet.replicas) proxy.set('stall')
  integration.upload(staged.certificate)
  await sleep(downMs)
  for (const { proxy } of fleet.replicas) proxy.set('pass')
  const backAt = Date.now()
  await eventually(async () => {
    const answer = await fleet.call('GET', `${integration.credentials}/${staged.id}`)
    return answer.status === 200 && answer.body.state === 'active'
  })
  const flipAfterMs = Date.now() - backAt
  return { seen: await load.stop(), flipAfterMs }
}
