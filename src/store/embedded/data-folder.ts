/** Creates the folder of the embedded store with private permissions, opens its database, and explains failures. */
import { accessSync, chmodSync, closeSync, constants, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { databasePath } from './file.ts'
import {
  FILE_ANCHOR,
  resultCode,
  SQLITE_BUSY,
  SQLITE_CORRUPT,
  SQLITE_NOTADB,
} from './file-trouble.ts'

const FOLDER_MODE = 0o700

/** Explanation and remedy by error code. */
const TROUBLES: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there: change its permissions, or use another folder',
  EPERM: 'the system forbids it: use another folder',
  EROFS: 'the file system is read-only: mount it for writing, or use another folder',
  ENOSPC: 'the disk is full: free space, or use another folder',
  EDQUOT: 'the disk quota is exhausted: free space, or use another folder',
  ENOTDIR: 'a part of the path is a file: use a folder',
  EEXIST: 'it is a file: use a folder',
  EISDIR: 'it contains a folder with the name of one of its files: use another folder',
  ENOENT: 'the file system cannot contain a folder: use one on a disk',
  ELOOP: 'its symbolic links form a loop: use another folder',
  ENAMETOOLONG: 'its name is too long: use another folder',
}

/** Throws an `Error` whose message names the folder, the cause and the remedy. */
export function makeDataFolder(dataDir: string): void {
  try {
    makeFolder(resolve(dataDir))
    if (!statSync(dataDir).isDirectory()) throw Object.assign(new Error(), { code: 'EEXIST' })
    accessSync(dataDir, constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new Error(folderTrouble(dataDir, cause), { cause })
  }
}

/** Removes permissions of other users, although all secrets in the folder are sealed. Throws an `Error` as above. */
export function makePrivate(dataDir: string): void {
  try {
    if ((statSync(dataDir).mode & 0o777) !== FOLDER_MODE) chmodSync(dataDir, FOLDER_MODE)
  } catch (cause) {
    throw new Error(`The data folder ${dataDir} cannot be made private (mode 0700)`, { cause })
  }
}

/** For example `The data folder /x cannot be used (EACCES): …`. */
export function folderTrouble(dataDir: string, error: unknown): string {
  const code = codeOf(error)
  const words = TROUBLES[code] ?? 'use another folder'
  return `The data folder ${dataDir} cannot be used (${code}): ${words}`
}

/**
 * Creates missing parents one by one. `mkdir` of Node with `recursive` never returns if a file
 * system reports ENOENT for an existing parent, as /proc does.
 */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: FOLDER_MODE })
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EEXIST') return
    const parent = dirname(path)
    if (code !== 'ENOENT' || parent === path || isThere(parent)) throw error
    makeFolder(parent)
    mkdirSync(path, { mode: FOLDER_MODE })
  }
}

const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined

const codeOf = (error: unknown): string =>
  String((error as NodeJS.ErrnoException).code ?? 'unknown')

/** Opens the file and reads its tables together, because damage may appear only at the read. */
export function openExclusively<Meta>(
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
