/** Failures of the file of the embedded store, each with an explanation and a remedy. */
import { BrokerError } from '../../errors/errors.ts'
import type { Log } from '../../runtime/runtime.ts'

interface Words {
  /** Follows the name of the file. */
  readonly says: string
  readonly remedy: string
}

export const FILE_TROUBLES = {
  gone: {
    says: 'it was deleted while it was in use',
    remedy:
      'Move it back if it was moved; otherwise stop Valetkey, restore a backup, and start it.',
  },
  replaced: {
    says: 'another file replaced it',
    remedy: 'Move the original file back, or restart Valetkey if the new file is right.',
  },
  truncated: {
    says: 'it was truncated',
    remedy: 'Stop Valetkey, restore a backup, and start it.',
  },
  damaged: {
    says: 'another process changed it, or its disk lost a part of it',
    remedy: 'Stop Valetkey, move the file away, restore a backup, and start it.',
  },
  disk_full: {
    says: 'its disk is full',
    remedy: 'Free space; the store then recovers without a restart.',
  },
  unwritable: {
    says: 'it is read-only: its file system or its mode does not allow writes',
    remedy:
      'Mount the file system for writing, or restore the permissions; the store then recovers without a restart.',
  },
  disk_failed: {
    says: 'its disk has read or write errors',
    remedy: 'Check quotas, the kernel log and the disk.',
  },
} as const satisfies Record<string, Words>

export type FileTrouble = keyof typeof FILE_TROUBLES

/** The section that explains them. */
export const FILE_ANCHOR = 'docs/troubleshooting.md#the-file-of-the-embedded-store'

/** One line for `/readyz`: the failure, its remedy, and where it is explained. */
export const fileTroubleLine = (file: string, trouble: FileTrouble): string =>
  `${file}: ${FILE_TROUBLES[trouble].says}. ${FILE_TROUBLES[trouble].remedy} Until then, changes are refused. See ${FILE_ANCHOR}`

/** Logs one line when trouble begins, and one when it is over. */
export const fileTroubleLog =
  (log: Pick<Log, 'info' | 'error'>, file: string) =>
  (trouble: FileTrouble | undefined): void => {
    if (trouble === undefined) {
      log.info({ file }, 'the file of the embedded store is usable again')
      return
    }
    const { says, remedy } = FILE_TROUBLES[trouble]
    log.error(
      { cause: trouble, file, remedy, see: FILE_ANCHOR },
      `${file}: ${says}; changes are refused`,
    )
  }

/** Result codes of SQLite that are handled separately. */
export const SQLITE_BUSY = 5
export const SQLITE_CORRUPT = 11
export const SQLITE_NOTADB = 26

export function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  // The low byte is the primary code.
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined
}

export const isDamage = (error: unknown): boolean => resultCode(error) === SQLITE_CORRUPT

export function isRefusal(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ERR_SQLITE_ERROR' || code === 'ERR_INVALID_STATE'
}

export function unavailable(result: number | undefined): BrokerError {
  const cause = new Error(`SQLite ${result === undefined ? 'is closed' : `result ${result}`}`)
  return new BrokerError('store_unavailable', 'The embedded store does not answer', {
    cause,
    retryAfterMs: 1_000,
  })
}
