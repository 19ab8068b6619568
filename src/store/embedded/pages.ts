/** Reads a page of a table that may be partly damaged. A damaged row is named and hides no other row. */
import { type EmbeddedDatabase, type SqlRow, type Statements, sqlText } from './database.ts'

interface SqlPageQuery {
  /** The column of ids and of the order. */
  readonly column: string
  /** The page starts after this id. */
  readonly after: string
  readonly count: number
  /** Reads the complete page, if nothing is damaged. */
  readonly page: (statements: Statements) => readonly SqlRow[]
  /** Reads all ids in order; undefined for rows of other lists. Must read nothing else of a row. */
  readonly every: (statements: Statements) => readonly (string | undefined)[]
  /** Reads rows by position in that order. Must not search, because a search reads other rows. */
  readonly from: (statements: Statements, count: number, place: number) => readonly SqlRow[]
  /** Whether the row is unexpired. */
  readonly isGood: (row: SqlRow) => boolean
  /** Reads the ids from another table, which has different damage, if any. */
  readonly others: (statements: Statements) => readonly SqlRow[]
  /** Reads one of these rows. */
  readonly one: (statements: Statements, id: string) => SqlRow | undefined
}

/** An unreadable row has only its id. Throws `store_unavailable` if the ids cannot be read. */
export function pagedRows(database: EmbeddedDatabase, query: SqlPageQuery): readonly SqlRow[] {
  return database.readSome(
    query.page,
    (statements) => byPlace(database, query, statements),
    (statements) => byOthers(database, query, statements),
  )
}

/** Does not search, so that a damaged row affects only itself. */
function byPlace(
  database: EmbeddedDatabase,
  { column, after, count, every, from, isGood }: SqlPageQuery,
  statements: Statements,
): readonly SqlRow[] {
  const ids = every(statements)
  /** Bisects an unreadable range down to single rows. */
  const between = (first: number, end: number): readonly SqlRow[] => {
    const middle = Math.floor((first + end) / 2)
    const isOne = end - first === 1
    return database.readSome(
      () => from(statements, end - first, first).filter(isGood),
      () =>
        isOne
          ? [{ [column]: ids[first] ?? '' }]
          : [...between(first, middle), ...between(middle, end)],
    )
  }
  const places = ids.flatMap((id, place) => (id !== undefined && id > after ? [place] : []))
  const [first = 0] = places
  const end = (places.at(-1) ?? -1) + 1
  const rows: SqlRow[] = []
  for (let place = first; place < end && rows.length < count; ) {
    const next = Math.min(place + count - rows.length, end)
    rows.push(...between(place, next))
    place = next
  }
  return rows
}

function byOthers(
  database: EmbeddedDatabase,
  { column, others, one }: SqlPageQuery,
  statements: Statements,
): readonly SqlRow[] {
  return others(statements).flatMap((other) => {
    const id = sqlText(other[column])
    return database.readSome<readonly SqlRow[]>(
      () => {
        const row = one(statements, id)
        return row ? [row] : []
      },
      () => [{ [column]: id }],
    )
  })
}
