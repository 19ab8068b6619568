/** The copies of events in the store's log: in order, tried again while the store is away, never in the way of a request. */
import type { EventLog } from '../store/store.ts'

export interface StoredEvents {
  /** Resolves once it is in the store, or once that was tried and failed: then it is tried again. Never rejects. */
  add(body: string): Promise<void>
  /** Copies given up, since the store was away for too long; the lines have them. */
  dropped(): number
  /** One last try. */
  close(): Promise<void>
}

export interface StoredEventsDependencies {
  readonly events: Pick<EventLog, 'append'>
  readonly log: { warn(bindings: object, message: string): void }
}

/** How many events the store keeps. */
export const KEPT_EVENTS = 100_000
const BATCH = 500
const WAITING_MAX = 10_000
const RETRY_MS = 1_000

export function createStoredEvents({ events, log }: StoredEventsDependencies): StoredEvents {
  let waiting: string[] = []
  let dropped = 0
  let running: Promise<void> | undefined
  let isAway = false
  let timer: NodeJS.Timeout | undefined
  let closed = false

  /** Ends in one step with the last look at what waits: what comes later starts another run. */
  const run = async () => {
    clearTimeout(timer)
    while (waiting.length > 0) {
      const batch = waiting.slice(0, BATCH)
      try {
        await events.append(batch, KEPT_EVENTS)
        waiting = waiting.slice(batch.length)
        isAway = false
      } catch (error) {
        if (!isAway) log.warn({ err: error }, 'audit events wait for the store')
        isAway = true
        bound()
        if (!closed) timer = setTimeout(start, RETRY_MS)
        break
      }
    }
    running = undefined
  }

  const bound = () => {
    const over = waiting.length - WAITING_MAX
    if (over <= 0) return
    waiting = waiting.slice(over)
    dropped += over
  }

  const start = (): Promise<void> => {
    if (!running && waiting.length > 0) running = run()
    return running ?? Promise.resolve()
  }

  return {
    add(body) {
      waiting.push(body)
      return start()
    },
    dropped: () => dropped,
    async close() {
      closed = true
      await start()
      clearTimeout(timer)
    },
  }
}
