/** Requests at a constant rate, from a thread of their own: each leaves in its time, whether or not the former ones were answered. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

export interface PacedOptions {
  readonly url: string
  /** In turns. */
  readonly paths: readonly string[]
  readonly perSecond: number
  readonly headers?: Readonly<Record<string, string>>
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
  const worker = new Worker(new URL('./servers/paced-thread.ts', import.meta.url), {
    workerData: options,
  })
  const told: Promise<readonly Paced[]> = once(worker, 'message')
  return {
    async stop() {
      worker.postMessage('stop')
      const [paced] = await told
      if (!paced) throw new Error('a thread told nothing')
      return paced
    },
  }
}
