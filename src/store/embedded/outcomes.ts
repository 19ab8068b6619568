import { tokenId as checkTokenId, integrationName, pageLimit } from '../keys.ts'
import { isOnlyNewer, liveOutcome, type StoredOutcome } from '../outcome.ts'
import type { DocumentWrite } from '../records.ts'
import type { IntegrationRecord, OutcomeChange, Outcomes, SaveResult } from '../store.ts'
import {
  type EmbeddedDatabase,
  type Statements,
  sqlNumber,
  sqlText,
  type Transaction,
  toNumberOrNull,
  toTextOrNull,
} from './database.ts'
import { putDocument } from './documents.ts'
import { readPublic } from './integrations.ts'

interface EmbeddedOutcomesDependencies {
  readonly database: EmbeddedDatabase
  readonly now: () => number
}

export function createEmbeddedOutcomes({ database, now }: EmbeddedOutcomesDependencies): Outcomes {
  return {
    async look(name) {
      return database.read((statements) => {
        const integration = readPublic(statements, name)
        if (integration === undefined) return undefined
        const time = now()
        const stored = readStored(statements, name)
        if (stored === undefined) return { integration, outcome: {}, now: time }
        const dead = stored.lease_token !== null && isDead(statements, stored.lease_token, time)
        return { integration, outcome: liveOutcome(stored, dead, time), now: time }
      })
    },

    async save(name, expected, change) {
      // A lost lease is minted again. A cleared lease must stay cleared, and a pin must not be lost.
      const isLosable = change.lease !== null && !change.documents?.length
      const write = isLosable ? database.writeSoon : database.write
      return write((transaction): SaveResult => {
        const record = readPublic(transaction, name)
        const reason = refusalToSave(transaction, record, expected, change, now())
        if (record === undefined || reason !== undefined) {
          return { saved: false, reason: reason ?? 'gone' }
        }
        const { documents = [], guard } = change
        if (guard && (versionOf(transaction, guard) ?? 'absent') !== guard.version) {
          return { saved: false, reason: 'guard' }
        }
        const versions = documents.map((document) => versionOf(transaction, document))
        if (documents.some(({ expected }, at) => (versions[at] ?? 'absent') !== expected)) {
          return { saved: false, reason: 'document' }
        }
        writeMembers(transaction, name, change)
        writeDue(transaction, name, change.dueAt)
        for (const [at, { kind, id, body, mac }] of documents.entries()) {
          putDocument(transaction, { kind, id, body, mac, version: (versions[at] ?? 0) + 1 })
        }
        return { saved: true, ...advance(transaction, record, isOnlyNewer(change)) }
      })
    },

    async forgetRefusal(name) {
      return database.write((transaction) => {
        const record = readPublic(transaction, name)
        const ends = readStored(transaction, name)?.refusal_ends ?? null
        if (record === undefined || ends === null || ends <= now()) return undefined
        writeMembers(transaction, name, { refusal: null })
        return advance(transaction, record, true).rev
      })
    },

    async revoke(tokenId, until) {
      return database.write((transaction) => {
        const time = now()
        transaction.run('DELETE FROM dead WHERE ends <= ?', time)
        transaction.run(
          'INSERT INTO dead VALUES (?, ?) ON CONFLICT DO UPDATE SET ends = max(ends, excluded.ends)',
          checkTokenId(tokenId),
          until,
        )
        const names = holdersOf(transaction, tokenId, time)
        for (const name of names) {
          writeMembers(transaction, name, { lease: null })
          transaction.run(
            'UPDATE integrations SET orev = orev + 1, rev = rev + 1 WHERE name = ?',
            name,
          )
        }
        transaction.announce({ type: 'dead', tokenId, names })
        return names
      })
    },

    async sharers(tokenId, limit) {
      return database.read(({ get, all }) => {
        const of = [checkTokenId(tokenId), now()] as const
        const rows = all(`SELECT name ${HELD} ORDER BY name LIMIT ?`, ...of, pageLimit(limit))
        const count = () => sqlNumber(get(`SELECT count(*) AS count ${HELD}`, ...of)?.count)
        return {
          count: rows.length < limit ? rows.length : count(),
          names: rows.map(({ name }) => sqlText(name)),
        }
      })
    },

    async holders(tokenId) {
      return database.read((statements) => holdersOf(statements, checkTokenId(tokenId), now()))
    },
  }
}

