/** Counts the records that each sealing key still seals, over the whole store. */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import type { Keyring } from '../crypto/keyring.ts'
import { pages } from '../store/records.ts'
import { SEALED, type SealedKind, type SealedListing } from './sealed-records.ts'

type SealCounts = Readonly<Record<SealedKind, number>>

export interface Census {
  readonly keys: ReadonlyMap<string, SealCounts>
  /** Sealed by a key that is not in the keyring: for each such key, the first records, as `KIND NAME`. */
  readonly missing: ReadonlyMap<string, readonly string[]>
  /** Number of records without a valid seal. */
  readonly unreadable: number
}

export type CensusTaker = ReturnType<typeof createCensusTaker>

interface CensusDependencies {
  readonly listings: readonly SealedListing[]
  readonly keyring: Pick<Keyring, 'keyIds'>
}

/** Most records that are named. */
const NAMED = 20

export const NO_COUNTS: SealCounts = Object.freeze(
  Object.fromEntries(Object.keys(SEALED).map((kind) => [kind, 0])) as Record<SealedKind, number>,
)

export const totalOf = (counts: SealCounts): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0)

export function createCensusTaker({ listings, keyring }: CensusDependencies) {
  let underWay: Promise<unknown> | undefined
  let next: Promise<Census> | undefined

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
          if (keyring.keyIds.includes(key)) continue
          const lost = missing.get(key) ?? []
          if (lost.length < NAMED) lost.push(`${kind} ${id}`)
          missing.set(key, lost)
        }
        // Serves requests between two pages, because the embedded store answers synchronously.
        await yieldToEventLoop()
      }
    }
    return { keys, missing, unreadable }
  }

  const begin = async (): Promise<Census> => {
    await underWay?.catch(() => undefined)
    next = undefined
    const census = count()
    underWay = census
    return census
  }

  return {
    /** A census that begins after the call, so that it has all that was written before. Calls that wait share one. */
    take(): Promise<Census> {
      next ??= begin()
      return next
    },
  }
}
