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

/** Result codes of SQLite that are handled separately. */
const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

export type SqlRow = Readonly<Record<string, SQLOutputValue>>

export interface Statements {
  get(sql: string, ...values: SQLInputValue[]): SqlRow | undefined
  all(sql: string, ...values: SQLInputValue[]): readonly SqlRow[]
  /** Returns the number of changed rows. */
  run(sql: string, ...values: SQLInputValue[]): number
}

export interface Transaction extends Statements {
  readonly seq: number
  announce(change: Change): void
}

/** A change with its sequence number. */
export interface Announced {
  readonly seq: number
  readonly change: Change
}

/** A SQLite file that only this process has open. Operations are synchronous, so each sees one state. */
export interface EmbeddedDatabase {
  readonly id: string
  /** The file was lost: this one was created in a used folder. */
  readonly isBegunAnew: boolean
  readonly health: Pick<EmbeddedHealth, 'trouble' | 'look'>
  readonly path: string
  /** The sequence number of the last announced change. */
  readonly seq: number
  read<T>(operation: (statements: Statements) => T): T
  /** Returns the first result that succeeds. Alternative queries may avoid a damaged part of the file. */
  readSome<T>(
    way: (statements: Statements) => T,
    ...others: readonly ((statements: Statements) => T)[]
  ): T
  /** Everything is on disk when this returns, or nothing was changed. Throws `store_unavailable` if the disk refuses the write. */
  write<T>(operation: (transaction: Transaction) => T): T
  close(): void
}

interface EmbeddedDatabaseDependencies {
  /** Created with mode 0700, or changed to it. */
  readonly dataDir: string
  readonly newId: () => string
  readonly onAnnounced: (announced: readonly Announced[]) => void
  /** A failure of the file; undefined: the failure is over. Must not throw. */
  readonly onTrouble: (trouble: FileTrouble | undefined) => void
}

/** Throws an `Error` that names the folder if it is in use, not private, not a database, or of a newer release. */
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

  /** Also reports damage if another query avoids it. */
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
      // SQLite writes only real changes, so the value alternates.
      tries += 1
      translated(() => db.exec(`PRAGMA user_version = ${tries % 2}`))
      file.left()
    },
    onTrouble,
  })

  /** Converts refusals of SQLite (full disk, I/O error, closed) to `store_unavailable`. Other errors are bugs and remain unchanged. */
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
          // A full disk has already rolled back.
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

/** Opens the file and reads its tables together, because damage may appear only at the read. */
function openExclusively<Meta>(
  dataDir: string,
  prepare: (db: DatabaseSync) => Meta,
): { readonly db: DatabaseSync; readonly meta: Meta } {
  const file = databasePath(dataDir)
  let db: DatabaseSync | undefined
  try {
    // SQLite gives its other files the same mode.
    closeSync(openSync(file, 'a', 0o600))
    chmodSync(file, 0o600)
    db = new DatabaseSync(file, { timeout: 0 })
    // Locks the file from the first read until the process ends.
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
      throw new Error(`The data folder ${dataDir} contains a valetkey.db that is not a database`, {
        cause,
      })
    }
    if (resultCode(cause) === SQLITE_CORRUPT) {
      const remedy = `move it away, restore a backup, and see ${FILE_ANCHOR}`
      throw new Error(`The data folder ${dataDir} contains a damaged valetkey.db: ${remedy}`, {
        cause,
      })
    }
    if (resultCode(cause) === undefined) throw new Error(folderTrouble(dataDir, cause), { cause })
    throw new Error(
      `The data folder ${dataDir} cannot contain a database (SQLite result ${resultCode(cause)}): use one on a local disk`,
      { cause },
    )
  }
}

function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  // The low byte is the primary code.
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined
}

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

/** Reads the file from disk, without SQLite's cache. */
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

export function sqlText(value: SQLOutputValue | undefined): string {
  if (typeof value !== 'string') throw new TypeError('SQLite returned a value that is not text')
  return value
}

export function sqlNumber(value: SQLOutputValue | undefined): number {
  if (typeof value !== 'number') throw new TypeError('SQLite returned a value that is not a number')
  return value
}

export function toTextOrNull(value: SQLOutputValue | undefined): string | null {
  return value === null ? null : sqlText(value)
}

export function toNumberOrNull(value: SQLOutputValue | undefined): number | null {
  return value === null ? null : sqlNumber(value)
}
