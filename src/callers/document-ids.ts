/**
 * Which documents of a kind there are, by id. With it, whoever tries ids at random is told that there is
 * none without a question to the store; it is read once, when somebody tries, and kept up to date by
 * the change stream.
 */
import { pages } from '../store/records.ts'
import type { StreamState } from '../store/replica-cache.ts'
import type { Change, Documents } from '../store/store.ts'

interface Known {
  /** Of the change stream, when the read began: after a gap it is another one. */
  readonly epoch: number
  readonly ids: Set<string>
  isWhole: boolean
}

export function createDocumentIds(dependencies: {
  readonly kind: string
  readonly documents: Pick<Documents, 'list'>
  readonly stream: Pick<StreamState, 'isCurrent' | 'epoch'>
  /** Beyond so many, all may be there. Default 100000. */
  readonly limit?: number
}) {
  const { kind, documents, stream, limit = 100_000 } = dependencies
  let known: Known | undefined
  let reading: Promise<Known | undefined> | undefined

  const read = async (): Promise<Known | undefined> => {
    const fresh: Known = { epoch: stream.epoch(), ids: new Set(), isWhole: false }
    // What is heard from now on is added, too.
    known = fresh
    try {
      for await (const { items, corrupt = [], next } of pages((page) =>
        documents.list(kind, page),
      )) {
        for (const { id } of items) fresh.ids.add(id)
        // Once it is accepted or mended, it is there for all.
        for (const id of corrupt) fresh.ids.add(id)
        fresh.isWhole = next === null
        if (fresh.ids.size > limit) break
      }
      return fresh
    } catch {
      // The store is not there: whoever asks it next is told so.
      known = undefined
      return undefined
    } finally {
      reading = undefined
    }
  }

  const says = (found: Known | undefined, id: string): boolean =>
    !found?.isWhole || found.epoch !== stream.epoch() || found.ids.has(id)

  return {
    /** Never false for one that there is. Reads them all where they are not known; where they cannot be, all may be there. */
    mayBeThere(id: string): boolean | Promise<boolean> {
      if (!stream.isCurrent()) return true
      if (known?.isWhole && known.epoch === stream.epoch()) return known.ids.has(id)
      // There are too many to know.
      if (known && !reading && known.epoch === stream.epoch()) return true
      reading ??= read()
      return reading.then((found) => says(found, id))
    },
    /** From the change stream. */
    heard(change: Change): void {
      if (change.type === 'document' && change.kind === kind) known?.ids.add(change.id)
    },
    /** This replica made it. */
    add(id: string): void {
      known?.ids.add(id)
    },
  }
}
