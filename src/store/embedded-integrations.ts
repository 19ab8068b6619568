import { type EmbeddedDatabase, type Statements, toNumber, toText } from './embedded-database.ts'
import { integrationName, pageLimit } from './keys.ts'
import type { IntegrationRecord, IntegrationRecords, SealedIntegrationRecord } from './store.ts'

export interface EmbeddedIntegrationsDependencies {
  readonly database: EmbeddedDatabase
  /** Frees the lock of an integration that is removed. */
  readonly forgetLock: (name: string) => void
}

export function createEmbeddedIntegrations(
  dependencies: EmbeddedIntegrationsDependencies,
): IntegrationRecords {
  const { database, forgetLock } = dependencies
  return {
    async read(name) {
      return database.read((statements) => readPublic(statements, name))
    },

    async readSealed(name) {
      return database.read((statements) => readSealed(statements, name))
    },

    async list({ limit, after }) {
      const rows = database.read(({ all }) =>
        all(
          `SELECT ${PUBLIC} FROM integrations WHERE name > ? ORDER BY name LIMIT ?`,
          after ?? '',
          pageLimit(limit) + 1,
        ),
      )
      const items = rows.slice(0, limit).map(publicRecord)
      return { items, next: rows.length > limit ? (items.at(-1)?.name ?? null) : null }
    },

    async create(name, uid, content) {
      return database.write((transaction) => {
        if (readSealed(transaction, name) !== undefined) return undefined
        // Above every rev that a former integration of this name had: each of them was announced.
        const rev = transaction.seq + 1
        transaction.run(
          'INSERT INTO integrations VALUES (?, ?, 1, ?, 0, ?, ?, ?)',
          name,
          uid,
          rev,
          JSON.stringify(content.digests),
          content.definition,
          content.secrets,
        )
        transaction.announce({ type: 'integration', name, rev })
        return readPublic(transaction, name)
      })
    },

    async change(name, { uid, version }, content) {
      return database.write((transaction) => {
        const changed = transaction.run(
          `UPDATE integrations
           SET version = version + 1, rev = rev + 1, digests = ?, definition = ?, secrets = ?
           WHERE name = ? AND uid = ? AND version = ?`,
          JSON.stringify(content.digests),
          content.definition,
          content.secrets,
          integrationName(name),
          uid,
          version,
        )
        if (changed === 0) return undefined
        const record = readPublic(transaction, name)
        if (record) transaction.announce({ type: 'integration', name, rev: record.rev })
        return record
      })
    },

    async remove(name, { uid, version }) {
      const removed = database.write((transaction) => {
        const record = readSealed(transaction, name)
        if (record?.uid !== uid || record.version !== version) return false
        // The outcome goes with it, by its foreign key.
        transaction.run('DELETE FROM integrations WHERE name = ?', name)
        transaction.run('DELETE FROM due WHERE name = ?', name)
        transaction.announce({ type: 'integration', name, rev: record.rev + 1 })
        return true
      })
      if (removed) forgetLock(name)
      return removed
    },

    // A transaction is on the disk before the next one begins.
    confirm: async () => undefined,
  }
}

/** Within an operation on more than the integration. */
export function readPublic(statements: Statements, name: string): IntegrationRecord | undefined {
  const sql = `SELECT ${PUBLIC} FROM integrations WHERE name = ?`
  const row = statements.get(sql, integrationName(name))
  return row && publicRecord(row)
}

function readSealed(statements: Statements, name: string): SealedIntegrationRecord | undefined {
  const row = statements.get('SELECT * FROM integrations WHERE name = ?', integrationName(name))
  return row && { ...publicRecord(row), secrets: toText(row.secrets) }
}

/** All but the secrets, which are the larger part. */
const PUBLIC = 'name, uid, version, rev, orev, digests, definition'

function publicRecord(row: NonNullable<ReturnType<Statements['get']>>): IntegrationRecord {
  const digests: unknown = JSON.parse(toText(row.digests))
  return {
    name: toText(row.name),
    uid: toText(row.uid),
    version: toNumber(row.version),
    rev: toNumber(row.rev),
    orev: toNumber(row.orev),
    digests: Array.isArray(digests) ? digests.map(String) : [],
    definition: toText(row.definition),
  }
}
