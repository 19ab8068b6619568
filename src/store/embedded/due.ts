import { integrationName } from '../keys.ts'
import type { DueIndex } from '../store.ts'
import { type EmbeddedDatabase, sqlNumber, sqlText, toNumberOrNull } from './database.ts'

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

    async claim(limit, postponeMs) {
      const time = now()
      const select = 'SELECT name FROM due WHERE due_at <= ? ORDER BY due_at, name LIMIT ?'
      // Most claims find nothing, and a transaction would write to disk.
      if (database.read(({ get }) => get(select, time, 1)) === undefined) return []
      return database.writeSoon(({ all, run }) => {
        const names = all(select, time, limit).map((row) => sqlText(row.name))
        for (const name of names) {
          run('UPDATE due SET due_at = ? WHERE name = ?', time + postponeMs, name)
        }
        return names
      })
    },

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
