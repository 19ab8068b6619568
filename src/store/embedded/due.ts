import { integrationName } from '../keys.ts'
import type { Claim } from '../records.ts'
import type { DueIndex } from '../store.ts'
import {
  type EmbeddedDatabase,
  type Statements,
  sqlNumber,
  sqlText,
  toNumberOrNull,
} from './database.ts'

interface EmbeddedDueDependencies {
  readonly database: EmbeddedDatabase
  readonly now: () => number
}

/** The first reader of a lease after a restart marks it again, so a mark need not wait for the disk. */
export function createEmbeddedDue({ database, now }: EmbeddedDueDependencies): DueIndex {
  return {
    async mark(name, dueAt) {
      await database.writeSoon(({ run }) =>
        run('INSERT INTO due VALUES (?, ?) ON CONFLICT DO NOTHING', integrationName(name), dueAt),
      )
    },

    claim: (limit, postponeMs) =>
      claimInTable(
        { database, now, table: 'due', time: 'due_at', write: database.writeSoon },
        limit,
        postponeMs,
      ),

    async unmark(name) {
      await database.writeSoon(({ run }) =>
        run('DELETE FROM due WHERE name = ?', integrationName(name)),
      )
    },

    async size() {
      const row = database.read(({ get }) =>
        get('SELECT count(*) AS count, min(due_at) AS earliest FROM due'),
      )
      return { count: sqlNumber(row?.count), earliest: toNumberOrNull(row?.earliest) }
    },
  }
}

interface ClaimedTable extends EmbeddedDueDependencies {
  readonly table: string
  /** The column with the due time. */
  readonly time: string
  readonly write: EmbeddedDatabase['write']
}

/** Claims in a table with names and due times. */
export async function claimInTable(
  { database, now, table, time, write }: ClaimedTable,
  limit: number,
  postponeMs: number,
): Promise<Claim> {
  const at = now()
  const due = `SELECT name FROM ${table} WHERE ${time} <= ? ORDER BY ${time}, name LIMIT ?`
  const first = `SELECT min(${time}) AS first FROM ${table}`
  const left = ({ get }: Pick<Statements, 'get'>): number => {
    const next = toNumberOrNull(get(first)?.first ?? null)
    return next === null ? Number.POSITIVE_INFINITY : Math.max(0, next - at)
  }
  // Most claims find nothing, and a transaction would write to disk.
  const idle = database.read((statements) =>
    statements.get(due, at, 1) === undefined ? left(statements) : undefined,
  )
  if (idle !== undefined) return { names: [], nextInMs: idle }
  return write((transaction) => {
    const names = transaction.all(due, at, limit).map((row) => sqlText(row.name))
    for (const name of names) {
      transaction.run(`UPDATE ${table} SET ${time} = ? WHERE name = ?`, at + postponeMs, name)
    }
    return { names, nextInMs: left(transaction) }
  })
}
