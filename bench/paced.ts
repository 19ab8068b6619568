/** Requests at a constant rate, from a process of their own: each leaves in its time, whether or not the former ones were answered. */
import { fork } from 'node:child_process'
import { once } from 'node:events'

export interface PacedOptions {
  readonly url: string
  /** In turns. */
  readonly paths: readonly string[]
  readonly perSecond: number
  readonly headers?: Readonly<Record<string, string>>
  /** Whether the process yields the processors to all others. Default: no. A load that disturbs yields: its own work belongs to other machines, and what it asks for is what counts. */
  readonly yields?: boolean
}

export interface Paced {
  /** Of each that was answered, until its last byte. */
  readonly tookMs: readonly number[]
  /** Those without an answer, and answers of 500 and more. */
  readonly failures: number
}

export interface PacedLoad {
  /** Sends no more, and waits for what is under way. */
  stop(): Promise<Paced>
}

export function startPaced(options: PacedOptions): PacedLoad {
  const child = fork(new URL('./servers/paced.ts', import.meta.url), [JSON.stringify(options)])
  const told: Promise<readonly Paced[]> = once(child, 'message')
  return {
    async stop() {
      child.send('stop')
      const [paced] = await told
      if (!paced) throw new Error('a process told nothing')
      return paced
    },
  }
}
