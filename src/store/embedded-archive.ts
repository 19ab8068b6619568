import type { Archive, ArchivedCustody, ArchivedIntegration } from './archive.ts'
import {
  type EmbeddedDatabase,
  type Statements,
  toNumber,
  toNumberOrNull,
  toText,
} from './embedded-database.ts'
import { documentKind, integrationName, pageLimit, text } from './keys.ts'

export interface EmbeddedArchiveDependencies {
  readonly database: EmbeddedDatabase
  readonly now: () => number
}

export function createEmbeddedArchive({ database, now }: EmbeddedArchiveDependencies): Archive {
  return {
    async integrations({ limit, after }) {
      const rows = database.read(({ all }) =>
        all(
          `SELECT i.*, c.family, c.g, c.token, c.state, c.kept_at, c.reason, c.body AS custody_body
           FROM integrations i LEFT JOIN custody c ON c.name = i.name
           WHERE i.name > ? ORDER BY i.name LIMIT ?`,
          after ?? '',
          pageLimit(limit) + 1,
        ),
      )
      const items = rows.slice(0, limit).map((row) => ({
        name: toText(row.name),
        uid: toText(row.uid),
        version: toNumber(row.version),
        digests: (JSON.parse(toText(row.digests)) as readonly unknown[]).map(String),
        definition: toText(row.definition),
        secrets: toText(row.secrets),
        custody: custodyOf(row),
      }))
      return { items, next: rows.length > limit ? (items.at(-1)?.name ?? null) : null }
    },

    async documents(kind, { limit, after }) {
      const rows = database.read(({ all }) =>
        all(
          `SELECT id, body, ends FROM documents
           WHERE kind = ? AND id > ? AND (ends IS NULL OR ends > ?) ORDER BY id LIMIT ?`,
          documentKind(kind),
          after ?? '',
          now(),
          pageLimit(limit) + 1,
        ),
      )
      const items = rows.slice(0, limit).map((row) => ({
        id: toText(row.id),
        body: toText(row.body),
        expiresAt: toNumberOrNull(row.ends ?? null),
      }))
      return { items, next: rows.length > limit ? (items.at(-1)?.id ?? null) : null }
    },

    async putIntegrations(records, { id, lookInMs }) {
      database.write((transaction) => {
        const lookAt = now() + lookInMs
        records.forEach((record, index) => {
          const { name, uid, version, digests, definition, secrets } = record
          // Above every rev that was announced for this name.
          const rev = transaction.seq + index + 1
          transaction.run('DELETE FROM outcomes WHERE name = ?', integrationName(name))
          transaction.run('DELETE FROM due WHERE name = ?', name)
          transaction.run(
            `INSERT INTO integrations VALUES (?, ?, ?, ?, 1, ?, ?, ?)
             ON CONFLICT (name) DO UPDATE SET uid = excluded.uid,
               version = max(version + 1, excluded.version), rev = excluded.rev, orev = orev + 1,
               digests = excluded.digests, definition = excluded.definition,
               secrets = excluded.secrets`,
            name,
            uid,
            version + 1,
            rev,
            JSON.stringify(digests),
            definition,
            secrets,
          )
          putCustody(transaction, record, id, lookAt)
          transaction.announce({ type: 'integration', name, rev })
        })
      })
    },

    async putDocuments(kind, records) {
      database.write((transaction) => {
        const at = now()
        for (const { id, body, expiresAt } of records) {
          if (expiresAt !== null && expiresAt <= at) continue
          transaction.run(
            `INSERT INTO documents VALUES (?, ?, 1, ?, ?) ON CONFLICT (kind, id)
             DO UPDATE SET version = version + 1, body = excluded.body, ends = excluded.ends`,
            documentKind(kind),
            text(id),
            body,
            expiresAt,
          )
          transaction.announce({ type: 'document', kind, id })
        }
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
      toNumber(former.kept_at) >= (custody?.keptAt ?? 0)
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

function custodyOf(row: NonNullable<ReturnType<Statements['get']>>): ArchivedCustody | null {
  if (row.family === null) return null
  return {
    family: toText(row.family),
    g: toNumber(row.g),
    token: toText(row.token),
    isDead: row.state === 'dead',
    keptAt: toNumber(row.kept_at),
    reason: toText(row.reason),
    body: toText(row.custody_body),
  }
}
