import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  DatabaseSync,
  type SQLInputValue,
  type SQLOutputValue,
  type StatementSync,
} from 'node:sqlite'
import { BrokerError } from '../errors.ts'
import type { Change } from './store.ts'

/** The form of the tables. A database with a higher number was written by a newer release. */
const TABLES_VERSION = 1

const TABLES = `
CREATE TABLE meta (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  tables_version INTEGER NOT NULL,
  id TEXT NOT NULL,
  seq INTEGER NOT NULL
) STRICT;
CREATE TABLE integrations (
  name TEXT PRIMARY KEY,
  uid TEXT NOT NULL,
  version INTEGER NOT NULL,
  rev INTEGER NOT NULL,
  orev INTEGER NOT NULL,
  digests TEXT NOT NULL,
  definition TEXT NOT NULL,
  secrets TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE outcomes (
  name TEXT PRIMARY KEY REFERENCES integrations (name) ON DELETE CASCADE,
  lease_body TEXT,
  lease_digest TEXT,
  lease_token TEXT,
  lease_ends INTEGER,
  refusal_body TEXT,
  refusal_version INTEGER,
  refusal_ends INTEGER,
  live_token TEXT,
  live_ends INTEGER,
  live_count INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX outcomes_by_token ON outcomes (lease_token);
CREATE TABLE dead (token_id TEXT PRIMARY KEY, ends INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE due (name TEXT PRIMARY KEY, due_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX due_by_time ON due (due_at, name);
CREATE TABLE budgets (
  key TEXT NOT NULL,
  window_ms INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  PRIMARY KEY (key, window_ms, bucket)
) STRICT, WITHOUT ROWID;
CREATE TABLE documents (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  body TEXT NOT NULL,
  ends INTEGER,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX documents_by_end ON documents (ends) WHERE ends IS NOT NULL;
CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL) STRICT;
`

/** Tables that a database of this version may lack, since an older release made it. */
const LATER_TABLES = `
CREATE TABLE IF NOT EXISTS custody (
  name TEXT PRIMARY KEY REFERENCES integrations (name) ON DELETE CASCADE,
  uid TEXT NOT NULL,
  family TEXT NOT NULL,
  g INTEGER NOT NULL,
  token TEXT NOT NULL,
  state TEXT NOT NULL,
  id TEXT NOT NULL,
  at INTEGER NOT NULL,
  kept_at INTEGER NOT NULL,
  is_final INTEGER NOT NULL,
  reason TEXT NOT NULL,
  body TEXT NOT NULL,
  look_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS custody_by_look ON custody (look_at, name) WHERE look_at IS NOT NULL;
`

/** SQLite's result codes that have a meaning of their own here. */
const SQLITE_BUSY = 5
const SQLITE_NOTADB = 26

type Row = Readonly<Record<string, SQLOutputValue>>

/** What an operation may do. */
export interface Statements {
  get(sql: string, ...values: SQLInputValue[]): Row | undefined
  all(sql: string, ...values: SQLInputValue[]): readonly Row[]
  /** Gives how many rows changed. */
  run(sql: string, ...values: SQLInputValue[]): number
}

/** What an operation that changes something may do. */
export interface Transaction extends Statements {
  /** The count of changes announced. */
  readonly seq: number
  /** Tells the readers, once the transaction is on disk. */
  announce(change: Change): void
}

/** A change with its place in the order of all. */
export interface Announced {
  readonly seq: number
  readonly change: Change
}

/** One SQLite file that this process alone has open. Operations are synchronous, so each one sees a single instant. */
export interface EmbeddedDatabase {
  readonly id: string
  /** The count of changes announced. */
  readonly seq: number
  read<T>(operation: (statements: Statements) => T): T
  /** All of it is on disk when this returns, or none of it happened. Throws `store_unavailable` when the disk does not take it. */
  write<T>(operation: (transaction: Transaction) => T): T
  close(): void
}

export interface EmbeddedDatabaseDependencies {
  /** Made with mode 0700 if it is missing, and brought to it otherwise. */
  readonly dataDir: string
  readonly newId: () => string
  /** Called after each commit that announced something. */
  readonly onAnnounced: (announced: readonly Announced[]) => void
}

