import type { Archive, ArchivedCustody, ArchivedIntegration } from '../archive.ts'
import { usablePageOf } from '../integrity/record-schema.ts'
import { integrationName, kindName, pageLimit, text } from '../keys.ts'
import { readDigests } from '../record-body.ts'
import {
  type EmbeddedDatabase,
  type Statements,
  sqlNumber,
  sqlText,
  toNumberOrNull,
} from './database.ts'
import { putMac, sqlMacField } from './integrations.ts'

interface EmbeddedArchiveDependencies {
  readonly database: EmbeddedDatabase
  readonly now: () => number
  /** Frees the lock of an erased integration. */
  readonly forgetLock: (name: string) => void
}

export function createEmbeddedArchive({
  database,
  now,
  forgetLock,
}: EmbeddedArchiveDependencies): Archive {
  return {
    async integrations({ limit, after }) {
      const rows = database.read(({ all }) =>
        all(
          `SELECT i.*, c.family, c.g, c.token, c.state, c.kept_at, c.reason, c.body AS custody_body, m.mac
           FROM integrations i LEFT JOIN custody c ON c.name = i.name
           LEFT JOIN integration_macs m ON m.name = i.name
           WHERE i.name > ? ORDER BY i.name LIMIT ?`,
          after ?? '',
          pageLimit(limit) + 1,
        ),
      )
      return usablePageOf(rows, limit, {
        idOf: (row) => sqlText(row.name),
        parse: (row, name) => ({
          name,
          uid: sqlText(row.uid),
          version: sqlNumber(row.version),
          digests: readDigests(sqlText(row.digests), `of integration ${name}`),
          definition: sqlText(row.definition),
          secrets: sqlText(row.secrets),
          custody: custodyOf(row),
          ...sqlMacField(row.mac),
        }),
      })
    },

    async documents(kind, { limit, after }) {
      const rows = database.read(({ all }) =>
        all(
          `SELECT id, body, ends, version, mac
           FROM documents LEFT JOIN document_macs USING (kind, id)
           WHERE kind = ? AND id > ? AND (ends IS NULL OR ends > ?) ORDER BY id LIMIT ?`,
          kindName(kind),
          after ?? '',
          now(),
          pageLimit(limit) + 1,
        ),
      )
      return usablePageOf(rows, limit, {
        idOf: (row) => sqlText(row.id),
        parse: (row, id) => ({
          id,
          body: sqlText(row.body),
          expiresAt: toNumberOrNull(row.ends ?? null),
          version: sqlNumber(row.version),
          ...sqlMacField(row.mac),
        }),
      })
    },

    async putIntegrations(records, { id, lookInMs }) {
      return database.write((transaction) => {
        const lookAt = now() + lookInMs
        const versions = records.map(({ name, version }) => {
          const sql = 'SELECT version FROM integrations WHERE name = ?'
          return nextVersion(transaction.get(sql, integrationName(name)), version)
        })
        if (!areWanted(records, versions)) return false
        records.forEach((record, index) => {
          const { name, uid, digests, definition, secrets } = record
          const version = versions[index] ?? 1
          // Above every rev that was announced for this name.
          const rev = transaction.seq + index + 1
          transaction.run('DELETE FROM outcomes WHERE name = ?', name)
          transaction.run('DELETE FROM due WHERE name = ?', name)
          transaction.run(
            `INSERT INTO integrations VALUES (?, ?, ?, ?, 1, ?, ?, ?)
             ON CONFLICT (name) DO UPDATE SET uid = excluded.uid,
               version = excluded.version, rev = excluded.rev, orev = orev + 1,
               digests = excluded.digests, definition = excluded.definition,
               secrets = excluded.secrets`,
            name,
            uid,
            version,
            rev,
            JSON.stringify(digests),
            definition,
            secrets,
          )
          putMac(transaction, name, record.mac)
          putCustody(transaction, record, id, lookAt)
          transaction.announce({ type: 'integration', name, rev })
        })
        return true
      })
    },

    async putDocuments(kind, records) {
      return database.write((transaction) => {
        const at = now()
        const versions = records.map(({ id, version = 0 }) => {
          const sql = 'SELECT version FROM documents WHERE kind = ? AND id = ?'
          return nextVersion(transaction.get(sql, kindName(kind), text(id)), version)
        })
        if (!areWanted(records, versions)) return false
        records.forEach(({ id, body, expiresAt, mac }, index) => {
          if (expiresAt !== null && expiresAt <= at) return
          const values = [kind, id, versions[index] ?? 1, body, expiresAt]
          // Also removes the former code.
          transaction.run('INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)', ...values)
          if (mac !== undefined) {
            transaction.run('INSERT INTO document_macs VALUES (?, ?, ?)', kind, id, mac)
          }
          transaction.announce({ type: 'document', kind, id })
        })
        return true
      })
    },

    async eraseIntegration(name) {
      const erased = await database.write((transaction) => {
        // Foreign keys also remove outcome, custody and code.
        const sql = 'DELETE FROM integrations WHERE name = ?'
        if (transaction.run(sql, integrationName(name)) === 0) return false
        transaction.run('DELETE FROM due WHERE name = ?', name)
        transaction.announce({ type: 'integration', name, rev: transaction.seq + 1 })
        return true
      })
      if (erased) forgetLock(name)
      return erased
    },

    async eraseDocument(kind, id) {
      return database.write((transaction) => {
        const sql = 'DELETE FROM documents WHERE kind = ? AND id = ?'
        if (transaction.run(sql, kindName(kind), text(id)) === 0) return false
        transaction.announce({ type: 'document', kind, id })
        return true
      })
    },
  }

  function putCustody(
    { get, run }: Statements,
    { name, uid, custody }: ArchivedIntegration,
    id: string,
    lookAt: number,
  ): void {
    const former = get('SELECT uid, state, kept_at FROM custody WHERE name = ?', name)
    const isKept =
      former?.uid === uid &&
      former.state !== 'dead' &&
      sqlNumber(former.kept_at) >= (custody?.keptAt ?? 0)
    if (isKept) return
    run('DELETE FROM custody WHERE name = ?', name)
    if (!custody) return
    const { family, g, token, isDead, keptAt, reason, body } = custody
    run(
      'INSERT INTO custody VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)',
      ...[name, uid, family, g, token, isDead ? 'dead' : 'spend', id, now(), keptAt],
      ...[reason, body, isDead ? null : lookAt],
    )
  }
}

/** Above both the given and the existing version. */
const nextVersion = (former: ReturnType<Statements['get']>, given: number): number =>
  Math.max(former ? sqlNumber(former.version) : 0, given) + 1

const areWanted = (
  records: readonly { readonly becomes?: number }[],
  versions: readonly number[],
): boolean =>
  records.every(({ becomes }, index) => becomes === undefined || becomes === versions[index])

function custodyOf(row: NonNullable<ReturnType<Statements['get']>>): ArchivedCustody | null {
  if (row.family === null) return null
  return {
    family: sqlText(row.family),
    g: sqlNumber(row.g),
    token: sqlText(row.token),
    isDead: row.state === 'dead',
    keptAt: sqlNumber(row.kept_at),
    reason: sqlText(row.reason),
    body: sqlText(row.custody_body),
  }
}
