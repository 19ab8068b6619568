/** Reads a file that the command line names. */
import { readFileSync } from 'node:fs'
import { CommandError, EXITS } from './exits.ts'

/** `from`: another place than the path, as the standard input. Throws `CommandError`. */
export function fileText(path: string, from: string | number = path): string {
  try {
    return readFileSync(from, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new CommandError(EXITS.noInput, `${path} cannot be read (${code})`, { cause })
  }
}
