/** One test file, in a process of its own, and what its report (Test Anything Protocol) says. */
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A file that says nothing of its own gives up after this. It then tells what it waits for. */
const TIME_LIMIT_SECONDS = 240
/** Longer than the limit that any file sets for itself: a process that cannot give up is ended. */
const LAST_LIMIT_MS = 960_000

export interface TestProcess {
  readonly file: string
  readonly nodeArgs: readonly string[]
  /** Ends the process with SIGTERM. */
  readonly signal: AbortSignal
}

export interface FileResult {
  readonly file: string
  readonly durationMs: number
  /** Tests at the top of the file. */
  readonly passed: number
  readonly failed: number
  /** Why the file as a whole failed. Unset: each test passed, and the process ended well. */
  readonly broken?: string
  /** Of each failure its line and its diagnostics, at every depth. */
  readonly failures: readonly string[]
}

/** Rejects where the process cannot be started. */
export async function runTestFile({ file, nodeArgs, signal }: TestProcess): Promise<FileResult> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [...nodeArgs, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      TAP: '1',
      TAP_TIMEOUT: String(TIME_LIMIT_SECONDS),
      // Some hundred processes load the same modules. `module.enableCompileCache()` keeps them here, too.
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(tmpdir(), 'node-compile-cache'),
    },
    signal,
  })
  const lastLimit = setTimeout(() => child.kill('SIGKILL'), LAST_LIMIT_MS)
  const ended = new Promise<string | undefined>((resolve, reject) => {
    child.on('error', (error) => (error.name === 'AbortError' ? undefined : reject(error)))
    child.on('close', (code, by) => {
      clearTimeout(lastLimit)
      resolve(by ? `ended by ${by}` : code === 0 ? undefined : `ended with status ${code}`)
    })
  })
  const report = createReport()
  // A process that cannot be started has no output, and `ended` rejects.
  const [end] = await Promise.all([
    ended,
    (async () => {
      for await (const line of createInterface({ input: child.stdout })) report.read(line)
    })(),
  ])
  const { passed, failed, planned, failures } = report.result()
  const isWhole = planned === passed + failed
  const ran = planned === undefined ? 'no plan' : `${passed + failed} of ${planned} tests`
  const broken = end ?? (isWhole ? undefined : `ended after ${ran}`)
  return {
    ...{ file, passed, failed, failures, durationMs: performance.now() - startedAt },
    ...(broken !== undefined && { broken }),
  }
}

/** Reads a report line by line. */
function createReport() {
  const failures: string[] = []
  let [passed, failed] = [0, 0]
  let planned: number | undefined
  let inDiagnostics = false

  return {
    read(line: string): void {
      const [, indent = '', verdict] = /^( *)(ok|not ok) \d+/.exec(line) ?? []
      if (verdict !== undefined) {
        inDiagnostics = verdict === 'not ok'
        if (indent === '' && verdict === 'ok') passed += 1
        if (indent === '' && verdict === 'not ok') failed += 1
        if (verdict === 'not ok') failures.push(line.replace(/ \{$/, ''))
      } else if (inDiagnostics) {
        failures.push(line)
        inDiagnostics = line.trim() !== '...'
      } else {
        const [, last] = /^1\.\.(\d+)/.exec(line) ?? []
        if (last !== undefined) planned = Number(last)
        else if (line.startsWith('Bail out!')) failures.push(line)
      }
    },
    result: () => ({ passed, failed, planned, failures }),
  }
}
