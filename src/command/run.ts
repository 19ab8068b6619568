/** Runs a command line to its end. */
import { brokerOf } from './broker.ts'
import { CALLER_COMMANDS } from './commands/callers.ts'
import { INCIDENT_COMMANDS } from './commands/incidents.ts'
import { INTEGRATION_COMMANDS } from './commands/integrations.ts'
import { LOCAL_COMMANDS, type LocalName } from './commands/local.ts'
import { TOKEN_COMMANDS } from './commands/tokens.ts'
import { CommandError, EXITS } from './exits.ts'
import { createProgram, hasApiKey, misuseOrFailure, normalized, type Run } from './program.ts'
import type { Runner, Variables } from './spec.ts'
import { createTerminal } from './terminal.ts'

interface CommandLine {
  readonly args: readonly string[]
  readonly env: Variables
  readonly streams: Pick<NodeJS.Process, 'stdin' | 'stdout' | 'stderr'>
  /** Loads the commands that need the code of the service. */
  readonly local: (name: LocalName) => Promise<Runner>
  /** As in `1.2.3 (commit)`. */
  readonly version: () => string
}

const LOADED = [
  ...INTEGRATION_COMMANDS,
  ...TOKEN_COMMANDS,
  ...CALLER_COMMANDS,
  ...INCIDENT_COMMANDS,
]
/** They say themselves what it means that stdout cannot be written. */
const WATCH_OWN_STDOUT = ['serve', 'backup']
/** The completion scripts call this command, which no help shows, with the words so far behind `--`. */
const COMPLETE = 'complete'
const KEY_WARNING =
  'an argument is an API key or a JWT: every user of this machine can see arguments, so revoke it; use VALETKEY_KEY, --key-file or valetkey login'

/** Gives the exit code. Throws what is a bug. */
export async function runCommandLine({ args, env, streams, local, version }: CommandLine) {
  const { stdout, stderr } = streams
  const given = normalized(args)
  if (hasApiKey(given)) {
    stderr.write(`valetkey: ${KEY_WARNING}\n`)
    return EXITS.usage
  }
  if (given[0] === '--version' || given[0] === '-V') {
    stdout.write(`valetkey ${version()}\n`)
    return EXITS.ok
  }
  if (given[0] === COMPLETE && given[1] === '--') {
    const { complete } = await import('./completion.ts')
    await complete(
      given.slice(2),
      () => brokerOf({}, env),
      (line) => stdout.write(`${line}\n`),
    )
    return EXITS.ok
  }
  let exit: number = EXITS.ok
  const run: Run = async (spec, operands, options) => {
    if (!WATCH_OWN_STDOUT.includes(spec.name)) endOnBrokenStdout(streams)
    if (spec.name === 'completion') {
      const { COMPLETION_SCRIPTS } = await import('./completion-scripts.ts')
      streams.stdout.write(COMPLETION_SCRIPTS[operands[0] as keyof typeof COMPLETION_SCRIPTS])
      return EXITS.ok
    }
    if (spec.isRemote && operands.some((text) => /^\.{0,2}$/.test(text))) {
      throw new CommandError(EXITS.usage, 'a name or an id must not be empty or consist of dots')
    }
    const isPlain = options.color === false || Boolean(env.NO_COLOR)
    const runner = await runnerOf(spec.name)
    return runner({
      ...{ operands, options, env, terminal: createTerminal(streams, isPlain) },
      broker: () => brokerOf(options, env),
    })
  }
  const runnerOf = async (name: string): Promise<Runner> => {
    const loaded = LOADED.find((one) => one.name === name)
    const own = LOCAL_COMMANDS.find((one) => one.name === name)
    if (loaded) return loaded.load()
    if (own) return local(own.name)
    throw new Error(`${name} has no code`)
  }
  try {
    const program = createProgram(run, streams, (code) => {
      exit = code
    })
    await program.parseAsync([...given], { from: 'user' })
    return exit
  } catch (error) {
    return misuseOrFailure(error, given, streams)
  }
}

/** Ends the process if stdout cannot be written. If the reader is one such as `head`, the command goes on. */
function endOnBrokenStdout({ stdout, stderr }: CommandLine['streams']): void {
  stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') return
    stderr.write(`valetkey: stdout cannot be written (${code})\n`)
    process.exit(EXITS.io)
  })
}
