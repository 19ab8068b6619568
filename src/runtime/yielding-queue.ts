/** Background work that yields to urgent work: it begins when no urgent work runs, or when it waited too long. */

interface YieldingQueueOptions {
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
  /** Most background work at once. */
  readonly atOnce: number
  /** Most work that waits for urgent work. Above it, the oldest begins. */
  readonly most: number
}

interface Waiting {
  /** By the monotonic clock: it does not wait longer for urgent work. */
  readonly until: number
  /** Must not reject. */
  readonly work: () => Promise<unknown>
}

export function createYieldingQueue({ monotonic, atOnce, most }: YieldingQueueOptions) {
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
      const spareMs = next.until - monotonic()
      if (urgent > 0 && spareMs > 0 && waiting.size <= most) {
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
    /** Begins in a later turn of the event loop, in the order of the calls. `yieldMs`: the longest wait for urgent work, in milliseconds; that of work before it counts as well. `work` must not reject. What still waits when the process ends is not done. */
    later(work: () => Promise<unknown>, yieldMs: number): void {
      waiting.add({ until: monotonic() + yieldMs, work })
      setImmediate(beginAll)
    },
  }
}
