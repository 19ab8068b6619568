import { chmodSync, closeSync, openSync } from 'node:fs'
import {
  DatabaseSync,
  type SQLInputValue,
  type SQLOutputValue,
  type StatementSync,
} from 'node:sqlite'
import { BrokerError } from '../../errors/errors.ts'
import type { Change } from '../store.ts'
import { folderTrouble, makeDataFolder, makePrivate } from './data-folder.ts'
import { createEmbeddedFile, databasePath, wasInUse } from './file.ts'
import { FILE_ANCHOR, type FileTrouble } from './file-trouble.ts'
import { createEmbeddedHealth, type EmbeddedHealth } from './health.ts'
import { prepareTables } from './tables.ts'

/** SQLite's result codes that have a meaning of their own here. */
const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

export type SqlRow = Readonly<Record<string, SQLOutputValue>>

/** What an operation may do. */
export interface Statements {
  get(sql: string, ...values: SQLInputValue[]): SqlRow | undefined
  all(sql: string, ...values: SQLInputValue[]): readonly SqlRow[]
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
  /** Its file was lost: this one was made in a folder that was in use. */
  readonly isBegunAnew: boolean
  /** Of its file. */
  readonly health: Pick<EmbeddedHealth, 'trouble' | 'look'>
  /** Where its file lies. */
  readonly path: string
  /** The count of changes announced. */
  readonly seq: number
  read<T>(operation: (statements: Statements) => T): T
  /** The first that can be done: a part of the file that is damaged may be missed by another way. */
  readSome<T>(
    way: (statements: Statements) => T,
    ...others: readonly ((statements: Statements) => T)[]
  ): T
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
  /** Something is wrong with the file; undefined: it is over. Must not throw. */
  readonly onTrouble: (trouble: FileTrouble | undefined) => void
}

/** Throws an `Error` that names the folder when it is in use, not private, not a database, or of a newer release. */
export function openEmbeddedDatabase(dependencies: EmbeddedDatabaseDependencies): EmbeddedDatabase {
  const { dataDir, newId, onAnnounced, onTrouble } = dependencies
  makeDataFolder(dataDir)
  makePrivate(dataDir)
  const wasUsed = wasInUse(dataDir)
  const { db, meta } = openExclusively(dataDir, (opened) =>
    prepareTables(opened, { dataDir, newId, wasUsed }),
  )
  const prepared = new Map<string, StatementSync>()
  const { id } = meta
  let { seq } = meta
  let tries = 0
  const file = createEmbeddedFile(dataDir)

  function statement(sql: string): StatementSync {
    const known = prepared.get(sql)
    if (known !== undefined) return known
    const fresh = db.prepare(sql)
    prepared.set(sql, fresh)
    return fresh
  }

  /** Damage is told also where another way around it is found. */
  function noted<T>(operation: () => T): T {
    try {
      return operation()
    } catch (error) {
      if (isDamage(error)) health.refused(SQLITE_CORRUPT)
      throw error
    }
  }

  const statements: Statements = {
    get: (sql, ...values) => noted(() => statement(sql).get(...values)),
    all: (sql, ...values) => noted(() => statement(sql).all(...values)),
    run: (sql, ...values) => noted(() => Number(statement(sql).run(...values).changes)),
  }

  const health = createEmbeddedHealth({
    file,
    isSound: () => isSound(db, { id, seq }),
    tryWrite() {
      // A number that nobody reads: SQLite writes nothing where nothing changes.
      tries += 1
      translated(() => db.exec(`PRAGMA user_version = ${tries % 2}`))
      file.left()
    },
    onTrouble,
  })

  /** What SQLite refuses (full disk, I/O error, closed) is `store_unavailable`; any other error is a bug and stays what it is. */
  function translated<T>(operation: () => T): T {
    try {
      return operation()
    } catch (error) {
      if (!isRefusal(error)) throw error
      const result = resultCode(error)
      if (result !== undefined) health.refused(result)
      throw unavailable(result)
    }
  }

  return {
    id,
    isBegunAnew: meta.isLost,
    health,
    path: file.path,
    get seq() {
      return seq
    },
    read: (operation) => translated(() => operation(statements)),
    readSome(way, ...others) {
      const [next, ...rest] = others
      try {
        return way(statements)
      } catch (error) {
        if (next === undefined || !isDamage(error)) {
          return translated(() => {
            throw error
          })
        }
        return this.readSome(next, ...rest)
      }
    },
    write(operation) {
      const announced: Announced[] = []
      health.requireSound()
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
      health.committed()
      return result
    },
    close() {
      if (db.isOpen) db.close()
    },
  }
}

/** Both in one, since a file that is damaged may show it only when its tables are read. */
function openExclusively<Meta>(
  dataDir: string,
  prepare: (db: DatabaseSync) => Meta,
): { readonly db: DatabaseSync; readonly meta: Meta } {
  const file = databasePath(dataDir)
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
    return { db, meta: prepare(db) }
  } catch (cause) {
    if (db?.isOpen) db.close()
    const isOfOurs = cause instanceof Error && !('code' in cause)
    if (isOfOurs) throw cause
    if (resultCode(cause) === SQLITE_BUSY) {
      throw new Error(`The data folder ${dataDir} is in use by another process`, { cause })
    }
    if (resultCode(cause) === SQLITE_NOTADB) {
      throw new Error(`The data folder ${dataDir} holds a valetkey.db that is no database`, {
        cause,
      })
    }
    if (resultCode(cause) === SQLITE_CORRUPT) {
      const remedy = `move it away, put a backup back, and see ${FILE_ANCHOR}`
      throw new Error(`The data folder ${dataDir} holds a valetkey.db that is damaged: ${remedy}`, {
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

/** A part of the file is not as it was written. */
export const isDamage = (error: unknown): boolean => resultCode(error) === SQLITE_CORRUPT

function isRefusal(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ERR_SQLITE_ERROR' || code === 'ERR_INVALID_STATE'
}

function unavailable(result: number | undefined): BrokerError {
  const cause = new Error(`SQLite ${result === undefined ? 'is closed' : `result ${result}`}`)
  return new BrokerError('store_unavailable', 'The embedded store does not answer', {
    cause,
    retryAfterMs: 1_000,
  })
}

/** Reads it anew from the disk: what SQLite keeps in memory says nothing of it. */
function isSound(db: DatabaseSync, left: { readonly id: string; readonly seq: number }): boolean {
  try {
    db.exec('PRAGMA shrink_memory')
    const found = db.prepare('SELECT id, seq FROM meta').get()
    if (found?.id !== left.id || found.seq !== left.seq) return false
    return db.prepare('PRAGMA quick_check(1)').get()?.quick_check === 'ok'
  } catch (error) {
    if (isRefusal(error)) return false
    throw error
  }
}

/** A column that holds text. */
export function sqlText(value: SQLOutputValue | undefined): string {
  if (typeof value !== 'string') throw new TypeError('SQLite gave something that is no text')
  return value
}

/** A column that holds a whole number. */
export function sqlNumber(value: SQLOutputValue | undefined): number {
  if (typeof value !== 'number') throw new TypeError('SQLite gave something that is no number')
  return value
}

export function toTextOrNull(value: SQLOutputValue | undefined): string | null {
  return value === null ? null : sqlText(value)
}

export function toNumberOrNull(value: SQLOutputValue | undefined): number | null {
  return value === null ? null : sqlNumber(value)
}
