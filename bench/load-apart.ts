/** Load from a thread of its own: its times are not those of the Salesforce that this process is. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { LoadOptions, Seen } from '../test/support/load.ts'

export type ApartOptions = Pick<LoadOptions, 'names' | 'perSecond' | 'key'> & {
  readonly urls: readonly string[]
}

export interface LoadApart {
  /** Sends no more, and waits for what is under way. */
  stop(): Promise<readonly Seen[]>
}

export function startLoadApart(options: ApartOptions): LoadApart {
  const worker = new Worker(new URL('./servers/load-thread.ts', import.meta.url), {
    workerData: options,
  })
  const told: Promise<readonly Seen[][]> = once(worker, 'message')
  return {
    async stop() {
      worker.postMessage('stop')
      const [seen = []] = await told
      return seen
    },
  }
}
