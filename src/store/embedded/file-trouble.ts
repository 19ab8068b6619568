/** What is wrong with the file of the embedded store: each trouble with what is said of it, and what to do. */
import type { Log } from '../../runtime/runtime.ts'

interface Words {
  /** What is the matter with the file that is named before it. */
  readonly says: string
  readonly remedy: string
}

export const FILE_TROUBLES = {
  gone: {
    says: 'it was deleted while it was in use',
    remedy: 'Move it back if it was moved; else stop Valetkey, put a backup back, and start it.',
  },
  replaced: {
    says: 'another file is in its place',
    remedy:
      'Move the one that was there back, or start Valetkey anew if the one that is there now is right.',
  },
  truncated: {
    says: 'it is shorter than it was left',
    remedy: 'Stop Valetkey, put a backup back, and start it.',
  },
  damaged: {
    says: 'something else wrote into it, or its disk lost a part of it',
    remedy: 'Stop Valetkey, move the file away, put a backup back, and start it.',
  },
  disk_full: {
    says: 'its disk is full',
    remedy: 'Make room: it goes on by itself.',
  },
  unwritable: {
    says: 'it may not be written: its file system or its mode is read-only',
    remedy: 'Mount the file system for writing, or give the file back: it goes on by itself.',
  },
  disk_failed: {
    says: 'its disk does not take what is written, or does not give it back',
    remedy: 'Look at quotas, the log of the kernel and the disk itself.',
  },
} as const satisfies Record<string, Words>

export type FileTrouble = keyof typeof FILE_TROUBLES

/** Where they are explained. */
export const FILE_ANCHOR = 'docs/troubleshooting.md#the-file-of-the-embedded-store'

/** In one line for `/readyz`: what, what to do, and where more is said. */
export const fileTroubleLine = (file: string, trouble: FileTrouble): string =>
  `${file}: ${FILE_TROUBLES[trouble].says}. ${FILE_TROUBLES[trouble].remedy} Changes are refused meanwhile. See ${FILE_ANCHOR}`

/** Logs one line when trouble begins, and one when it is over. */
export const fileTroubleLog =
  (log: Pick<Log, 'info' | 'error'>, file: string) =>
  (trouble: FileTrouble | undefined): void => {
    if (trouble === undefined) {
      log.info({ file }, 'the file of the embedded store is in order again')
      return
    }
    const { says, remedy } = FILE_TROUBLES[trouble]
    log.error(
      { cause: trouble, file, remedy, see: FILE_ANCHOR },
      `${file}: ${says}; changes are refused`,
    )
  }
