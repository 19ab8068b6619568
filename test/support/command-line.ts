/** Runs `valetkey` as a person does: with pipes, or in a pseudo-terminal. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isOnPath } from './apt.ts'
import { endWithThisProcess } from './children.ts'
import { ENTRY_POINT } from './entry-point.ts'
import { eventually } from './eventually.ts'

interface Teardown {
  teardown(end: () => unknown): void
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Written to its standard input, which then ends. Default: nothing. */
  readonly stdin?: string
  /** Default: a folder of its own. */
  readonly cwd?: string
  /** Of another installation. */
  readonly entryPoint?: string
}

export interface Running {
  readonly child: ChildProcess
  stdout(): string
  stderr(): string
  /** Types into its standard input. */
  type(text: string): void
  /** Waits until stdout has this. */
  shows(text: RegExp): Promise<void>
  readonly ended: Promise<number | null>
}

/** Whether this machine has the program that makes pseudo-terminals. */
export const hasTerminal = (): boolean => isOnPath('script')

export function createCommandLine(t: Teardown, common: RunOptions['env'] = {}) {
  const home = mkdtempSync(join(tmpdir(), 'valetkey-home-'))
  t.teardown(() => rmSync(home, { recursive: true, force: true }))

  const start = (
    command: readonly string[],
    { env, stdin, cwd = home }: RunOptions,
    isOpen: boolean,
  ): Running => {
    const [program = '', ...rest] = command
    const child = endWithThisProcess(
      spawn(program, rest, {
        cwd,
        env: { PATH: process.env.PATH, HOME: home, TERM: 'xterm', ...common, ...env },
        stdio: ['pipe', 'pipe', 'pipe'],
      }),
    )
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.on('data', (text) => {
        output[name] += text
      })
    }
    // A command may end before it reads.
    child.stdin?.on('error', () => child.stdin?.destroy())
    if (!isOpen) child.stdin?.end(stdin ?? '')
    return {
      child,
      stdout: () => output.stdout,
      stderr: () => output.stderr,
      type: (text) => void child.stdin?.write(text),
      async shows(text) {
        await eventually(() => {
          if (text.test(output.stdout)) return true
          if (child.exitCode === null) return false
          throw new Error(`it ended with ${child.exitCode}: ${output.stdout}${output.stderr}`)
        })
      },
      ended: once(child, 'close').then(([code]) => code),
    }
  }
  const spawned = (args: readonly string[], options: RunOptions = {}) =>
    start([process.execPath, options.entryPoint ?? ENTRY_POINT, ...args], options, false)

  return {
    home,
    spawned,
    /** To its end. */
    async run(args: readonly string[], options: RunOptions = {}) {
      const running = spawned(args, options)
      const code = await running.ended
      return { code, stdout: running.stdout(), stderr: running.stderr() }
    },
    /** In a pseudo-terminal of 100 columns: both streams come as stdout, and what is typed is echoed. */
    inTerminal(args: readonly string[], options: RunOptions = {}): Running {
      const words = [process.execPath, options.entryPoint ?? ENTRY_POINT, ...args]
      const line = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
      const script = ['script', '--quiet', '--return', '--flush', '--command']
      return start([...script, `stty cols 100; exec ${line}`, '/dev/null'], options, true)
    },
  }
}
