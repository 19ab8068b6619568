/** What happens to the file of the embedded store, in the log: one line for each trouble, with what to do. */
import type { Log } from '../runtime/runtime.ts'
import { FILE_ANCHOR, FILE_TROUBLES, type FileTrouble } from '../store/embedded/file-trouble.ts'

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
