/** Retries writes to a full pipe. */
import { setTimeout as sleep } from 'node:timers/promises'

const PAUSE_MS = { least: 1, most: 20 }

/** Calls `attempt` until the pipe is not full. */
export async function retryOnEagain(
  attempt: () => Promise<number>,
  signal: AbortSignal | undefined,
): Promise<number> {
  for (let pauseMs = PAUSE_MS.least; ; pauseMs = Math.min(PAUSE_MS.most, pauseMs * 2)) {
    try {
      return await attempt()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
    await sleep(pauseMs, undefined, signal && { signal })
  }
}
