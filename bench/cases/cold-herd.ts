/** Everybody at once asks for a token that nobody holds yet. */
import type { RefusalName } from '../../simulator/refusals.ts'
import type { Fleet } from '../../test/support/fleet.ts'
import { createAsker, type Seen } from '../../test/support/load.ts'

export interface ColdHerdOptions {
  readonly name: string
  readonly callers: number
  /** Salesforce's answer, always. Default: a token. */
  readonly refusal?: RefusalName
  /** How long Salesforce takes, so that all callers meet. */
  readonly delayMs: number
}

export interface ColdHerd {
  readonly seen: readonly Seen[]
  /** Token requests that reached Salesforce. */
  readonly requests: number
  readonly tookMs: number
}

export async function coldHerd(fleet: Fleet, options: ColdHerdOptions): Promise<ColdHerd> {
  const { name, callers, refusal, delayMs } = options
  const app = await fleet.integrate(name)
  const { clientId } = app
  const faults = [fleet.simulator.addFault({ kind: 'delay', ms: delayMs, times: null, clientId })]
  if (refusal) faults.push(fleet.simulator.refuseNext(refusal, { times: null, clientId }))
  const seen = await callAll(fleet, name, callers)
  for (const fault of faults) fault.remove()
  const tookMs = Math.max(...seen.map(({ end }) => end)) - Math.min(...seen.map((s) => s.start))
  return { seen, requests: fleet.mints(app), tookMs }
}

/** One call each, all at once, over all replicas in turns. */
export async function callAll(
  fleet: Fleet,
  name: string,
  callers: number,
  query?: string,
): Promise<readonly Seen[]> {
  const urls = fleet.urls()
  const asker = createAsker({
    key: fleet.key,
    connections: Math.ceil(callers / urls.length),
    ...(query !== undefined && { query }),
  })
  const seen = await Promise.all(
    Array.from({ length: callers }, (_, i) => asker.ask([urls[i % urls.length] ?? ''], name)),
  )
  await asker.close()
  return seen
}
