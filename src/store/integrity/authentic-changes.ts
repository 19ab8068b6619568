/** The change stream of the authenticated store: what was seen, or does not verify, is looked at as soon as it is heard to have changed, and not when somebody needs it. */

import type { Change, Changes, Store } from '../store.ts'
import type { CorruptRecords } from './corrupt-records.ts'
import { CUSTODY, INTEGRATION, REFUSAL } from './record-mac.ts'
import { unlessCorrupt } from './record-schema.ts'
import type { SeenVersions } from './seen-versions.ts'

export interface AuthenticChangesDependencies
  extends Pick<Store, 'documents' | 'outcomes' | 'custody'> {
  readonly seen: Pick<SeenVersions, 'isWatched'>
  readonly corrupt: Pick<CorruptRecords, 'has'>
}

export function authenticChanges(
  changes: Changes,
  { documents, outcomes, custody, seen, corrupt }: AuthenticChangesDependencies,
): Changes {
  /** What went must not come back; and what is well or gone is no trouble any more. */
  const look = async (change: Change): Promise<void> => {
    switch (change.type) {
      case 'document': {
        const { kind, id } = change
        if (!seen.isWatched(kind, id) && !corrupt.has(kind, id)) return
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
    async read(cursor, waitMs) {
      const news = await changes.read(cursor, waitMs)
      for (const change of news.entries) await look(change)
      return news
    },
  }
}
