/** A program of `examples/clients` that runs: it makes a call at once, and one more for each line of its input. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endWithThisProcess } from '../support/children.ts'
import { eventually } from '../support/eventually.ts'

/** A client that logs in without end is ended. */
const LONGEST_MS = 60_000

export interface ClientProcess {
  /** Lines of its standard output. */
  lines(): readonly string[]
  /** Both streams so far. */
  output(): string
  /** Asks for one more call. Waits until a line says its result, or the program ends. */
  next(): Promise<void>
  /** Waits for the first line, or the end. */
  begun(): Promise<void>
  /** No more calls. Waits for the end. Null: it was ended because it ran too long. */
  finish(): Promise<number | null>
}

interface Teardown {
  teardown(end: () => unknown): void
}

interface ClientProcessOptions {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** Ends with the test. */
export async function startClient(
  t: Teardown,
  { command, env }: ClientProcessOptions,
): Promise<ClientProcess> {
  const home = await mkdtemp(join(tmpdir(), 'valetkey-client-'))
  const [program = '', ...args] = command
  const child: ChildProcess = endWithThisProcess(
    spawn(program, args, {
      cwd: home,
      env: { PATH: process.env.PATH, HOME: home, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    }),
  )
  let stdout = ''
  let output = ''
  child.stdout?.on('data', (chunk) => {
    stdout += chunk
    output += chunk
  })
  child.stderr?.on('data', (chunk) => {
    output += chunk
  })
  // It may have ended: then there is nobody to read.
  child.stdin?.on('error', () => undefined)
  const timer = setTimeout(() => child.kill('SIGKILL'), LONGEST_MS)
  let hasEnded = false
  const ended = once(child, 'close').then(async ([status]) => {
    hasEnded = true
    clearTimeout(timer)
    await rm(home, { recursive: true, force: true })
    return status as number | null
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const lines = () => stdout.split('\n').slice(0, -1)
  const hasLines = (count: number) => eventually(() => hasEnded || lines().length >= count)
  return {
    lines,
    output: () => output,
    async begun() {
      await hasLines(1)
    },
    async next() {
      const count = lines().length + 1
      child.stdin?.write('\n')
      await hasLines(count)
    },
    finish() {
      child.stdin?.end()
      return ended
    },
  }
}
