/**
 * The part of the port that finds integrations by what a list filters by, without a look at each.
 *
 * An index holds one entry for each integration. Every change that may make an entry wrong marks it
 * as stale, in the same atomic operation; so does the time for which the entry was made. Whoever
 * reads the index looks at the stale ones itself, and the indexer replaces their entries.
 * So an answer is right also where the indexer is late or died.
 *
 * - Redis marks in the script that announces the change, SQLite by triggers in the file. A mint marks
 *   nothing where a lease changes nothing (`isSteady`).
 * - What changes by time alone, such as the end of a lease, is an instant of the entry (`turnsAt`). A
 *   query compares the end of the certificate itself.
 * - An older release beside this one marks nothing in Redis. The index counts the announced changes with
 *   the sequence number. A difference shows such a change, and whoever looks next marks what the change
 *   stream names. If the stream no longer has it, and at the first start, the index is built again.
 *   Meanwhile a query reads all records. `valetkey reindex` begins the same.
 */

export interface IndexEntry {
  /**
   * Groups to which the integration belongs, as `FAMILY/VALUE`, for example `state/refused`. Families
   * are `^[a-z]{1,16}$`. Each integration is in exactly one group of the family `state`.
   */
  readonly groups: readonly string[]
  /** A new lease, or the end of one, changes nothing of the entry. So mints do not mark it. */
  readonly isSteady: boolean
  /** Epoch milliseconds of the store, from which the entry may be wrong by itself. Null: never. */
  readonly turnsAt: number | null
  /** End of the active certificate, in epoch milliseconds. Null: none. */
  readonly certificateEndsAt: number | null
}

/** A stale entry. `mark` changes with each change that makes it stale. */
export interface StaleEntry {
  readonly name: string
  readonly mark: number
}

export interface EntryWrite extends StaleEntry {
  /** Null: there is no such integration. */
  readonly entry: IndexEntry | null
}

interface StaleEntries {
  /** False: not every integration has an entry or a mark yet. */
  readonly isWhole: boolean
  /** At most as many as asked for. */
  readonly items: readonly StaleEntry[]
  /** Milliseconds until an entry turns stale by itself; 0: there are more now. Infinite: none does. */
  readonly nextInMs: number
}

export interface IndexQuery {
  /** The entry is in each of them. */
  readonly groups: readonly string[]
  /** Names that begin with it. Empty: all. */
  readonly prefix: string
  /** Only names after it. */
  readonly after?: string
  /** Its certificate ends before this time, in epoch milliseconds. */
  readonly certificateEndsBefore?: number
  /** Most names of the answer. 1 to 1000. */
  readonly limit: number
}

export interface IndexFound {
  /** In order of name. */
  readonly names: readonly string[]
  /** Pass as `after` for those that follow; null: there are none. */
  readonly next: string | null
  /** Names with the prefix, after `after` and up to `next`, in order, whose entry is stale or missing. */
  readonly stale: readonly string[]
}

export interface GroupCount {
  readonly group: string
  readonly count: number
}

export interface ListingIndex {
  /** Undefined: the index cannot answer, because it is not whole or more than {@link STALE_MAX} entries are stale. */
  select(query: IndexQuery): Promise<IndexFound | undefined>
  /** The groups of these names, in their order. Undefined: no entry. */
  groupsOf(names: readonly string[]): Promise<readonly (readonly string[] | undefined)[]>
  /** The largest groups of a family, the largest first, at most `limit` (1 to 1000); and how many groups there are. */
  counts(
    family: string,
    limit: number,
  ): Promise<{ readonly groups: readonly GroupCount[]; readonly total: number }>
  /** `limit` 1 to 1000. */
  stale(limit: number): Promise<StaleEntries>
  /** Replaces the entries whose mark is still the given one, and removes their marks. At most 100 at once. */
  put(writes: readonly EntryWrite[]): Promise<void>
  /** Marks the entries of these integrations. */
  mark(names: readonly string[]): Promise<void>
  /** Empties the index, and begins to mark every integration. It is not whole until `build` returned true. */
  rebuild(): Promise<void>
  /** Marks some more of a rebuild. True: the index is whole. */
  build(): Promise<boolean>
}

/** Most stale entries with which `select` answers: whoever asks looks at each. */
export const STALE_MAX = 100

/** Most names that one `select` examines. Then it answers with what it found. */
export const EXAMINED_MAX = 5_000

/** Families of groups. */
export const FAMILIES = ['state', 'label', 'certificate', 'refusal'] as const

export type Family = (typeof FAMILIES)[number]

/** Kinds of documents that are named like their integration and that decide about its entry. */
export const INDEXED_KINDS = ['identity', 'subject'] as const

const GROUP = /^[a-z]{1,16}\/.{1,256}$/su

export function groupName(group: string): string {
  if (!GROUP.test(group)) throw new RangeError('Not a group of integrations')
  return group
}

export const familyOf = (group: string): string => group.slice(0, group.indexOf('/'))

/** Parses the groups of an entry. Text in a foreign form has none. */
export function groupsIn(json: string): readonly string[] {
  try {
    const groups: unknown = JSON.parse(json)
    return Array.isArray(groups) ? groups.filter((group) => typeof group === 'string') : []
  } catch {
    return []
  }
}

interface FoundRange extends Pick<IndexQuery, 'prefix' | 'limit'> {
  readonly after: string | undefined
  /** The last name that was examined. Null: there are no others. */
  readonly end: string | null
}

/** The answer from names in any order, of which some may be outside of the range. */
export function inOrder(
  names: readonly string[],
  stale: readonly string[],
  { prefix, after, limit, end }: FoundRange,
): IndexFound {
  const within = (some: readonly string[], last: string | null) =>
    some
      .filter((name) => name.startsWith(prefix) && (after === undefined || name > after))
      .filter((name) => last === null || name <= last)
      .sort()
  const all = within(names, end)
  const found = all.slice(0, limit)
  const next = all.length > limit ? (found.at(-1) ?? null) : end
  return { names: found, next, stale: within(stale, next) }
}
