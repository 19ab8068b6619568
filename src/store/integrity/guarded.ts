/** A store that does not report an absence while its content may be lost. */
import type { Store } from '../store.ts'

/** Kinds of documents whose absence would refuse a caller or grant access. */
const GUARDED_KINDS: ReadonlySet<string> = new Set(['api-key', 'identity'])

/** `check` is called after an empty read, and throws if the absence proves nothing. */
export function guardStore(store: Store, check: () => Promise<void>): Store {
  const found = async <Found>(read: Promise<Found | undefined>): Promise<Found | undefined> => {
    const result = await read
    if (result === undefined) await check()
    return result
  }
  const { integrations, outcomes, documents } = store
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
    outcomes: { ...outcomes, look: (name) => found(outcomes.look(name)) },
    documents: {
      ...documents,
      read: (kind, id) =>
        GUARDED_KINDS.has(kind) ? found(documents.read(kind, id)) : documents.read(kind, id),
    },
  }
}
