import { type EmbeddedDatabase, toText, toTextOrNull } from './embedded-database.ts'
import { integrationName, pageLimit } from './keys.ts'
import type { Seals } from './seals.ts'

export interface EmbeddedSealsDependencies {
  readonly database: EmbeddedDatabase
  readonly now: () => number
}

const head = (column: string) => `substr(${column}, 1, instr(${column} || '.', '.') - 1)`

export function createEmbeddedSeals({ database, now }: EmbeddedSealsDependencies): Seals {
  const swap = (sql: string, [name, former, sealed]: Parameters<Seals['swapSecrets']>): boolean =>
    database.write(({ run }) => run(sql, sealed, former, integrationName(name))) === 1

  return {
    async list({ limit, after }) {
      const rows = database.read(({ all }) =>
        all(
          `SELECT i.name AS name, ${head('i.secrets')} AS secrets, ${head('o.lease_body')} AS lease,
             ${head("nullif(c.token, '')")} AS token
           FROM integrations i LEFT JOIN outcomes o ON o.name = i.name AND o.lease_ends > ?
           LEFT JOIN custody c ON c.name = i.name
           WHERE i.name > ? ORDER BY i.name LIMIT ?`,
          now(),
          after ?? '',
          pageLimit(limit) + 1,
        ),
      )
      const items = rows.slice(0, limit).map((row) => ({
        name: toText(row.name),
        secrets: toText(row.secrets),
        lease: toTextOrNull(row.lease ?? null),
        refreshToken: toTextOrNull(row.token ?? null),
      }))
      return { items, next: rows.length > limit ? (items.at(-1)?.name ?? null) : null }
    },
    async swapSecrets(...swapped) {
      return swap('UPDATE integrations SET secrets = ? WHERE secrets = ? AND name = ?', swapped)
    },
    async swapRefreshToken(...swapped) {
      return swap('UPDATE custody SET token = ? WHERE token = ? AND name = ?', swapped)
    },
    async swapLease(...swapped) {
      return swap('UPDATE outcomes SET lease_body = ? WHERE lease_body = ? AND name = ?', swapped)
    },
  }
}
