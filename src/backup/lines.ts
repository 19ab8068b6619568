/** The lines of a file, one at a time, however large it is. */
import { createReadStream } from 'node:fs'
import { BackupError } from './backup-error.ts'

/** Above any line that is written. */
const LINE_CHARACTERS = 4 * 1024 * 1024

/** Without their ends; a last one without an end is a line, too. Throws `no_input`, or `refused` where a line is too long. */
export async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = ''
  try {
    for await (const chunk of createReadStream(path, 'utf8') as AsyncIterable<string>) {
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop() ?? ''
      yield* lines
      if (rest.length > LINE_CHARACTERS) {
        throw new BackupError('refused', 'the file is no backup of Valetkey')
      }
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (cause instanceof BackupError || code === undefined) throw cause
    throw new BackupError('no_input', `${path} cannot be read (${code})`, { cause })
  }
  if (rest !== '') yield rest
}
