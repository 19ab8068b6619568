/** Runs a shell script as a reader of the documents would, in a process group that ends with the test. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Test } from 'tap'

export interface Shell {
  /** Both streams so far. */
  output(): string
  /** Standard output alone. */
  stdout(): string
  isRunning(): boolean
  /** The status with which it ended. What it started may go on, and hold its output. */
  readonly ended: Promise<number | null>
  /** Ends it and whatever it started; the output is whole then. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

interface Teardown {
  teardown(end: () => unknown): void
}

/** Which readers have: `sh` of Debian, bash, and zsh, the default of macOS. */
export const SHELLS = ['dash', 'bash', 'zsh'] as const
export type ShellName = (typeof SHELLS)[number]

/** zsh only treats a script as typed text, in which `#` begins no comment, where it reads it from its input. */
const COMMANDS: Readonly<Record<ShellName, (script: string) => Spoken>> = {
  dash: (script) => ({ args: ['-eu', '-c', script], input: '' }),
  bash: (script) => ({ args: ['-eu', '-c', script], input: '' }),
  zsh: (script) => ({
    args: ['-f', '-i', '-s'],
    input: `PS1= PS2= PROMPT_EOL_MARK=; unsetopt zle monitor; set -eu\n${script}\n`,
  }),
}

interface Spoken {
  readonly args: readonly string[]
  /** What the shell reads as if it was typed. */
  readonly input: string
}

/** One test a shell; one that is missing is skipped with a word, but in CI it fails. */
export function inEachShell(
  t: Test,
  name: string,
  body: (t: Test, shell: ShellName) => Promise<void>,
): void {
  for (const shell of SHELLS) {
    const isMissing = !hasCommand(shell) && process.env.CI !== 'true'
    const skip = isMissing ? `${shell} is not on the PATH` : !hasCommand('curl') && 'no curl'
    t.test(`${name}, in ${shell}`, { skip }, (inner) => body(inner, shell))
  }
}

export interface ShellOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** Default: dash, or what `sh` is. */
  readonly shell?: ShellName
}

/** A test that runs out of time is not torn down, and what a shell started may outlive the shell. */
const started = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of started) signalGroup(child, 'SIGKILL')
})

/** Stops at the first command that fails and at the first variable that is not set. */
export function startShell(t: Teardown, script: string, { cwd, env, shell }: ShellOptions): Shell {
  const { args, input } = COMMANDS[shell ?? 'dash'](script)
  const child = spawn(shell ?? 'sh', args, {
    cwd,
    // Prompts are no output.
    env: { ...process.env, PS1: '', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  child.stdin.on('error', (error: NodeJS.ErrnoException) => {
    // A shell that stops at the first failure does not read the rest.
    if (error.code !== 'EPIPE') throw error
  })
  child.stdin.end(input)
  let output = ''
  let stdout = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    output += chunk
  })
  const ended = once(child, 'exit').then(([status]) => status as number | null)
  const closed = once(child, 'close')
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    signalGroup(child, signal)
    await closed
  }
  t.teardown(() => stop('SIGKILL'))
  started.add(child)
  const isRunning = () => child.exitCode === null && child.signalCode === null
  return { isRunning, output: () => output, stdout: () => stdout, ended, stop }
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) throw new Error('the shell did not start')
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Whether a command is on the PATH. */
export function hasCommand(command: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