/** Why SAVE must be refused, or undefined. */
function refusalToSave(
  statements: Statements,
  record: IntegrationRecord | undefined,
  expected: { readonly uid: string; readonly orev: number },
  { lease, refusal }: OutcomeChange,
  now: number,
): 'gone' | 'changed' | 'dead' | undefined {
  if (record === undefined) return 'gone'
  if (record.uid !== expected.uid || record.orev !== expected.orev) return 'changed'
  if (lease && !record.digests.includes(lease.digest)) return 'changed'
  if (refusal && refusal.version !== record.version) return 'changed'
  if (lease && isDead(statements, checkTokenId(lease.tokenId), now)) return 'dead'
  return undefined
}

function versionOf(
  { get }: Statements,
  { kind, id }: Pick<DocumentWrite, 'kind' | 'id'>,
): number | undefined {
  const row = get('SELECT version FROM documents WHERE kind = ? AND id = ?', kind, id)
  return row && sqlNumber(row.version)
}

function isDead(statements: Statements, tokenId: string, now: number): boolean {
  return (
    statements.get('SELECT 1 FROM dead WHERE token_id = ? AND ends > ?', tokenId, now) !== undefined
  )
}

function holdersOf(statements: Statements, tokenId: string, now: number): readonly string[] {
  return statements
    .all(`SELECT name ${HELD} ORDER BY name`, tokenId, now)
    .map((row) => sqlText(row.name))
}

const HELD = 'FROM outcomes WHERE lease_token = ? AND lease_ends > ?'

function writeMembers(transaction: Transaction, name: string, change: OutcomeChange): void {
  const { lease, refusal, stillLive } = change
  transaction.run('INSERT INTO outcomes (name) VALUES (?) ON CONFLICT DO NOTHING', name)
  if (lease !== undefined) {
    transaction.run(
      `UPDATE outcomes SET lease_body = ?, lease_digest = ?, lease_token = ?, lease_ends = ?
       WHERE name = ?`,
      lease?.body ?? null,
      lease?.digest ?? null,
      lease?.tokenId ?? null,
      lease?.expiresAt ?? null,
      name,
    )
  }
  if (refusal !== undefined) {
    transaction.run(
      'UPDATE outcomes SET refusal_body = ?, refusal_version = ?, refusal_ends = ? WHERE name = ?',
      refusal?.body ?? null,
      refusal?.version ?? null,
      refusal?.until ?? null,
      name,
    )
  }
  if (stillLive !== undefined) {
    transaction.run(
      'UPDATE outcomes SET live_token = ?, live_ends = ?, live_count = ? WHERE name = ?',
      stillLive?.tokenId ?? null,
      stillLive?.until ?? null,
      stillLive?.count ?? null,
      name,
    )
  }
}

/** Increments orev and rev, and announces the change. */
function advance(
  transaction: Transaction,
  record: IntegrationRecord,
  isNewer: boolean,
): { readonly orev: number; readonly rev: number } {
  const orev = record.orev + 1
  const rev = record.rev + 1
  transaction.run(
    'UPDATE integrations SET orev = ?, rev = ? WHERE name = ?',
    orev,
    rev,
    record.name,
  )
  transaction.announce({
    ...{ type: 'integration', name: record.name, rev },
    ...(isNewer && { isNewer }),
  })
  return { orev, rev }
}

function readStored(statements: Statements, name: string): StoredOutcome | undefined {
  const row = statements.get('SELECT * FROM outcomes WHERE name = ?', integrationName(name))
  return (
    row && {
      lease_body: toTextOrNull(row.lease_body),
      lease_digest: toTextOrNull(row.lease_digest),
      lease_token: toTextOrNull(row.lease_token),
      lease_ends: toNumberOrNull(row.lease_ends),
      refusal_body: toTextOrNull(row.refusal_body),
      refusal_version: toNumberOrNull(row.refusal_version),
      refusal_ends: toNumberOrNull(row.refusal_ends),
      live_token: toTextOrNull(row.live_token),
      live_ends: toNumberOrNull(row.live_ends),
      live_count: toNumberOrNull(row.live_count),
    }
  )
}

function writeDue(transaction: Statements, name: string, dueAt: OutcomeChange['dueAt']): void {
  if (dueAt === undefined) return
  if (dueAt === null) transaction.run('DELETE FROM due WHERE name = ?', name)
  else if (typeof dueAt === 'number') {
    transaction.run(
      'INSERT INTO due VALUES (?, ?) ON CONFLICT DO UPDATE SET due_at = excluded.due_at',
      name,
      dueAt,
    )
  } else transaction.run('UPDATE due SET due_at = ? WHERE name = ?', dueAt.moveTo, name)
}
