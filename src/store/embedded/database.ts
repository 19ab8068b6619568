import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { Change } from '../store.ts'
import { makeDataFolder, makePrivate, openExclusively } from './data-folder.ts'
import { createEmbeddedFile, wasInUse } from './file.ts'
import {
  type FileTrouble,
  isDamage,
  isRefusal,
  resultCode,
  SQLITE_CORRUPT,
  unavailable,
} from './file-trouble.ts'
import { createEmbeddedHealth, type EmbeddedHealth } from './health.ts'
import { prepareTables } from './tables.ts'

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

/** A write that waits for the next transaction. */
interface Write {
  readonly isDurable: boolean
  /** Returns what tells the writer that the changes are committed. */
  run(transaction: Transaction): () => void
  reject(error: unknown): void
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
  /** Transactions of this process so far. */
  readonly commits: number
  read<T>(operation: (statements: Statements) => T): T
  /** Returns the first result that succeeds. Alternative queries may avoid a damaged part of the file. */
  readSome<T>(
    way: (statements: Statements) => T,
    ...others: readonly ((statements: Statements) => T)[]
  ): T
  /** Resolves when everything is on disk. Rejects if nothing was changed: with the error of the operation, or with `store_unavailable` if the disk refuses the write. `operation` must not wait: it runs once, at the end of this turn of the event loop, in one transaction with all others of that turn. */
  write<T>(operation: (transaction: Transaction) => T): Promise<T>
  /** The same for what may be lost if the machine loses its power: resolves before the disk has it, unless others of that turn wait for the disk. The end of the process loses nothing. */
  writeSoon<T>(operation: (transaction: Transaction) => T): Promise<T>
  /** Completes earlier writes. */
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
      throw translatedError(error)
    }
  }

  function translatedError(error: unknown): unknown {
    if (!isRefusal(error)) return error
    const result = resultCode(error)
    if (result !== undefined) health.refused(result)
    return unavailable(result)
  }

  let waiting: Write[] = []
  let isFull = true
  let commits = 0

  /** One wait for the disk serves all writes of a turn of the event loop. */
  function queued<T>(operation: (transaction: Transaction) => T, isDurable: boolean): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    if (waiting.length === 0) setImmediate(commitAll)
    waiting.push({
      isDurable,
      reject,
      run(transaction) {
        const result = operation(transaction)
        return () => resolve(result)
      },
    })
    return promise
  }

  function commitAll(): void {
    const writes = waiting
    waiting = []
    if (writes.length === 0) return
    try {
      for (const settle of commit(writes)) settle()
    } catch (error) {
      for (const { reject } of writes) reject(error)
    }
  }

  /** Returns how each write ended. Throws if none of them changed anything. */
  function commit(writes: readonly Write[]): readonly (() => void)[] {
    health.requireSound()
    const announced: Announced[] = []
    const ends = translated(() => {
      syncAtCommit(writes.some(({ isDurable }) => isDurable))
      db.exec('BEGIN IMMEDIATE')
      try {
        const settled = writes.map((write) => runOne(write, announced))
        if (announced.length > 0) {
          statements.run('UPDATE meta SET seq = ?', seq + announced.length)
        }
        db.exec('COMMIT')
        return settled
      } catch (error) {
        // A full disk has already rolled back.
        if (db.isTransaction) db.exec('ROLLBACK')
        throw error
      }
    })
    commits += 1
    seq += announced.length
    if (announced.length > 0) onAnnounced(announced)
    health.committed()
    return ends
  }

  /** A write that fails takes back its own changes only. */
  function runOne({ run, reject }: Write, announced: Announced[]): () => void {
    const before = announced.length
    statement('SAVEPOINT one').run()
    try {
      const settle = run({
        ...statements,
        seq: seq + before,
        announce: (change) => announced.push({ seq: seq + announced.length + 1, change }),
      })
      statement('RELEASE one').run()
      return settle
    } catch (error) {
      if (!db.isTransaction) throw error
      statement('ROLLBACK TO one').run()
      statement('RELEASE one').run()
      announced.length = before
      return () => reject(translatedError(error))
    }
  }

  /** Without it, the file is consistent after a loss of power, but may lack the last changes. */
  function syncAtCommit(isNeeded: boolean): void {
    if (isNeeded === isFull) return
    db.exec(`PRAGMA synchronous = ${isNeeded ? 'FULL' : 'NORMAL'}`)
    isFull = isNeeded
  }

  return {
    id,
    isBegunAnew: meta.isLost,
    health,
    path: file.path,
    get seq() {
      return seq
    },
    get commits() {
      return commits
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
    write: (operation) => queued(operation, true),
    writeSoon: (operation) => queued(operation, false),
    close() {
      commitAll()
      if (db.isOpen) db.close()
    },
  }
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
