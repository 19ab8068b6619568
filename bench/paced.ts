/** Requests at a constant rate, from a process of their own: each leaves in its time, whether or not the former ones were answered. */
import { fork } from 'node:child_process'
import { endWithThisProcess } from '../test/support/children.ts'

export interface PacedOptions {
  readonly url: string
  /** Paths that are asked for in turns, each with the statuses of a good answer. */
  readonly paths: Readonly<Record<string, readonly number[]>>
  readonly perSecond: number
  readonly headers?: Readonly<Record<string, string>>
  /** Whether the process has the lowest priority. Default: no. A load that disturbs yields: its own work belongs to other machines, and only its requests count. */
  readonly yields?: boolean
}

export interface Paced {
  /** Good answers. */
  readonly answered: number
  /** p99 of the good answers until their last byte, in milliseconds. `null` if there was none. */
  readonly p99Ms: number | null
  /** Requests with another status than the expected one, or without a whole answer within 10 seconds. */
  readonly failures: number
}

export interface PacedLoad {
  /** Sends no more, and waits for the requests in flight. Rejects if the process ended before it reported. */
  stop(): Promise<Paced>
}

export function startPaced(options: PacedOptions): PacedLoad {
  const program = new URL('./servers/paced.ts', import.meta.url)
  const child = endWithThisProcess(fork(program, [JSON.stringify(options)]))
  const report = new Promise<Paced>((resolve, reject) => {
    const ended = (what: string) => reject(new Error(`the process of a paced load ${what}`))
    child.once('message', (message) => resolve(message as Paced))
    child.once('error', reject)
    child.once('exit', (code, signal) => ended(`ended with ${code ?? signal}`))
    child.once('disconnect', () => ended('disconnected'))
  })
  // `stop` tells it.
  report.catch(() => undefined)
  return {
    stop() {
      if (child.connected) child.send('stop')
      return report
    },
  }
}
