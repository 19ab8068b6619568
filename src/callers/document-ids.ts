/** The set of existing ids of a kind of document. With it, an unknown id is refused without a read of the store. The set is read at the first unknown id, and the change stream keeps it current. */
import { pages } from '../store/records.ts'
import type { StreamState } from '../store/replica-cache.ts'
import type { Change, Documents } from '../store/store.ts'

interface Known {
  /** Epoch of the change stream at the start of the read. A gap changes it. */
  readonly epoch: number
  readonly ids: Set<string>
  isWhole: boolean
}

export function createDocumentIds(dependencies: {
  readonly kind: string
  readonly documents: Pick<Documents, 'list'>
  readonly stream: Pick<StreamState, 'isCurrent' | 'epoch'>
  /** Most ids in the set. Above it, every id may exist. Default 100000. */
  readonly limit?: number
}) {
  const { kind, documents, stream, limit = 100_000 } = dependencies
  let known: Known | undefined
  let reading: Promise<Known | undefined> | undefined

  const read = async (): Promise<Known | undefined> => {
    const fresh: Known = { epoch: stream.epoch(), ids: new Set(), isWhole: false }
    // Changes that arrive from now on are added too.
    known = fresh
    try {
      for await (const { items, corrupt = [], next } of pages((page) =>
        documents.list(kind, page),
      )) {
        for (const { id } of items) fresh.ids.add(id)
        // A corrupt record exists for all after it is accepted or repaired.
        for (const id of corrupt) fresh.ids.add(id)
        fresh.isWhole = next === null
        if (fresh.ids.size > limit) break
      }
      return fresh
    } catch {
      // The store is unavailable. The next read of it reports that.
      known = undefined
      return undefined
    } finally {
      reading = undefined
    }
  }

  const says = (found: Known | undefined, id: string): boolean =>
    !found?.isWhole || found.epoch !== stream.epoch() || found.ids.has(id)

  return {
    /** False: no document has this id. Reads all ids if they are unknown. True if they cannot be read. */
    mayBeThere(id: string): boolean | Promise<boolean> {
      if (!stream.isCurrent()) return true
      if (known?.isWhole && known.epoch === stream.epoch()) return known.ids.has(id)
      // There are too many ids for the set.
      if (known && !reading && known.epoch === stream.epoch()) return true
      reading ??= read()
      return reading.then((found) => says(found, id))
    },
    /** Applies a change of the stream. */
    heard(change: Change): void {
      if (change.type === 'document' && change.kind === kind) known?.ids.add(change.id)
    },
    /** Adds an id that this replica created. */
    add(id: string): void {
      known?.ids.add(id)
    },
  }
}
