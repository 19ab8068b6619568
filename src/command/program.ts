/** The command line: parses it, runs its command, and says what went wrong. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { durationIn } from './durations.ts'
import { EXITS } from './exits.ts'
import { failureOf } from './failures.ts'
import { commandHelp, overview, usageOf } from './help.ts'
import type { CommandSpec, OptionSpec } from './spec.ts'
import { COMMANDS, GENERAL_OPTIONS, GROUPS, optionsOf, SHELLS } from './table.ts'
import { withoutControls } from './terminal.ts'

/** Runs a command and gives its exit code. */
export type Run = (
  spec: CommandSpec,
  operands: readonly string[],
  options: Readonly<Record<string, unknown>>,
) => Promise<number>

interface Output {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
}

/** An API key, or a JWT. */
const KEY = /vk_[0-9A-Za-z]{8}_[0-9A-Za-z]{20,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/

/** The parser of all commands. `run` is called for the one that was given. */
export function createProgram(run: Run, output: Output, onEnd: (exit: number) => void): Command {
  const program = new Command('valetkey')
  configure(program, overview, output)
  const parents = new Map<string, Command>()
  for (const spec of COMMANDS) {
    const [first = '', second] = spec.name.split(' ')
    const parent = second === undefined ? program : parentOf(first, program, parents, output)
    const command = new Command(second ?? first).description(spec.summary)
    configure(command, () => commandHelp(spec), output)
    command.usage(usageOf(spec).replace(/^valetkey /, ''))
    for (const option of [...optionsOf(spec), ...GENERAL_OPTIONS.slice(0, 1)]) {
      command.addOption(optionFor(option))
    }
    for (const { name, isOptional, isList } of spec.operands ?? []) {
      const text = `${name}${isList ? '...' : ''}`
      const argument = new Argument(isOptional ? `[${text}]` : `<${text}>`)
      command.addArgument(spec.name === 'completion' ? argument.choices([...SHELLS]) : argument)
    }
    command.action(async () => {
      onEnd(await run(spec, command.args, command.opts()))
    })
    parent.addCommand(command)
  }
  return program
}

function parentOf(
  name: string,
  program: Command,
  parents: Map<string, Command>,
  output: Output,
): Command {
  const known = parents.get(name)
  if (known) return known
  const own = GROUPS.flatMap(({ commands }) => commands).filter((spec) =>
    spec.name.startsWith(`${name} `),
  )
  const parent = new Command(name).description(own.map(({ summary }) => summary).join('; '))
  configure(parent, () => own.map(commandHelp).join('\n'), output)
  program.addCommand(parent)
  parents.set(name, parent)
  return parent
}

function configure(command: Command, help: () => string, { stdout, stderr }: Output): void {
  command
    .exitOverride()
    .helpCommand(false)
    .allowExcessArguments(false)
    .configureHelp({ formatHelp: () => help() })
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: (text) => stderr.write(misuseText(text)),
    })
}

/** The value of an option that does not exist, as in `--key=…`. */
const VALUE = /('--[\w-]+)=.*'/s

/** Without what was typed, where that may be a secret. */
const misuseText = (text: string) =>
  `valetkey: ${withoutControls(text.replace(/^error: /, '').trim())}\n`.replace(VALUE, "$1'")

function optionFor({ flags, summary, choices, reads, repeats, isRequired }: OptionSpec): Option {
  const option = new Option(flags, summary)
  if (isRequired) option.makeOptionMandatory()
  if (choices) option.choices([...choices])
  if (reads === 'integer') option.argParser(integerIn)
  if (reads === 'duration') option.argParser(msIn)
  if (repeats) {
    option.argParser((value: string, before: readonly string[] | undefined) => [
      ...(before ?? []),
      value,
    ])
  }
  return option
}

function integerIn(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number.')
}

function msIn(text: string): number {
  const ms = durationIn(text)
  if (ms !== undefined) return ms
  throw new InvalidArgumentError('It must be a duration, as in 90s, 15m, 2h or 30d.')
}

/** `help rotate` is `rotate --help`, and the way in is the service. */
export function normalized(given: readonly string[]): readonly string[] {
  const [first, ...rest] = given
  if (first === undefined) return ['serve']
  return first === 'help' ? [...rest, '--help'] : given
}

/** True: an argument is an API key, which every user of the machine can see now. */
export const hasApiKey = (args: readonly string[]): boolean => args.some((text) => KEY.test(text))

/** Says what went wrong, and gives the exit code. Throws what is a bug. */
export function misuseOrFailure(error: unknown, args: readonly string[], output: Output): number {
  if (error instanceof CommanderError) {
    const isHelp = error.code === 'commander.helpDisplayed' || error.code === 'commander.help'
    if (isHelp) return error.exitCode === 0 ? EXITS.ok : EXITS.usage
    output.stderr.write(usageFor(args))
    return EXITS.usage
  }
  const exit = failureOf(error, output)
  if (exit === EXITS.usage) output.stderr.write(usageFor(args))
  return exit
}

/** Of the command, or of all. */
function usageFor(args: readonly string[]): string {
  const spec = COMMANDS.find(({ name }) => name === args.slice(0, name.split(' ').length).join(' '))
  return spec ? `usage: ${usageOf(spec)}\n       valetkey help ${spec.name}\n` : overview()
}
