/** Load from another process: `wrk`, one thread, 32 connections. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { provideCommand } from '../test/support/apt.ts'

const run = promisify(execFile)

export interface Load {
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Answers other than 2xx and 3xx, and errors of sockets. */
  readonly failures: number
}

export interface LoadOptions {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly seconds: number
  readonly connections?: number
}

export async function load(options: LoadOptions): Promise<Load> {
  const { url, headers = {}, seconds, connections = 32 } = options
  const { stdout } = await run('wrk', [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--latency',
    ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    url,
  ])
  const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1] ?? 0)
  const errors = [...(/Socket errors: (.*)/.exec(stdout)?.[1] ?? '').matchAll(/\d+/g)]
  return {
    requestsPerSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p50Ms: milliseconds(/50%\s+([\d.]+)(us|ms|s)/.exec(stdout)),
    p99Ms: milliseconds(/99%\s+([\d.]+)(us|ms|s)/.exec(stdout)),
    failures:
      number(/Non-2xx or 3xx responses: (\d+)/) +
      errors.reduce((sum, [count]) => sum + Number(count), 0),
  }
}

const UNITS = { us: 0.001, ms: 1, s: 1000 } as const

function milliseconds(match: RegExpExecArray | null): number {
  const [, value = 'NaN', unit = 'ms'] = match ?? []
  return Number(value) * UNITS[unit as keyof typeof UNITS]
}

/** Announced before it installs anything. Throws where it cannot. */
export function provideLoad(): void {
  const provided = provideCommand('wrk', (line) => console.error(line))
  if (!provided.ok) throw new Error(provided.why)
}
