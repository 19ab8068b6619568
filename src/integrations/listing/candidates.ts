/** Finds the integrations that a list may show, by the listing index. */
import type { IndexQuery, ListingIndex } from '../../store/listing/listing-index.ts'
import { UNUSABLE } from '../state.ts'
import type { Indexer } from './indexer.ts'
import type { Reach } from './reach.ts'

interface Wanted {
  readonly reaches: readonly Reach[]
  /** Groups of all wanted integrations. */
  readonly groups: readonly string[]
  readonly certificateEndsBefore?: number
  readonly after?: string
  /** About how many names are wanted. 1 to 1000. */
  readonly limit: number
}

interface CandidateNames {
  /** In order, each once. Those that are not wanted are among them, but none up to `next` is missing. */
  readonly names: readonly string[]
  /** Pass as `after` for those that follow. Null: there are none. */
  readonly next: string | null
}

export type Candidates = ReturnType<typeof createCandidates>

interface CandidatesDependencies {
  readonly listing: Pick<ListingIndex, 'select'>
  readonly indexer: Pick<Indexer, 'catchUp'>
}

/** Tries with an index that is behind. */
const TRIES = 3

export function createCandidates({ listing, indexer }: CandidatesDependencies) {
  const select = async (wanted: Wanted): Promise<CandidateNames | undefined> => {
    const { reaches, groups, certificateEndsBefore: before, after, limit } = wanted
    const range = { limit, ...(after !== undefined && { after }) }
    const queries = reaches.flatMap((reach): readonly IndexQuery[] => [
      {
        ...{ ...range, prefix: reach.prefix, groups: [...new Set([...groups, ...reach.groups])] },
        ...(before !== undefined && { certificateEndsBefore: before }),
      },
      // The labels of an unusable record are unknown.
      ...(reach.groups.length === 0 && groups.length + (before ?? 0) > 0
        ? [{ ...range, prefix: reach.prefix, groups: [UNUSABLE] }]
        : []),
    ])
    const found = await Promise.all(queries.map(listing.select))
    const names = new Set<string>()
    let next: string | null = null
    for (const one of found) {
      if (!one) return undefined
      if (one.next !== null && (next === null || one.next < next)) next = one.next
      for (const name of [...one.names, ...one.stale]) names.add(name)
    }
    const end = next
    return { names: [...names].filter((name) => end === null || name <= end).sort(), next }
  }

  return {
    /** Undefined: the index cannot answer now. */
    async find(wanted: Wanted): Promise<CandidateNames | undefined> {
      for (let tries = 1; tries < TRIES; tries += 1) {
        const found = await select(wanted)
        if (found) return found
        await indexer.catchUp()
      }
      return select(wanted)
    },
  }
}
