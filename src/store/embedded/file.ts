/** The file of the embedded store as the system has it: whether it is still the one that this process has open, and whether somebody else wrote into it. */
import { accessSync, type BigIntStats, constants, existsSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'

export interface EmbeddedFile {
  readonly path: string
  /** `touched`: somebody else wrote into it, and what is there now has to be looked at. Undefined: it is as it was left. */
  look(): 'gone' | 'replaced' | 'truncated' | 'touched' | undefined
  /** As it is now it was left: by a change of ours, or since it was found to be sound. */
  left(): void
  /** Whether a change would be let in. `low`: hardly any room is left, or a right is missing, so that it has to be tried. */
  room(): 'unwritable' | 'low' | undefined
}

/** The file that holds everything, beside the log of SQLite, from which it has not been brought there yet. */
const FILE = 'valetkey.db'
const PARTS = [FILE, `${FILE}-wal`]
/** What a folder has that was in use: they are made after the file. */
const WITNESSES = ['keyring', 'admin.key']

/** More than any change takes. */
const LOW_BYTES = 262_144

export const databasePath = (dataDir: string): string => join(dataDir, FILE)

/** Before it is opened: a file that is missing then, or empty, was lost. */
export function wasInUse(dataDir: string): boolean {
  const [size = 0n, logSize = 0n] = PARTS.map((part) => statOf(join(dataDir, part))?.size)
  const hasLogAlone = size === 0n && logSize > 0n
  return hasLogAlone || WITNESSES.some((name) => existsSync(join(dataDir, name)))
}

/** Once it is open. */
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
        // Whatever is open for writing may stay so where a right was taken away.
        return (error as NodeJS.ErrnoException).code === 'EROFS' ? 'unwritable' : 'low'
      }
    },
  }
}

/** One that cannot be looked at is as good as none. */
function statOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false })
  } catch {
    return undefined
  }
}
