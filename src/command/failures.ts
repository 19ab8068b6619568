/** What a command says when it fails, and its exit code. */
import type { ProblemError, UnreachableError } from '../client/problem-error.ts'
import type { ConfigError } from '../config/config-error.ts'
import { type CommandError, EXITS } from './exits.ts'
import { withoutControls } from './terminal.ts'

/** The bundle of the service has classes of its own, so an error is known by its name. */
const isNamed = <Kind extends Error>(error: unknown, name: Kind['name']): error is Kind =>
  error instanceof Error && error.name === name

/** Gives the exit code. Throws what is a bug. */
export function failureOf(
  error: unknown,
  { stderr }: { readonly stderr: { write(text: string): unknown } },
): number {
  const say = (line: string) => stderr.write(`valetkey: ${withoutControls(line)}\n`)
  if (isNamed<ConfigError>(error, 'ConfigError')) {
    for (const mistake of error.mistakes) say(mistake)
    return EXITS.config
  }
  if (
    isNamed<ProblemError>(error, 'ProblemError') ||
    isNamed<UnreachableError>(error, 'UnreachableError')
  ) {
    say(error.message)
    return EXITS.unavailable
  }
  if (!isNamed<CommandError>(error, 'CommandError')) throw error
  say(error.message)
  return error.exit
}
