/** The change stream of the authenticated store. Checks records that were seen before or are corrupt as soon as they change. */

import type { Change, Changes, Store } from '../store.ts'
import type { CorruptRecords } from './corrupt-records.ts'
import { CUSTODY, INTEGRATION, REFUSAL } from './record-mac.ts'
import { unlessCorrupt } from './record-schema.ts'
import type { SeenVersions } from './seen-versions.ts'

interface AuthenticChangesDependencies extends Pick<Store, 'documents' | 'outcomes' | 'custody'> {
  readonly seen: Pick<SeenVersions, 'isWatched' | 'isNewest'>
  readonly corrupt: Pick<CorruptRecords, 'has'>
}

export function authenticChanges(
  changes: Changes,
  { documents, outcomes, custody, seen, corrupt }: AuthenticChangesDependencies,
): Changes {
  /** Detects records that return after a removal, and clears records that are valid or gone. */
  const look = async (change: Change): Promise<void> => {
    switch (change.type) {
      case 'document': {
        const { kind, id, version } = change
        const isKnown = !seen.isWatched(kind, id) || seen.isNewest(kind, id, version)
        if (isKnown && !corrupt.has(kind, id)) return
        await unlessCorrupt(documents.read(kind, id))
        return
      }
      case 'integration': {
        const { name } = change
        if (!corrupt.has(INTEGRATION, name) && !corrupt.has(REFUSAL, name)) return
        await unlessCorrupt(outcomes.look(name))
        return
      }
      case 'custody':
        if (corrupt.has(CUSTODY, change.name)) await unlessCorrupt(custody.read(change.name))
    }
  }

  return {
    ...changes,
    async read(cursor) {
      const news = await changes.read(cursor)
      for (const change of news.entries) await look(change)
      return news
    },
  }
}
