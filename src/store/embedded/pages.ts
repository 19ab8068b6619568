/** A page of a table of which a part may be damaged: what is lost is named, and hides nothing else. */
import { type EmbeddedDatabase, type SqlRow, type Statements, sqlText } from './database.ts'

export interface SqlPageQuery {
  /** The column that rows are ordered and known by. */
  readonly column: string
  /** The id before the first one. */
  readonly after: string
  /** How many rows at most. */
  readonly count: number
  /** The whole page at once: the sound case. */
  readonly page: (statements: Statements) => readonly SqlRow[]
  /** Every id of the table in its order; undefined for a row of another list. It must read nothing else of a row. */
  readonly every: (statements: Statements) => readonly (string | undefined)[]
  /** The rows from this place of that order on. It must not search: SQLite looks at other rows for it. */
  readonly from: (statements: Statements, count: number, place: number) => readonly SqlRow[]
  /** Whether it is still good. */
  readonly isGood: (row: SqlRow) => boolean
  /** The ids of the page by another table, which is damaged in another place, if at all. */
  readonly others: (statements: Statements) => readonly SqlRow[]
  /** The row of one of those. */
  readonly one: (statements: Statements, id: string) => SqlRow | undefined
}

/** A row that cannot be read has its id alone. Throws `store_unavailable` where no way leads to the ids. */
export function pagedRows(database: EmbeddedDatabase, query: SqlPageQuery): readonly SqlRow[] {
  return database.readSome(
    query.page,
    (statements) => byPlace(database, query, statements),
    (statements) => byOthers(database, query, statements),
  )
}

/** Without a search, so that a row whose end is lost harms itself alone. */
function byPlace(
  database: EmbeddedDatabase,
  { column, after, count, every, from, isGood }: SqlPageQuery,
  statements: Statements,
): readonly SqlRow[] {
  const ids = every(statements)
  /** Halves what cannot be read as a whole, until it is one row. */
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
