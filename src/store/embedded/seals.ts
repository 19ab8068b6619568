import { usablePageOf } from '../integrity/record-schema.ts'
import { integrationName, kindName, pageLimit, text } from '../keys.ts'
import type { Seals } from '../seals.ts'
import { type EmbeddedDatabase, sqlNumber, sqlText, toTextOrNull } from './database.ts'
import { putMac } from './integrations.ts'

interface EmbeddedSealsDependencies {
  readonly database: EmbeddedDatabase
  readonly now: () => number
}

const head = (column: string) => `substr(${column}, 1, instr(${column} || '.', '.') - 1)`

export function createEmbeddedSeals({ database, now }: EmbeddedSealsDependencies): Seals {
  const swap = (sql: string, [name, former, sealed]: Parameters<Seals['swapSecrets']>) =>
    database.write(({ run }) => run(sql, sealed, former, integrationName(name)) === 1)

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
        name: sqlText(row.name),
        secrets: sqlText(row.secrets),
        lease: toTextOrNull(row.lease ?? null),
        refreshToken: toTextOrNull(row.token ?? null),
      }))
      return { items, next: rows.length > limit ? (items.at(-1)?.name ?? null) : null }
    },
    async macs(place, { limit, after }) {
      const from = [after ?? '', pageLimit(limit) + 1]
      const rows = database.read(({ all }) =>
        place === 'integrations'
          ? all(
              `SELECT name AS id, uid, version, ifnull(mac, '') AS mac
               FROM integrations LEFT JOIN integration_macs USING (name)
               WHERE name > ? ORDER BY name LIMIT ?`,
              ...from,
            )
          : all(
              `SELECT id, '' AS uid, version, ifnull(mac, '') AS mac
               FROM documents LEFT JOIN document_macs USING (kind, id)
               WHERE kind = ? AND id > ? ORDER BY id LIMIT ?`,
              kindName(place.kind),
              ...from,
            ),
      )
      return usablePageOf(rows, limit, {
        idOf: (row) => sqlText(row.id),
        parse: (row, id) => ({
          id,
          uid: sqlText(row.uid),
          version: sqlNumber(row.version),
          mac: sqlText(row.mac),
        }),
      })
    },
    async swapMac(place, { id, uid, version, mac: former }, mac) {
      return database.write((transaction) => {
        const { get, run } = transaction
        if (place === 'integrations') {
          const sql = `SELECT 1 FROM integrations LEFT JOIN integration_macs USING (name)
            WHERE name = ? AND uid = ? AND version = ? AND ifnull(mac, '') = ?`
          if (!get(sql, integrationName(id), uid, version, former)) return false
          putMac(transaction, id, mac)
          return true
        }
        const sql = `SELECT 1 FROM documents LEFT JOIN document_macs USING (kind, id)
          WHERE kind = ? AND id = ? AND version = ? AND ifnull(mac, '') = ?`
        if (!get(sql, kindName(place.kind), text(id), version, former)) return false
        run('INSERT OR REPLACE INTO document_macs VALUES (?, ?, ?)', place.kind, id, mac)
        return true
      })
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
