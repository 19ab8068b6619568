/** Background work that yields to urgent work: it begins when no urgent work runs, or when it waited too long. */

interface YieldingQueueOptions {
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
  /** Most background work at once. */
  readonly atOnce: number
  /** Most work that waits. More is refused. */
  readonly most: number
}

interface Waiting {
  /** By the monotonic clock: it does not wait longer for urgent work. */
  readonly until: number
  /** Must not reject. */
  readonly work: () => Promise<unknown>
}

export function createYieldingQueue({ monotonic, atOnce, most }: YieldingQueueOptions) {
  /** What may wait the shortest is first. Of the same time, what came first. */
  const waiting: Waiting[] = []
  let urgent = 0
  let running = 0
  let timer: NodeJS.Timeout | undefined

  /** Most work may wait as long as that before it, so its place is mostly the last one. */
  const insert = (one: Waiting) => {
    waiting.splice(waiting.findLastIndex(({ until }) => until <= one.until) + 1, 0, one)
  }

  const begin = ({ work }: Waiting) => {
    running += 1
    void work().finally(() => {
      running -= 1
      beginAll()
    })
  }

  const beginAll = () => {
    clearTimeout(timer)
    while (running < atOnce) {
      const [next] = waiting
      if (!next) return
      const spareMs = next.until - monotonic()
      if (urgent > 0 && spareMs > 0) {
        timer = setTimeout(beginAll, spareMs).unref()
        return
      }
      waiting.shift()
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
    /** Begins in a later turn of the event loop, and what may wait the shortest first. `yieldMs`: the longest wait for urgent work, in milliseconds. `work` must not reject. What still waits when the process ends is not done. False: `most` wait already, and it is never done. */
    later(work: () => Promise<unknown>, yieldMs: number): boolean {
      if (waiting.length >= most) return false
      insert({ until: monotonic() + yieldMs, work })
      setImmediate(beginAll)
      return true
    },
  }
}
