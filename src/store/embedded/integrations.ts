import { usablePageOf } from '../integrity/record-schema.ts'
import { integrationName, pageLimit } from '../keys.ts'
import { readDigests } from '../record-body.ts'
import type { IntegrationRecord, IntegrationRecords, SealedIntegrationRecord } from '../store.ts'
import { type EmbeddedDatabase, type Statements, sqlNumber, sqlText } from './database.ts'
import { isDamage } from './file-trouble.ts'
import { pagedRows } from './pages.ts'

interface EmbeddedIntegrationsDependencies {
  readonly database: EmbeddedDatabase
  /** Frees the lock of a removed integration. */
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
      const from = { after: after ?? '', count: pageLimit(limit) + 1 }
      const rows = pagedRows(database, {
        ...{ ...from, column: 'name' },
        page: ({ all }) =>
          all(
            `SELECT ${PUBLIC} FROM ${INTEGRATIONS} WHERE name > ? ORDER BY name LIMIT ?`,
            from.after,
            from.count,
          ),
        every: ({ all }) => all(EVERY).map((row) => sqlText(row.name)),
        from: ({ all }, ...part) =>
          all(`SELECT ${PUBLIC} FROM ${INTEGRATIONS} ORDER BY name LIMIT ? OFFSET ?`, ...part),
        isGood: () => true,
        // Every record has a code.
        others: ({ all }) =>
          all(
            'SELECT name FROM integration_macs WHERE name > ? ORDER BY name LIMIT ?',
            from.after,
            from.count,
          ),
        one: (statements, name) => rowOf(statements, PUBLIC, name),
      })
      return usablePageOf(rows, limit, { idOf: (row) => sqlText(row.name), parse: publicRecord })
    },

    async create(name, uid, content) {
      return database.write((transaction) => {
        const taken = 'SELECT 1 FROM integrations WHERE name = ?'
        if (transaction.get(taken, integrationName(name)) !== undefined) return undefined
        // Above every rev that was announced for a former integration with this name.
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
        putMac(transaction, name, content.mac)
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
        putMac(transaction, name, content.mac)
        const record = readPublic(transaction, name)
        if (record) transaction.announce({ type: 'integration', name, rev: record.rev })
        return record
      })
    },

    async remove(name, { uid, version }) {
      const removed = await database.write((transaction) => {
        const record = transaction.get(
          'SELECT uid, version, rev FROM integrations WHERE name = ?',
          integrationName(name),
        )
        if (record?.uid !== uid || record.version !== version) return false
        // A foreign key also removes the outcome.
        transaction.run('DELETE FROM integrations WHERE name = ?', name)
        transaction.run('DELETE FROM due WHERE name = ?', name)
        transaction.announce({ type: 'integration', name, rev: sqlNumber(record.rev) + 1 })
        return true
      })
      if (removed) forgetLock(name)
      return removed
    },

    // A transaction is on disk before the next one begins.
    confirm: async () => undefined,
  }
}

/** For transactions that also read other data. */
export function readPublic(statements: Statements, name: string): IntegrationRecord | undefined {
  const row = rowOf(statements, PUBLIC, name)
  return row && publicRecord(row)
}

function readSealed(statements: Statements, name: string): SealedIntegrationRecord | undefined {
  const row = rowOf(statements, `${PUBLIC}, secrets`, name)
  return row && { ...publicRecord(row), secrets: sqlText(row.secrets) }
}

/** Searches by name, which reads other rows, too. If one of them is damaged, reads by position. */
function rowOf({ get, all }: Statements, columns: string, name: string) {
  try {
    return get(`SELECT ${columns} FROM ${INTEGRATIONS} WHERE name = ?`, integrationName(name))
  } catch (error) {
    if (!isDamage(error)) throw error
    const place = all(EVERY).findIndex((row) => row.name === name)
    if (place === -1) return undefined
    return get(`SELECT ${columns} FROM ${INTEGRATIONS} ORDER BY name LIMIT 1 OFFSET ?`, place)
  }
}

/** Replaces the code; undefined removes it. */
export function putMac({ run }: Statements, name: string, mac: string | undefined): void {
  if (mac === undefined) run('DELETE FROM integration_macs WHERE name = ?', name)
  else run('INSERT OR REPLACE INTO integration_macs VALUES (?, ?)', name, mac)
}

/** All columns except the secrets, which are the largest part. */
const PUBLIC = 'name, uid, version, rev, orev, digests, definition, mac'
const EVERY = 'SELECT name FROM integrations ORDER BY name'
const INTEGRATIONS = 'integrations LEFT JOIN integration_macs USING (name)'

function publicRecord(row: NonNullable<ReturnType<Statements['get']>>): IntegrationRecord {
  const name = sqlText(row.name)
  return {
    name,
    uid: sqlText(row.uid),
    version: sqlNumber(row.version),
    rev: sqlNumber(row.rev),
    orev: sqlNumber(row.orev),
    digests: readDigests(sqlText(row.digests), `of integration ${name}`),
    definition: sqlText(row.definition),
    ...sqlMacField(row.mac),
  }
}

/** The code of a record, in its row. */
export const sqlMacField = (mac: unknown): { readonly mac?: string } =>
  typeof mac === 'string' ? { mac } : {}
