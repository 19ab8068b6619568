/** Limits how much work runs at once. The rest waits for its turn, in order. */

export function createSlots(most: number) {
  let free = most
  const waiting = new Set<() => void>()

  const taken = (signal: AbortSignal): Promise<void> => {
    if (free > 0) {
      free -= 1
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const turn = () => {
        signal.removeEventListener('abort', give)
        waiting.delete(turn)
        resolve()
      }
      const give = () => {
        waiting.delete(turn)
        reject(signal.reason)
      }
      waiting.add(turn)
      signal.addEventListener('abort', give, { once: true })
    })
  }

  /** A turn passes to the next one that waits. */
  const ended = (): void => {
    const [next] = waiting
    if (next) next()
    else free += 1
  }

  return {
    /** Rejects with the reason of the signal if that aborts during the wait. */
    async run<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
      signal.throwIfAborted()
      await taken(signal)
      try {
        return await work()
      } finally {
        ended()
      }
    },
  }
}
