import { integrationName, pageLimit } from '../../keys.ts'
import {
  type EntryWrite,
  EXAMINED_MAX,
  familyOf,
  groupName,
  groupsIn,
  type IndexFound,
  type IndexQuery,
  inOrder,
  type ListingIndex,
  STALE_MAX,
} from '../../listing/listing-index.ts'
import { type EmbeddedDatabase, type Statements, sqlNumber, sqlText } from '../database.ts'
import { MARK_ALL, NEXT_MARK } from './tables.ts'

interface EmbeddedListingDependencies {
  readonly database: EmbeddedDatabase
  readonly now: () => number
}

/** The index of this file is always whole: its triggers are older than any change that they missed. */
export function createEmbeddedListing({
  database,
  now,
}: EmbeddedListingDependencies): ListingIndex {
  return {
    async select(query) {
      await markTurned()
      return database.read((statements) => select(statements, query))
    },

    async groupsOf(names) {
      return database.read(({ get }) =>
        names.map((name) => {
          const row = get(
            'SELECT groups FROM listing_entries WHERE name = ?',
            integrationName(name),
          )
          return row && groupsIn(sqlText(row.groups))
        }),
      )
    },

    async counts(family, limit) {
      const of = familyOf(groupName(`${family}/-`))
      return database.read(({ get, all }) => {
        const total = get(
          'SELECT count(*) AS total FROM listing_counts WHERE family = ?',
          of,
        )?.total
        const rows = all(
          `SELECT name_of, count FROM listing_counts WHERE family = ?
           ORDER BY count DESC, name_of LIMIT ?`,
          of,
          pageLimit(limit),
        )
        return {
          total: sqlNumber(total),
          groups: rows.map((row) => ({ group: sqlText(row.name_of), count: sqlNumber(row.count) })),
        }
      })
    },

    async stale(limit) {
      await markTurned()
      return database.read(({ get, all }) => {
        const rows = all('SELECT name, mark FROM listing_stale LIMIT ?', pageLimit(limit) + 1)
        const at = get(`SELECT turns_at FROM listing_entries INDEXED BY listing_by_turn
          WHERE turns_at IS NOT NULL ORDER BY turns_at LIMIT 1`)?.turns_at
        const waitMs = at === undefined ? Number.POSITIVE_INFINITY : sqlNumber(at) - now()
        return {
          isWhole: true,
          items: rows
            .slice(0, limit)
            .map((row) => ({ name: sqlText(row.name), mark: sqlNumber(row.mark) })),
          nextInMs: rows.length > limit ? 0 : Math.max(0, waitMs),
        }
      })
    },

    async put(writes) {
      if (writes.length === 0) return
      await database.writeSoon((statements) => {
        for (const write of writes) putOne(statements, write)
      })
    },

    async mark(names) {
      if (names.length === 0) return
      await database.write(({ run }) => {
        for (const name of names) {
          run(
            `INSERT OR REPLACE INTO listing_stale VALUES (?, ${NEXT_MARK})`,
            integrationName(name),
          )
        }
      })
    },

    async rebuild() {
      await database.write(({ run }) => {
        for (const table of ['entries', 'groups', 'counts']) run(`DELETE FROM listing_${table}`)
        run(MARK_ALL)
      })
    },

    build: async () => true,
  }

  /** Marks the entries whose time is over. */
  async function markTurned(): Promise<void> {
    const turned = 'FROM listing_entries WHERE turns_at IS NOT NULL AND turns_at <= ?'
    const time = now()
    const isAny = database.read(({ get }) => get(`SELECT 1 ${turned} LIMIT 1`, time)) !== undefined
    if (!isAny) return
    await database.writeSoon(({ run }) => {
      run(`INSERT OR REPLACE INTO listing_stale SELECT name, ${NEXT_MARK} ${turned}`, time)
      run('UPDATE listing_entries SET turns_at = NULL WHERE turns_at <= ?', time)
    })
  }
}

