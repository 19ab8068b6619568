/** Orders freezes, and lifts them. */
import { BrokerError } from '../errors/errors.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Documents } from '../store/store.ts'
import {
  FREEZES_MAX,
  type Freeze,
  LIFTED_KEPT_MS,
  newProgress,
  PROGRESS,
  REGISTER,
  REGISTER_ID,
} from './freeze.ts'
import type { FreezeGate } from './freeze-gate.ts'
import type { FrozenTokens } from './frozen-tokens.ts'
import { type FreezeReport, progressOf, reportsOf } from './progress.ts'

export type Freezing = ReturnType<typeof createFreezing>

interface FreezingDependencies {
  readonly documents: Documents
  readonly gate: Pick<FreezeGate, 'refresh'>
  readonly tokens: Pick<FrozenTokens, 'waiting'>
  readonly runtime: Pick<Runtime, 'now' | 'uniqueId'>
}

/** What is ordered. */
type FreezeOrder = Omit<Freeze, 'id' | 'since'>

export function createFreezing({ documents, gate, tokens, runtime }: FreezingDependencies) {
  const inForce = async (): Promise<readonly Freeze[]> =>
    (await REGISTER.read(documents, REGISTER_ID))?.body.freezes ?? []

  const change = async (next: (freezes: readonly Freeze[]) => readonly Freeze[]): Promise<void> => {
    await REGISTER.update(documents, REGISTER_ID, (stored) => ({
      freezes: next(stored?.body.freezes ?? []),
    }))
    // This replica obeys before it answers.
    await gate.refresh()
  }

  const report = async (
    freezes: readonly Pick<FreezeReport, 'freeze' | 'progress'>[],
  ): Promise<readonly FreezeReport[]> => reportsOf(freezes, tokens)

  return {
    /** In force when it resolves. Throws `conflict` where too many are in force. */
    async order(order: FreezeOrder): Promise<FreezeReport> {
      const id = `frz_${runtime.uniqueId()}`
      const freeze: Freeze = { ...order, id, since: runtime.now() }
      await change((freezes) => {
        if (freezes.length >= FREEZES_MAX) throw tooMany()
        return [...freezes, freeze]
      })
      const tokenCounts = { done: 0, left: 0, failed: 0 }
      const state = 'revoking'
      return { freeze, progress: newProgress(freeze), tokens: tokenCounts, failures: [], state }
    },

    /** Lifts a freeze that is in force. It stays readable. Undefined: it is not in force. `permit` throws if it may not be lifted. */
    async lift(
      id: string,
      by: string,
      permit: (freeze: Freeze) => Promise<void>,
    ): Promise<Freeze | undefined> {
      const freeze = (await inForce()).find((one) => one.id === id)
      if (!freeze) return undefined
      await permit(freeze)
      // Before it is lifted, so that there is always a record of it.
      await PROGRESS.update(
        documents,
        id,
        (stored) => ({
          ...(stored?.body ?? newProgress(freeze)),
          lifted: { at: runtime.now(), by },
        }),
        () => runtime.now() + LIFTED_KEPT_MS,
      )
      await change((freezes) => freezes.filter((one) => one.id !== id))
      return freeze
    },

    /** The freezes in force, the oldest first. */
    async list(isShown: (freeze: Freeze) => Promise<boolean>): Promise<readonly FreezeReport[]> {
      const shown: Pick<FreezeReport, 'freeze' | 'progress'>[] = []
      for (const freeze of await inForce()) {
        if (!(await isShown(freeze))) continue
        shown.push({ freeze, progress: await progressOf(documents, freeze) })
      }
      return report(shown)
    },

    /** Undefined: there is none, or it was lifted more than 30 days ago. */
    async read(id: string): Promise<FreezeReport | undefined> {
      const freeze = (await inForce()).find((one) => one.id === id)
      const stored = freeze ? undefined : await PROGRESS.read(documents, id)
      const found = freeze
        ? { freeze, progress: await progressOf(documents, freeze) }
        : stored && { freeze: stored.body.freeze, progress: stored.body }
      const [only] = found ? await report([found]) : []
      return only
    },
  }
}

const tooMany = () =>
  new BrokerError('conflict', `${FREEZES_MAX} freezes are in force`, {
    remedy: 'Lift those that are not needed: `GET /freezes`, then `DELETE /freezes/{id}`.',
  })
