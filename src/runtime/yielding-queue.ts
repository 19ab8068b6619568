/** Background work that yields to urgent work: it begins when no urgent work runs, or when it waited too long. */

interface YieldingQueueOptions {
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
  /** Longest wait for urgent work, in milliseconds. */
  readonly yieldMs: number
  /** Most background work at once. */
  readonly atOnce: number
}

interface Waiting {
  readonly since: number
  /** Must not reject. */
  readonly work: () => Promise<unknown>
}

export function createYieldingQueue({ monotonic, yieldMs, atOnce }: YieldingQueueOptions) {
  /** In order. */
  const waiting = new Set<Waiting>()
  let urgent = 0
  let running = 0
  let timer: NodeJS.Timeout | undefined

  const begin = (next: Waiting) => {
    waiting.delete(next)
    running += 1
    void next.work().finally(() => {
      running -= 1
      beginAll()
    })
  }

  const beginAll = () => {
    clearTimeout(timer)
    for (const next of waiting) {
      if (running >= atOnce) return
      const spareMs = next.since + yieldMs - monotonic()
      if (urgent > 0 && spareMs > 0) {
        timer = setTimeout(beginAll, spareMs).unref()
        return
      }
      begin(next)
    }
  }

  return {
    /** Counts as urgent until it settles. Returns the same promise. */
    urgent<Result>(work: Promise<Result>): Promise<Result> {
      urgent += 1
      const over = () => {
        urgent -= 1
        if (urgent === 0) beginAll()
      }
      work.then(over, over)
      return work
    },
    /** Begins in a later turn of the event loop. `work` must not reject. What still waits when the process ends is not done. */
    later(work: () => Promise<unknown>): void {
      waiting.add({ since: monotonic(), work })
      setImmediate(beginAll)
    },
  }
}