/** Throws an `Error` that names the folder when it is in use, not private, not a database, or of a newer release. */
export function openEmbeddedDatabase(dependencies: EmbeddedDatabaseDependencies): EmbeddedDatabase {
  const { dataDir, newId, onAnnounced } = dependencies
  makePrivate(dataDir)
  const db = openExclusively(dataDir)
  const prepared = new Map<string, StatementSync>()
  const meta = prepareTables(db, dataDir, newId)
  const id = String(meta.id)
  let seq = Number(meta.seq)

  function statement(sql: string): StatementSync {
    const known = prepared.get(sql)
    if (known !== undefined) return known
    const fresh = db.prepare(sql)
    prepared.set(sql, fresh)
    return fresh
  }

  const statements: Statements = {
    get: (sql, ...values) => statement(sql).get(...values),
    all: (sql, ...values) => statement(sql).all(...values),
    run: (sql, ...values) => Number(statement(sql).run(...values).changes),
  }

  return {
    id,
    get seq() {
      return seq
    },
    read: (operation) => translated(() => operation(statements)),
    write(operation) {
      const announced: Announced[] = []
      const result = translated(() => {
        db.exec('BEGIN IMMEDIATE')
        try {
          const outcome = operation({
            ...statements,
            seq,
            announce: (change) => announced.push({ seq: seq + announced.length + 1, change }),
          })
          if (announced.length > 0) {
            statements.run('UPDATE meta SET seq = ?', seq + announced.length)
          }
          db.exec('COMMIT')
          return outcome
        } catch (error) {
          // A full disk has rolled it back already.
          if (db.isTransaction) db.exec('ROLLBACK')
          throw error
        }
      })
      seq += announced.length
      if (announced.length > 0) onAnnounced(announced)
      return result
    },
    close() {
      if (db.isOpen) db.close()
    },
  }
}

/** Others on the machine have no business in the folder, although all secrets in it are sealed. */
function makePrivate(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    if ((statSync(dataDir).mode & 0o777) !== 0o700) chmodSync(dataDir, 0o700)
  } catch (cause) {
    throw new Error(`The data folder ${dataDir} cannot be made private (mode 0700)`, { cause })
  }
}

function openExclusively(dataDir: string): DatabaseSync {
  const file = join(dataDir, 'valetkey.db')
  let db: DatabaseSync | undefined
  try {
    // SQLite gives its other files the mode of this one.
    closeSync(openSync(file, 'a', 0o600))
    chmodSync(file, 0o600)
    db = new DatabaseSync(file, { timeout: 0 })
    // Exclusive before the first read: then the file is locked from here to the end of the process.
    db.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA secure_delete = ON;
      BEGIN IMMEDIATE;
      COMMIT;
    `)
    return db
  } catch (cause) {
    db?.close()
    if (resultCode(cause) === SQLITE_BUSY) {
      throw new Error(`The data folder ${dataDir} is in use by another process`, { cause })
    }
    if (resultCode(cause) === SQLITE_NOTADB) {
      throw new Error(`The data folder ${dataDir} holds a valetkey.db that is no database`, {
        cause,
      })
    }
    throw new Error(`The data folder ${dataDir} cannot be opened`, { cause })
  }
}

function prepareTables(db: DatabaseSync, dataDir: string, newId: () => string): Row {
  const exists = db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'meta'`).get() !== undefined
  if (!exists) {
    db.exec(`BEGIN IMMEDIATE; ${TABLES}`)
    db.prepare('INSERT INTO meta VALUES (1, ?, ?, 0)').run(TABLES_VERSION, newId())
    db.exec('COMMIT')
  }
  const meta = db.prepare('SELECT tables_version, id, seq FROM meta').get()
  if (meta === undefined || Number(meta.tables_version) > TABLES_VERSION) {
    db.close()
    throw new Error(`The data folder ${dataDir} was written by a newer release; run that one`)
  }
  db.exec(`BEGIN IMMEDIATE; ${LATER_TABLES}; COMMIT`)
  return meta
}

function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  // The low byte is the kind; the rest tells cases of it apart.
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined
}

/** What SQLite refuses (full disk, I/O error, closed) is `store_unavailable`; any other error is a bug and stays what it is. */
function translated<T>(operation: () => T): T {
  try {
    return operation()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== 'ERR_SQLITE_ERROR' && code !== 'ERR_INVALID_STATE') throw error
    const result = resultCode(error)
    const cause = new Error(`SQLite ${result === undefined ? 'is closed' : `result ${result}`}`)
    throw new BrokerError('store_unavailable', 'The embedded store does not answer', {
      cause,
      retryAfterMs: 1_000,
    })
  }
}

/** A column that holds text. */
export function toText(value: SQLOutputValue | undefined): string {
  if (typeof value !== 'string') throw new TypeError('SQLite gave something that is no text')
  return value
}

/** A column that holds a whole number. */
export function toNumber(value: SQLOutputValue | undefined): number {
  if (typeof value !== 'number') throw new TypeError('SQLite gave something that is no number')
  return value
}

export function toTextOrNull(value: SQLOutputValue | undefined): string | null {
  return value === null ? null : toText(value)
}

export function toNumberOrNull(value: SQLOutputValue | undefined): number | null {
  return value === null ? null : toNumber(value)
}
