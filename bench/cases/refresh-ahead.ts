/** Leases are replaced at their point, whoever reads them; and only where they are used or kept warm. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fleet } from '../../test/support/fleet.ts'
import { createAsker } from '../../test/support/load.ts'

export interface RefreshAheadOptions {
  readonly prefix: string
  /** How many integrations are kept warm, and how many are read once and then forgotten. */
  readonly count: number
  readonly durationMs: number
}

export interface RefreshAhead {
  /** By how many milliseconds after its point each refresh reached Salesforce, in order of size. */
  readonly lateMs: readonly number[]
  /** Of each integration that is kept warm. */
  readonly warmMints: readonly number[]
  /** Of each that was read once. */
  readonly forgottenMints: readonly number[]
}

const POLL_MS = 250

export async function refreshAhead(
  fleet: Fleet,
  options: RefreshAheadOptions,
): Promise<RefreshAhead> {
  const { prefix, count, durationMs } = options
  const names = Array.from({ length: count }, (_, i) => `${prefix}-${i}`)
  const warm = await Promise.all(
    names.map((name) => fleet.integrate(`${name}-warm`, { members: { keep_warm: true } })),
  )
  const forgotten = await Promise.all(names.map((name) => fleet.integrate(`${name}-forgotten`)))
  const asker = createAsker({ key: fleet.key })
  for (const name of names) {
    await asker.ask(fleet.urls(), `${name}-warm`)
    await asker.ask(fleet.urls(), `${name}-forgotten`)
  }
  await asker.close()

  const points = new Map(warm.map(({ clientId }) => [clientId, new Set<number>()]))
  const endAt = Date.now() + durationMs
  while (Date.now() < endAt) {
    await Promise.all(
      names.map(async (name, i) => {
        const { body } = await fleet.call('GET', `/integrations/${name}-warm`)
        const { lease } = body.status
        if (lease) points.get(warm[i]?.clientId ?? '')?.add(Date.parse(lease.refresh_at))
      }),
    )
    await sleep(POLL_MS)
  }
  const lateMs = [...points].flatMap(([clientId, ofIntegration]) => {
    const sent = fleet.simulator
      .tokenRequests()
      .filter((request) => request.clientId === clientId)
      .map(({ at }) => at)
    return [...ofIntegration].flatMap((point) => {
      const at = sent.find((one) => one >= point)
      return at === undefined ? [] : [at - point]
    })
  })
  return {
    lateMs: lateMs.sort((a, b) => a - b),
    warmMints: warm.map((app) => fleet.mints(app)),
    forgottenMints: forgotten.map((app) => fleet.mints(app)),
  }
}
