/** What each sealing key still seals, counted over the whole store. */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { pages } from '../store/records.ts'
import { SEALED, type SealedKind, type SealedListing } from './sealed-records.ts'

type SealCounts = Readonly<Record<SealedKind, number>>

export interface Census {
  readonly keys: ReadonlyMap<string, SealCounts>
  /** Sealed by a key that the keyring lacks: for each such key, the first of what would be lost, as `KIND NAME`. */
  readonly missing: ReadonlyMap<string, readonly string[]>
  /** Records that are not sealed as they must be. */
  readonly unreadable: number
}

export interface CensusTaker {
  /** Those who ask at once share one. */
  take(): Promise<Census>
}

interface CensusDependencies {
  readonly listings: readonly SealedListing[]
  /** Every key that opens. */
  readonly keyIds: readonly string[]
}

/** How many lost records are named. */
const NAMED = 20

export const NO_COUNTS: SealCounts = Object.freeze(
  Object.fromEntries(Object.keys(SEALED).map((kind) => [kind, 0])) as Record<SealedKind, number>,
)

export const totalOf = (counts: SealCounts): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0)

export function createCensusTaker({ listings, keyIds }: CensusDependencies): CensusTaker {
  let underWay: Promise<Census> | undefined

  const count = async (): Promise<Census> => {
    const keys = new Map<string, Record<SealedKind, number>>()
    const missing = new Map<string, string[]>()
    let unreadable = 0
    for (const listing of listings) {
      for await (const { items } of pages(listing.page)) {
        for (const { kind, id, keyId: key } of items) {
          if (key === undefined) {
            unreadable += 1
            continue
          }
          const counts = keys.get(key) ?? { ...NO_COUNTS }
          counts[kind] += 1
          keys.set(key, counts)
          if (keyIds.includes(key)) continue
          const lost = missing.get(key) ?? []
          if (lost.length < NAMED) lost.push(`${kind} ${id}`)
          missing.set(key, lost)
        }
        // The embedded store answers at once: requests are served between two pages.
        await yieldToEventLoop()
      }
    }
    return { keys, missing, unreadable }
  }

  return {
    take() {
      underWay ??= count().finally(() => {
        underWay = undefined
      })
      return underWay
    },
  }
}
