/** The refresh tokens that Salesforce gave to this process. Keeps them until they are durable, and restores them if the store loses them. */

import type { Secret } from '../crypto/secret.ts'
import { isStoreTrouble } from '../errors/errors.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import type { CustodyRecord } from '../store/custody.ts'
import type { CustodyStore, CustodyTarget, SealedBinding, SealedCustody } from './custody-store.ts'

export type RotatedTokens = ReturnType<typeof createRotatedTokens>

interface RotatedTokensDependencies {
  readonly store: Pick<CustodyStore, 'seal' | 'keep'>
  readonly runtime: Pick<Runtime, 'sleep'>
  readonly log: Pick<Log, 'warn'>
}

const AGAIN_MS = { least: 100, most: 1_000 }
/** Above this number, the oldest are dropped. */
const REMEMBERED = 10_000

export function createRotatedTokens({ store, runtime, log }: RotatedTokensDependencies) {
  /** The newest sealed token, by uid. */
  const newest = new Map<
    string,
    SealedCustody & { readonly name: string; readonly isKept: boolean }
  >()

  const remember = ({ uid, name }: CustodyTarget, sealed: SealedCustody, isKept: boolean) => {
    const former = newest.get(uid)
    if (former?.family === sealed.family && former.g > sealed.g) return
    newest.delete(uid)
    newest.set(uid, { ...sealed, name, isKept })
    const [oldest] = newest.keys()
    if (newest.size > REMEMBERED && oldest !== undefined) newest.delete(oldest)
  }

  return {
    /** KEEP of the protocol, retried until it is durable, because there is no other copy. False: the family has ended. */
    async keep(
      target: CustodyTarget,
      record: CustodyRecord,
      token: Secret,
      binding: SealedBinding,
    ): Promise<boolean> {
      const sealed = await store.seal(target, record, token, binding)
      remember(target, sealed, false)
      for (let pauseMs = AGAIN_MS.least; ; pauseMs = Math.min(2 * pauseMs, AGAIN_MS.most)) {
        try {
          const isKept = await store.keep(target.name, sealed)
          if (isKept) remember(target, sealed, true)
          return isKept
        } catch (error) {
          if (!isStoreTrouble(error)) throw error
          log.warn(
            { err: error, integration: target.name },
            'a rotated refresh token is not stored yet',
          )
          await runtime.sleep(pauseMs)
        }
      }
    },
    /** The newest token that the store acknowledged to this process. Later reads are not older. */
    acknowledged(uid: string): Pick<CustodyRecord, 'family' | 'g'> | undefined {
      const ours = newest.get(uid)
      return ours?.isKept ? ours : undefined
    },
    /** Restores tokens that the store lacks. They are in doubt under this id, because other processes may have newer ones. */
    async putBack(doubt: string): Promise<void> {
      for (const { name, isKept: _, ...sealed } of newest.values())
        await store.keep(name, sealed, doubt)
    },
  }
}
