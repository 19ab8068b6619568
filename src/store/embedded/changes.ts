import { BrokerError } from '../../errors/errors.ts'
import { tokenId as checkTokenId, text } from '../keys.ts'
import type { Pulse } from '../records.ts'
import type { Changes } from '../store.ts'
import type { Announced, Transaction } from './database.ts'

/** Number of kept changes. A reader that is further behind gets a gap. */
const CHANGES_KEPT = 10_000

/** The same limit as in Redis. */
const WAIT_MAX_MS = 4_000

const CURSOR = /^([^/]+)\/(\d{1,15})$/

interface EmbeddedChanges extends Changes {
  /** Adds changes and wakes all waiting readers. */
  add(announced: readonly Announced[]): void
  close(): void
}

interface EmbeddedChangesDependencies {
  /** Announces in the order of all changes. */
  readonly write: (announce: (transaction: Pick<Transaction, 'announce'>) => void) => Promise<void>
  readonly pulse: () => Pulse
}

/** The change stream in memory. Its readers are in this process, and after a restart their memory is empty. */
export function createEmbeddedChanges(dependencies: EmbeddedChangesDependencies): EmbeddedChanges {
  const { pulse, write } = dependencies
  const kept: Announced[] = []
  const waiting = new Set<() => void>()
  let closed = false

  const cursorAt = (seq: number) => `${pulse().id}/${seq}`

  function wake(): void {
    for (const resume of waiting) resume()
  }

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
      return cursorAt(pulse().seq)
    },

    async pulse() {
      if (closed) throw unavailable()
      return pulse()
    },

    async wait(cursor, waitMs) {
      const isNews = () => seqOf(cursor, pulse().id) !== pulse().seq
      if (!closed && !isNews()) await change(Math.min(waitMs, WAIT_MAX_MS))
      if (closed) throw unavailable()
      return isNews()
    },

    async read(cursor) {
      const seq = seqOf(cursor, pulse().id)
      if (closed) throw unavailable()
      const newest = pulse().seq
      const first = kept[0]?.seq ?? newest + 1
      if (seq === undefined || seq > newest || seq + 1 < first) {
        return { entries: [], cursor: cursorAt(newest), gap: true }
      }
      const entries = kept.slice(seq + 1 - first).map((announced) => announced.change)
      return { entries, cursor: cursorAt(newest), gap: false }
    },

    async announce(change) {
      if (change.type === 'login') text(change.target)
      else if (change.type === 'nonce') text(change.nonce)
      else checkTokenId(change.tokenId)
      await write((transaction) => transaction.announce(change))
    },

    add(announced) {
      kept.push(...announced)
      // Removes rarely, because each removal moves all entries. At least the promised number
      // remains.
      if (kept.length > 2 * CHANGES_KEPT) kept.splice(0, kept.length - CHANGES_KEPT)
      wake()
    },

    close() {
      closed = true
      wake()
    },
  }
}

const unavailable = () => new BrokerError('store_unavailable', 'The embedded store is closed')

/** Undefined: not a cursor of this store. */
function seqOf(cursor: string, id: string): number | undefined {
  const [, cursorId, seq] = CURSOR.exec(cursor) ?? []
  return cursorId === id && seq !== undefined ? Number(seq) : undefined
}
