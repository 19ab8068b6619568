/** A store that does not report an absence while its content may be lost. */
import type { Store } from '../store.ts'

/** Kinds of documents whose absence would refuse a caller or grant access. */
const GUARDED_KINDS: ReadonlySet<string> = new Set(['api-key', 'identity'])

interface Guard {
  /** Called for an empty read, after the read was sent. Throws if the absence proves nothing. */
  readonly check: () => Promise<void>
  /** Whether this replica has seen the document. */
  readonly isSeen: (kind: string, id: string) => boolean
}

export function guardStore(store: Store, { check, isSeen }: Guard): Store {
  const found = async <Found>(
    read: Promise<Found | undefined>,
    begun?: Promise<void>,
  ): Promise<Found | undefined> => {
    const result = await read
    if (result === undefined) await (begun ?? check())
    return result
  }

  /** A document that this replica has not seen is probably absent, so the check does not wait for the read. The store answers it after the read. */
  const readDocument: Store['documents']['read'] = (kind, id) => {
    const read = documents.read(kind, id)
    if (!GUARDED_KINDS.has(kind)) return read
    const begun = isSeen(kind, id) ? undefined : check()
    begun?.catch(() => undefined)
    return found(read, begun)
  }
  const { integrations, outcomes, documents, listing } = store
  return {
    ...store,
    integrations: {
      ...integrations,
      read: (name) => found(integrations.read(name)),
      readSealed: (name) => found(integrations.readSealed(name)),
      async list(page) {
        const listed = await integrations.list(page)
        if (listed.items.length === 0) await check()
        return listed
      },
    },
    listing: {
      ...listing,
      async select(query) {
        const selected = await listing.select(query)
        if (selected?.names.length === 0) await check()
        return selected
      },
    },
    outcomes: { ...outcomes, look: (name) => found(outcomes.look(name)) },
    documents: { ...documents, read: readDocument },
  }
}
