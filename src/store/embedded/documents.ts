import { usablePageOf } from '../integrity/record-schema.ts'
import { kindName, pageLimit, text } from '../keys.ts'
import type { DocumentRecord, Documents } from '../store.ts'
import {
  type EmbeddedDatabase,
  type Statements,
  sqlNumber,
  sqlText,
  type Transaction,
} from './database.ts'
import { sqlMacField } from './integrations.ts'
import { pagedRows } from './pages.ts'

interface EmbeddedDocumentsDependencies {
  readonly database: EmbeddedDatabase
  readonly now: () => number
}

export function createEmbeddedDocuments(dependencies: EmbeddedDocumentsDependencies): Documents {
  const { database, now } = dependencies

  const rowOf = ({ get }: Statements, kind: string, id: string) =>
    get(
      `SELECT ${COLUMNS} FROM ${DOCUMENTS} WHERE kind = ? AND id = ? AND (ends IS NULL OR ends > ?)`,
      kindName(kind),
      text(id),
      now(),
    )

  function read(statements: Statements, kind: string, id: string): DocumentRecord | undefined {
    const row = rowOf(statements, kind, id)
    return row && documentRecord(row)
  }

  return {
    async read(kind, id) {
      return database.read((statements) => read(statements, kind, id))
    },

    async list(kind, { limit, after }) {
      const from = { after: after ?? '', count: pageLimit(limit) + 1 }
      const rows = pagedRows(database, {
        ...{ ...from, column: 'id' },
        page: ({ all }) =>
          all(
            `SELECT ${COLUMNS} FROM ${DOCUMENTS}
             WHERE kind = ? AND id > ? AND (ends IS NULL OR ends > ?) ORDER BY id LIMIT ?`,
            kindName(kind),
            from.after,
            now(),
            from.count,
          ),
        every: ({ all }) =>
          all('SELECT kind, id FROM documents ORDER BY kind, id').map((row) =>
            row.kind === kind ? sqlText(row.id) : undefined,
          ),
        from: ({ all }, ...part) =>
          all(
            `SELECT ${COLUMNS}, ends FROM ${DOCUMENTS} ORDER BY kind, id LIMIT ? OFFSET ?`,
            ...part,
          ),
        isGood: ({ ends }) => typeof ends !== 'number' || ends > now(),
        // Every document of a proven kind has a code.
        others: ({ all }) =>
          all(
            'SELECT id FROM document_macs WHERE kind = ? AND id > ? ORDER BY id LIMIT ?',
            kind,
            from.after,
            from.count,
          ),
        one: (statements, id) => rowOf(statements, kind, id),
      })
      return usablePageOf(rows, limit, { idOf: (row) => sqlText(row.id), parse: documentRecord })
    },

    async write(kind, id, body, { expected, expiresAt, mac }) {
      return database.write((transaction) => {
        const former = read(transaction, kind, id)
        if (expected === 'absent' && former !== undefined) return undefined
        if (typeof expected === 'number' && former?.version !== expected) return undefined
        const version = (former?.version ?? 0) + 1
        putDocument(transaction, { kind, id, version, body, mac, expiresAt })
        transaction.run('DELETE FROM documents WHERE ends <= ?', now())
        return { id, version, body, ...(mac !== undefined && { mac }) }
      })
    },

    async remove(kind, id, expected) {
      return database.write((transaction) => {
        const former = read(transaction, kind, id)
        if (former === undefined) return false
        if (expected !== 'any' && former.version !== expected) return false
        transaction.run('DELETE FROM documents WHERE kind = ? AND id = ?', kind, id)
        transaction.announce({ type: 'document', kind, id })
        return true
      })
    },
  }
}

interface DocumentPut extends Omit<DocumentRecord, 'mac'> {
  readonly kind: string
  readonly mac: string | undefined
  readonly expiresAt?: number | undefined
}

/** Writes a document of this version, and announces it. */
export function putDocument(transaction: Transaction, document: DocumentPut): void {
  const { kind, id, version, body, mac, expiresAt = null } = document
  transaction.run(
    'INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)',
    ...[kindName(kind), text(id), version, body, expiresAt],
  )
  if (mac !== undefined) {
    transaction.run('INSERT OR REPLACE INTO document_macs VALUES (?, ?, ?)', kind, id, mac)
  }
  transaction.announce({ type: 'document', kind, id, version })
}

/** A code belongs to its document; replacing the document removes the code. */
const DOCUMENTS = 'documents LEFT JOIN document_macs USING (kind, id)'
const COLUMNS = 'id, version, body, mac'

function documentRecord(row: NonNullable<ReturnType<Statements['get']>>): DocumentRecord {
  return {
    id: sqlText(row.id),
    version: sqlNumber(row.version),
    body: sqlText(row.body),
    ...sqlMacField(row.mac),
  }
}
