import { BrokerError } from '../../errors/errors.ts'
import type { Changes } from '../store.ts'
import type { Announced } from './database.ts'

/** How many changes are kept: a reader that fell behind further sees a gap. */
const CHANGES_KEPT = 10_000

/** As long as the other engine waits at most. */
const WAIT_MAX_MS = 2_000

const CURSOR = /^([^/]+)\/(\d{1,15})$/

export interface EmbeddedChanges extends Changes {
  /** Adds what was announced and wakes all who wait. */
  add(announced: readonly Announced[]): void
  /** Sends all who wait away. */
  close(): void
}

export interface EmbeddedChangesDependencies {
  readonly identity: () => { readonly id: string; readonly seq: number }
}

/** The change stream in memory: its readers are in this process, and after a restart they hold nothing that an entry could correct. */
export function createEmbeddedChanges(dependencies: EmbeddedChangesDependencies): EmbeddedChanges {
  const { identity } = dependencies
  const kept: Announced[] = []
  const waiting = new Set<() => void>()
  let closed = false

  const cursorAt = (seq: number) => `${identity().id}/${seq}`

  function wake(): void {
    for (const resume of waiting) resume()
  }

  /** Until the next change, at most `waitMs`. */
  function change(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const resume = () => {
        clearTimeout(timer)
        waiting.delete(resume)
        resolve()
      }
      const timer = setTimeout(resume, waitMs)
      waiting.add(resume)
    })
  }

  return {
    async tail() {
      return cursorAt(identity().seq)
    },

    async read(cursor, waitMs) {
      const seq = seqOf(cursor, identity().id)
      if (!closed && seq === identity().seq && waitMs > 0)
        await change(Math.min(waitMs, WAIT_MAX_MS))
      if (closed) throw new BrokerError('store_unavailable', 'The embedded store is closed')
      const newest = identity().seq
      const first = kept[0]?.seq ?? newest + 1
      if (seq === undefined || seq > newest || seq + 1 < first) {
        return { entries: [], cursor: cursorAt(newest), gap: true }
      }
      const entries = kept.slice(seq + 1 - first).map((announced) => announced.change)
      return { entries, cursor: cursorAt(newest), gap: false }
    },

    add(announced) {
      kept.push(...announced)
      // Seldom, because moving all of them costs; never so that fewer are left than are promised.
      if (kept.length > 2 * CHANGES_KEPT) kept.splice(0, kept.length - CHANGES_KEPT)
      wake()
    },

    close() {
      closed = true
      wake()
    },
  }
}

/** Undefined: not a cursor of this store. */
function seqOf(cursor: string, id: string): number | undefined {
  const [, cursorId, seq] = CURSOR.exec(cursor) ?? []
  return cursorId === id && seq !== undefined ? Number(seq) : undefined
}