function putOne({ get, run }: Statements, { name, mark, entry }: EntryWrite): void {
  const current = get('SELECT mark FROM listing_stale WHERE name = ?', integrationName(name))
  if (current?.mark !== mark) return
  run('DELETE FROM listing_stale WHERE name = ?', name)
  const former = get('SELECT groups FROM listing_entries WHERE name = ?', name)
  const groups = JSON.stringify(entry?.groups.map(groupName) ?? [])
  if (former?.groups !== groups) {
    for (const group of former ? groupsIn(sqlText(former.groups)) : []) {
      if (run('DELETE FROM listing_groups WHERE name_of = ? AND name = ?', group, name) === 0)
        continue
      run('UPDATE listing_counts SET count = count - 1 WHERE name_of = ?', group)
      run('DELETE FROM listing_counts WHERE name_of = ? AND count <= 0', group)
    }
    for (const group of entry?.groups ?? []) {
      if (run('INSERT OR IGNORE INTO listing_groups VALUES (?, ?)', group, name) === 0) continue
      run(
        `INSERT INTO listing_counts VALUES (?, ?, 1)
         ON CONFLICT DO UPDATE SET count = count + 1`,
        group,
        familyOf(group),
      )
    }
  }
  if (!entry) {
    run('DELETE FROM listing_entries WHERE name = ?', name)
    return
  }
  run(
    'INSERT OR REPLACE INTO listing_entries VALUES (?, ?, ?, ?, ?)',
    name,
    Number(entry.isSteady),
    groups,
    entry.turnsAt,
    entry.certificateEndsAt,
  )
}

function select(statements: Statements, query: IndexQuery): IndexFound | undefined {
  const { get, all } = statements
  const marked = all('SELECT name FROM listing_stale LIMIT ?', STALE_MAX + 1)
  if (marked.length > STALE_MAX) return undefined
  const { prefix, after, certificateEndsBefore: before, limit } = query
  const countOf = (group: string) =>
    sqlNumber(get('SELECT count FROM listing_counts WHERE name_of = ?', group)?.count ?? 0)
  const [driver, ...others] = query.groups
    .map((group) => ({ group: groupName(group), count: countOf(group) }))
    .sort((a, b) => a.count - b.count)
    .map(({ group }) => group)

  const isFirst = after === undefined || after < prefix
  const from = isFirst ? prefix : after
  /** No name has a tilde. */
  const within = `name ${isFirst ? '>=' : '>'} ? AND name < ?`
  const bounds = [from, `${prefix}~`] as const

  const few =
    before !== undefined &&
    all('SELECT 1 FROM listing_entries WHERE ends_at < ? LIMIT ?', before, EXAMINED_MAX + 1)
      .length <= EXAMINED_MAX
  const inGroups = (groups: readonly string[]) =>
    groups
      .map(
        () =>
          'AND EXISTS (SELECT 1 FROM listing_groups g WHERE g.name_of = ? AND g.name = examined.name)',
      )
      .join(' ')
  const count = pageLimit(limit) + 1
  let names: readonly string[]
  let next: string | null = null
  if (few) {
    names = all(
      `SELECT name FROM listing_entries AS examined INDEXED BY listing_by_end
       WHERE ends_at < ? AND ${within} ${inGroups(query.groups)} ORDER BY name LIMIT ?`,
      before,
      ...[...bounds, ...query.groups, count],
    ).map((row) => sqlText(row.name))
  } else {
    const source = driver === undefined ? 'integrations' : 'listing_groups'
    const ofDriver = driver === undefined ? [] : [driver]
    const examined = `SELECT name FROM ${source} WHERE ${driver === undefined ? '' : 'name_of = ? AND '}${within} ORDER BY name LIMIT ${EXAMINED_MAX}`
    const ending =
      before === undefined
        ? ''
        : 'AND EXISTS (SELECT 1 FROM listing_entries e WHERE e.name = examined.name AND e.ends_at < ?)'
    const last = get(
      `${examined.replace(`LIMIT ${EXAMINED_MAX}`, 'LIMIT 1')} OFFSET ${EXAMINED_MAX - 1}`,
      ...[...ofDriver, ...bounds],
    )
    names = all(
      `SELECT name FROM (${examined}) AS examined WHERE true ${ending} ${inGroups(others)} ORDER BY name LIMIT ?`,
      ...[...ofDriver, ...bounds, ...(before === undefined ? [] : [before]), ...others, count],
    ).map((row) => sqlText(row.name))
    if (last) next = sqlText(last.name)
  }
  const stale = marked.map((row) => sqlText(row.name))
  return inOrder(names, stale, { prefix, after, limit, end: next })
}
