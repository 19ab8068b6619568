import { chmodSync, closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import {
  DatabaseSync,
  type SQLInputValue,
  type SQLOutputValue,
  type StatementSync,
} from 'node:sqlite'
import { BrokerError } from '../errors.ts'
import { folderTrouble, makeDataFolder, makePrivate } from './data-folder.ts'
import { prepareTables } from './embedded-tables.ts'
import type { Change } from './store.ts'

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
  makeDataFolder(dataDir)
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
    if (resultCode(cause) === undefined) throw new Error(folderTrouble(dataDir, cause), { cause })
    throw new Error(
      `The data folder ${dataDir} cannot hold a database (SQLite result ${resultCode(cause)}): name one on a local disk`,
      { cause },
    )
  }
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
