/** Checks whether the file of the embedded store is still the opened one and whether another process changed it. */
import { accessSync, type BigIntStats, constants, existsSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'

export interface EmbeddedFile {
  readonly path: string
  /** `touched`: another process wrote to it, so its content must be checked. Undefined: unchanged. */
  look(): 'gone' | 'replaced' | 'truncated' | 'touched' | undefined
  /** Records the current state as the expected one, after our own write or a successful check. */
  left(): void
  /** Whether a write is possible. `low`: little space is left or a permission is missing, so a write must be tried. */
  room(): 'unwritable' | 'low' | undefined
}

/** The main file. The write-ahead log of SQLite may contain newer changes. */
const FILE = 'valetkey.db'
const PARTS = [FILE, `${FILE}-wal`]
/** Files of a used folder, which are created after the database. */
const WITNESSES = ['keyring', 'admin.key']

/** More than any change needs. */
const LOW_BYTES = 262_144

export const databasePath = (dataDir: string): string => join(dataDir, FILE)

/** Called before the database is opened: a missing or empty file of a used folder was lost. */
export function wasInUse(dataDir: string): boolean {
  const [size = 0n, logSize = 0n] = PARTS.map((part) => statOf(join(dataDir, part))?.size)
  const hasLogAlone = size === 0n && logSize > 0n
  return hasLogAlone || WITNESSES.some((name) => existsSync(join(dataDir, name)))
}

/** Called after the database is opened. */
export function createEmbeddedFile(dataDir: string): EmbeddedFile {
  const paths = PARTS.map((part) => join(dataDir, part))
  const path = databasePath(dataDir)
  const now = () => paths.map(statOf)
  let known = now()

  return {
    path,
    look() {
      const found = now()
      let isTouched = false
      for (const [index, was] of known.entries()) {
        const is = found[index]
        if (was === undefined) continue
        if (is === undefined) return 'gone'
        if (is.ino !== was.ino || is.dev !== was.dev) return 'replaced'
        if (is.size < was.size) return 'truncated'
        isTouched ||= is.mtimeNs !== was.mtimeNs || is.size !== was.size
      }
      return isTouched ? 'touched' : undefined
    },
    left() {
      known = now()
    },
    room() {
      try {
        accessSync(dataDir, constants.W_OK)
        accessSync(path, constants.W_OK)
        const { bavail, bsize } = statfsSync(dataDir)
        return bavail * bsize < LOW_BYTES ? 'low' : undefined
      } catch (error) {
        // A file that is open for writing remains writable after its permissions change.
        return (error as NodeJS.ErrnoException).code === 'EROFS' ? 'unwritable' : 'low'
      }
    },
  }
}

/** A file without access counts as missing. */
function statOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false })
  } catch {
    return undefined
  }
}
