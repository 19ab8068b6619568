/** The audit file as a destination. Lines are appended. The file is opened again after it was moved or removed. */
import { closeSync, constants, openSync } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import type { Destination } from './line-output.ts'
import { retryOnEagain } from './retry-on-eagain.ts'

interface AuditFileOptions {
  readonly path: string
  readonly monotonic: () => number
}

/** Only the owner may read the file, because it shows who did what. */
const MODE = 0o600
/** `O_NONBLOCK` is for a named pipe: without it, opening and writing would block a thread. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK
/** Interval of checks of the path while there is no failure. */
const CHECK_MS = 250
const NEWLINE = 10

/** Errors that only other settings can fix. A full disk, or a named pipe without a reader, is retried. */
const MISTAKES = ['ENOENT', 'EACCES', 'EPERM', 'EISDIR', 'ENOTDIR', 'EROFS', 'ENAMETOOLONG']

/** Throws the system's error if the path is invalid. */
export function checkAuditFile(path: string): void {
  try {
    closeSync(openSync(path, FLAGS, MODE))
  } catch (error) {
    if (MISTAKES.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

interface Opened {
  readonly handle: FileHandle
  readonly dev: number
  readonly ino: number
}

export function createAuditFile({ path, monotonic }: AuditFileOptions): Destination {
  let opened: Opened | undefined
  let checkedAt = Number.NEGATIVE_INFINITY

  const isStillThere = async ({ dev, ino }: Opened) => {
    try {
      const named = await stat(path)
      return named.dev === dev && named.ino === ino
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
  }

  const leave = async () => {
    const former = opened
    opened = undefined
    await former?.handle.close()
  }

  return {
    async put(bytes, signal) {
      const { handle } = opened ?? unopened()
      try {
        return await retryOnEagain(async () => (await handle.write(bytes)).bytesWritten, signal)
      } catch (error) {
        // The full disk may have been fixed by removing this file.
        checkedAt = Number.NEGATIVE_INFINITY
        throw error
      }
    },
    async renew() {
      if (opened && monotonic() - checkedAt < CHECK_MS) return undefined
      if (opened && (await isStillThere(opened))) {
        checkedAt = monotonic()
        return undefined
      }
      await leave()
      const handle = await open(path, FLAGS, MODE)
      const { dev, ino, size } = await handle.stat()
      opened = { handle, dev, ino }
      checkedAt = monotonic()
      return { endsMidLine: size > 0 && (await lastByte(path, size)) !== NEWLINE }
    },
    close: leave,
  }
}

/** A process that is killed while it writes leaves an incomplete line. */
async function lastByte(path: string, size: number): Promise<number | undefined> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
    return bytesRead === 1 ? buffer[0] : undefined
  } finally {
    await handle.close()
  }
}

function unopened(): never {
  throw new Error('The audit file is not open')
}
