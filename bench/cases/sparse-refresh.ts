/** Redis dies right after leases were refreshed by one replica each, before anybody asked the others. */
import type { Answer } from '../../test/support/caller.ts'
import { eventually } from '../../test/support/eventually.ts'
import type { Fleet } from '../../test/support/fleet.ts'

export interface SparseRefresh {
  /** Of each replica for each integration, while Redis is away. */
  readonly answers: readonly Answer[]
  /** How many of the tokens that were served Salesforce does not know any more. */
  readonly dead: number
}

export const SPARSE_LIVES = {
  expiresIn: 'session',
  sessionTimeoutMs: 12_000,
  mintSlides: true,
} as const

/** The fleet has lives of {@link SPARSE_LIVES}. Each replica is asked for each integration once before, and once after. */
export async function sparseRefresh(fleet: Fleet, count: number): Promise<SparseRefresh> {
  const names = Array.from({ length: count }, (_, index) => `sparse-${index}`)
  const apps: Awaited<ReturnType<Fleet['integrate']>>[] = []
  for (const name of names) apps.push(await fleet.integrate(name))
  const askAll = () =>
    Promise.all(
      fleet.replicas.flatMap(({ call }) => names.map((name) => call('GET', `/tokens/${name}`))),
    )
  const before = await askAll()
  if (before.some(({ status }) => status !== 200)) throw new Error('It begins with tokens for all')
  const mints = () => apps.map((app) => fleet.mints(app))
  const first = mints()
  await eventually(() => mints().every((now, index) => now > (first[index] ?? now)))
  await fleet.redis.stop()
  const answers = await askAll()
  const alive = new Set(fleet.simulator.sessions().map(({ token }) => token))
  const served = answers.filter(({ status }) => status === 200)
  return {
    answers,
    dead: served.filter(({ body }) => !alive.has(body.access_token)).length,
  }
}
