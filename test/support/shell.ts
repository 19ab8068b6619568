/** Runs a shell script as a reader of the documents would, in a process group that ends with the test. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

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

export interface ShellOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
}

/** Stops at the first command that fails and at the first variable that is not set. */
export function startShell(t: Teardown, script: string, { cwd, env }: ShellOptions): Shell {
  const child = spawn('sh', ['-eu', '-c', script], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
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
  // A test that runs out of time is not torn down.
  process.once('exit', () => signalGroup(child, 'SIGKILL'))
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
