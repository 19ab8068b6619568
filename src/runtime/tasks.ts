/** Repeats background work until it is stopped. */
import type { OutageLogger } from './outage-logger.ts'
import type { Runtime } from './runtime.ts'

export interface Task {
  /** Aborts when the task is stopped. */
  readonly stopped: AbortSignal
  /** Begins the first round. Later calls have no effect. */
  start(): void
  /** Ends the current pause. During a round, skips the next pause. */
  wake(): void
  /** Ends the current pause if it is over by the clock of the store, which may have been set. */
  tick(): void
  /** Resolves when the running round is over. */
  stop(): Promise<void>
}

/** A round that found nothing to do proves nothing, and ends no outage. The pause is as that of other rounds. */
interface Idle {
  readonly idleMs: number
}

/** Longest pause of work that is told of changes, because one may be missed. */
const UNTOLD_MS = 30_000

/** Milliseconds until this time, within bounds. */
export const pauseUntil = (at: number, now: number, leastMs: number): number =>
  Math.min(UNTOLD_MS, Math.max(leastMs, at - now))

interface TaskOptions {
  readonly runtime: Pick<Runtime, 'sleep'> & Partial<Pick<Runtime, 'now'>>
  /** Runs one round. Returns the pause until the next, in milliseconds. Infinite: waits for `wake`. */
  readonly work: () => Promise<number | Idle>
  /** Pause after a failed round, in milliseconds. */
  readonly retryMs?: number
  /** Pause before the first round, in milliseconds. Default: none. */
  readonly firstMs?: number
  /** Gets the failures of rounds, and the task continues. A round that completed its work ends the outage. Default: a failure is a bug and rejects. */
  readonly outage?: OutageLogger
}

export function createTask(options: TaskOptions): Task {
  const { runtime, work, retryMs = 0, firstMs = 0, outage } = options
  const stopped = new AbortController()
  let woken = new AbortController()
  let running: Promise<void> | undefined
  let resumeAt = Number.POSITIVE_INFINITY

  const round = async (): Promise<number> => {
    try {
      const result = await work()
      if (typeof result !== 'number') return result.idleMs
      // A round that was cut short by the end proves nothing either.
      if (!stopped.signal.aborted) outage?.over()
      return result
    } catch (error) {
      if (!outage) throw error
      outage.report(error)
      return retryMs
    }
  }

  const pause = (ms: number, { signal }: AbortController): Promise<unknown> => {
    if (Number.isFinite(ms) || signal.aborted) return runtime.sleep(ms, signal)
    return new Promise((resolve) => {
      signal.addEventListener('abort', resolve, { once: true })
    })
  }

  const run = async (): Promise<void> => {
    if (firstMs > 0) await pause(firstMs, woken)
    while (!stopped.signal.aborted) {
      woken = new AbortController()
      resumeAt = Number.POSITIVE_INFINITY
      const ms = await round()
      resumeAt = (runtime.now?.() ?? Number.NaN) + ms
      await pause(ms, woken)
    }
  }

  return {
    stopped: stopped.signal,
    start() {
      running ??= run()
    },
    wake: () => woken.abort(),
    tick() {
      if ((runtime.now?.() ?? 0) >= resumeAt) woken.abort()
    },
    async stop() {
      stopped.abort()
      woken.abort()
      await running
    },
  }
}
