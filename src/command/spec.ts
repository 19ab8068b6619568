/** What a command is: its words, options, examples and exit codes. The parser, the help, the completions, the man page and docs/command-line.md come from it. */
import type { ValetkeyClient } from '../client/client.ts'
import type { Terminal } from './terminal.ts'

export interface OptionSpec {
  /** As in `-f, --file <path>`. */
  readonly flags: string
  readonly summary: string
  readonly choices?: readonly string[]
  /** How the value is read. `duration`: as in `90s`, `15m`, `2h`; in milliseconds. Default: a text. */
  readonly reads?: 'integer' | 'duration'
  /** May be given more than once. */
  readonly repeats?: boolean
  /** Without it the command line is wrong. */
  readonly isRequired?: boolean
  readonly completes?: 'file' | 'integration'
}

export interface OperandSpec {
  /** In capital letters. */
  readonly name: string
  readonly isOptional?: boolean
  /** Any number of them. */
  readonly isList?: boolean
  readonly completes?: 'file' | 'integration'
}

export interface CommandSpec {
  /** As in `keys create`. */
  readonly name: string
  readonly summary: string
  /** Sentences for the help. */
  readonly details?: string
  readonly operands?: readonly OperandSpec[]
  readonly options?: readonly OptionSpec[]
  /** Each a command and what it does. */
  readonly examples: readonly (readonly [command: string, does: string])[]
  /** Exit codes that this command has beside those of all. */
  readonly exits?: Readonly<Record<number, string>>
  /** Whether it calls a broker, and so has the options of that. */
  readonly isRemote?: boolean
}

export type Variables = Readonly<Record<string, string | undefined>>

/** The options by their names in camelCase. */
export type Options = Readonly<Record<string, unknown>>

export interface RemoteBroker {
  readonly client: ValetkeyClient
  /** Without a slash at the end. */
  readonly url: string
}

export interface CommandInput {
  readonly operands: readonly string[]
  readonly options: Options
  readonly env: Variables
  readonly terminal: Terminal
  /** Of remote commands. Throws `ConfigError` if it is not known which broker or with which key. */
  readonly broker: () => Promise<RemoteBroker>
}

/** Gives the exit code. */
export type Runner = (input: CommandInput) => Promise<number>

export interface LoadedCommand extends CommandSpec {
  readonly load: () => Promise<Runner>
}
