/** Uses the refresh token of an integration whose tokens nobody requests. */
import type { Actor } from '../../audit/event.ts'
import type { Entry } from '../serve/lease-cache.ts'
import type { MintCoordinator } from './mint-coordinator.ts'

interface ExerciseDependencies {
  readonly look: (name: string) => Promise<Entry | undefined>
  readonly coordinator: MintCoordinator
  readonly now: () => number
}

const BY: Actor = { principal: null, requestId: 'refresh-token-maintainer' }

/** Mints as usual, even if there is a usable lease. */
export const createExercise =
  ({ look, coordinator, now }: ExerciseDependencies) =>
  async (name: string): Promise<void> => {
    const entry = await look(name)
    if (!entry?.integration.enabled) return
    const { lease } = entry
    const isLive = lease !== undefined && lease.expiresAt > now()
    const requirement = isLive
      ? ({ kind: 'replace', mintedAt: lease.mintedAt } as const)
      : ({ kind: 'need', minTtlMs: 0 } as const)
    await coordinator.run(entry, requirement, BY).result
  }
