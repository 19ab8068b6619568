/** The folder of the embedded store: made if it is missing, for this user alone, and in words where it cannot be had. */
import { accessSync, chmodSync, constants, mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

const FOLDER_MODE = 0o700

/** Why a folder cannot be had, and what to do, by what the system answers. */
const TROUBLES: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there: give it the folder, or name another one',
  EPERM: 'the system forbids it: name another folder',
  EROFS: 'the file system is read-only: mount it for writing, or name another folder',
  ENOSPC: 'the disk is full: make room, or name another folder',
  EDQUOT: 'the quota of the disk is used up: make room, or name another folder',
  ENOTDIR: 'a part of the path is a file: name a folder',
  EEXIST: 'it is a file: name a folder',
  EISDIR: 'a folder is where one of its files should be: name another folder',
  ENOENT: 'the file system there cannot hold a folder: name one on a disk',
  ELOOP: 'its symbolic links go in a circle: name another folder',
  ENAMETOOLONG: 'its name is too long: name another folder',
}

/** Throws an `Error` whose message names the folder, the cause and the cure. */
export function makeDataFolder(dataDir: string): void {
  try {
    makeFolder(resolve(dataDir))
    if (!statSync(dataDir).isDirectory()) throw Object.assign(new Error(), { code: 'EEXIST' })
    accessSync(dataDir, constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new Error(folderTrouble(dataDir, cause), { cause })
  }
}

/** Others on the machine have no business in it, although all secrets in it are sealed. Throws an `Error` as above. */
export function makePrivate(dataDir: string): void {
  try {
    if ((statSync(dataDir).mode & 0o777) !== FOLDER_MODE) chmodSync(dataDir, FOLDER_MODE)
  } catch (cause) {
    throw new Error(`The data folder ${dataDir} cannot be made private (mode 0700)`, { cause })
  }
}

/** As in `The data folder /x cannot be used (EACCES): …`. */
export function folderTrouble(dataDir: string, error: unknown): string {
  const code = codeOf(error)
  const words = TROUBLES[code] ?? 'name another folder'
  return `The data folder ${dataDir} cannot be used (${code}): ${words}`
}

/**
 * Makes the parents first, each once. `mkdir` of Node with `recursive` never returns where a file
 * system answers ENOENT although the parent is there, as /proc does.
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
