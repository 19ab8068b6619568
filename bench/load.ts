/** Load from another process: `wrk`, one thread, 32 connections; autocannon where there is no `wrk`. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { isOnPath, provideCommand } from '../test/support/apt.ts'

const run = promisify(execFile)

export interface Load {
  readonly requests: number
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
  /** Default 32. */
  readonly connections?: number
  /** Asked in turn, in place of the path of the URL. For `wrk` alone, which reads a script from this file. */
  readonly paths?: { readonly names: readonly string[]; readonly script: string }
  /** The same with methods, headers and bodies. Autocannon sends the first one alone. */
  readonly requests?: { readonly list: readonly LoadRequest[]; readonly script: string }
}

export interface LoadRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

const CONNECTIONS = 32

export function load(options: LoadOptions): Promise<Load> {
  return isOnPath('wrk') ? loadByWrk(options) : loadByAutocannon(options)
}

async function loadByWrk(options: LoadOptions): Promise<Load> {
  const { url, headers = {}, seconds, connections = CONNECTIONS } = options
  const asked = requestsOf(options)
  if (asked) await writeFile(asked.script, scriptOf(asked.list))
  const { stdout } = await run('wrk', [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--latency',
    ...(asked ? ['-s', asked.script] : []),
    ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    url,
  ])
  const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1] ?? 0)
  const errors = [...(/Socket errors: (.*)/.exec(stdout)?.[1] ?? '').matchAll(/\d+/g)]
  return {
    requests: number(/(\d+) requests in/),
    requestsPerSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p50Ms: milliseconds(/50%\s+([\d.]+)(us|ms|s)/.exec(stdout)),
    p99Ms: milliseconds(/99%\s+([\d.]+)(us|ms|s)/.exec(stdout)),
    failures:
      number(/Non-2xx or 3xx responses: (\d+)/) +
      errors.reduce((sum, [count]) => sum + Number(count), 0),
  }
}

function requestsOf({ paths, requests, headers = {} }: LoadOptions): LoadOptions['requests'] {
  if (paths === undefined) return requests
  const list = paths.names.map((path) => ({ method: 'GET', path, headers }) as const)
  return { list, script: paths.script }
}

/** Requests are put together once, so that many of them cost what one does. */
function scriptOf(list: readonly LoadRequest[]): string {
  const quoted = (text: string) => JSON.stringify(text)
  const rows = list.map(({ method, path, headers, body }) => {
    const entries = Object.entries(headers).map(
      ([name, value]) => `[${quoted(name)}]=${quoted(value)}`,
    )
    const given = body === undefined ? 'nil' : quoted(body)
    return `{${quoted(method)},${quoted(path)},{${entries.join(',')}},${given}}`
  })
  return `local rows = {${rows.join(',\n')}}
local requests, at = {}, 0
init = function()
  for index, row in ipairs(rows) do
    requests[index] = wrk.format(row[1], row[2], row[3], row[4])
  end
end
request = function()
  at = at % #requests + 1
  return requests[at]
end
`
}

const UNITS = { us: 0.001, ms: 1, s: 1000 } as const

function milliseconds(match: RegExpExecArray | null): number {
  const [, value = 'NaN', unit = 'ms'] = match ?? []
  return Number(value) * UNITS[unit as keyof typeof UNITS]
}

/** What its command prints as JSON, as far as it is read here. */
interface Cannon {
  readonly duration: number
  readonly requests: { readonly total: number }
  readonly latency: { readonly p50: number; readonly p99: number }
  readonly non2xx: number
  readonly errors: number
}

/** Slower than `wrk`, so ratios come out closer to 1 than they are. */
async function loadByAutocannon(options: LoadOptions): Promise<Load> {
  const { url, headers = {}, seconds, connections = CONNECTIONS } = options
  const [first] = requestsOf(options)?.list ?? []
  const command = new URL('../node_modules/autocannon/autocannon.js', import.meta.url).pathname
  const { stdout } = await run(process.execPath, [
    command,
    ...['--json', '--no-progress', '-c', String(connections), '-d', String(seconds)],
    ...['-m', first?.method ?? 'GET', ...(first?.body === undefined ? [] : ['-b', first.body])],
    ...Object.entries(first?.headers ?? headers).flatMap(([name, value]) => [
      '-H',
      `${name}=${value}`,
    ]),
    first ? new URL(first.path, url).href : url,
  ])
  const { duration, requests, latency, non2xx, errors } = JSON.parse(stdout) as Cannon
  return {
    requests: requests.total,
    requestsPerSecond: requests.total / duration,
    p50Ms: latency.p50,
    p99Ms: latency.p99,
    failures: non2xx + errors,
  }
}

/** Announced before it installs anything. */
export function provideLoad(): void {
  const provided = provideCommand('wrk', (line) => console.error(line))
  if (!provided.ok) console.error(`${provided.why}\nautocannon is used in its place`)
}
