/** Values of the store in the memory of this replica. A value is trusted while the change stream has been read without a gap since the value was read. Without an answer of the store, it may serve for a limited time. */
import { isStoreTrouble } from '../errors/errors.ts'
import { waitFor } from '../runtime/timeout.ts'

/** Taken before a read of the store begins. */
export interface ReadTicket {
  readonly epoch: number
  /** Begin of the read, in time of the monotonic clock. */
  readonly at: number
}

/** How far this replica has read the change stream. */
export interface StreamState {
  /** Whether the last completed read began within a second. */
  isCurrent(): boolean
  /** Changes with each gap. */
  epoch(): number
  /** Milliseconds since the last completed read began; infinite before the first one. */
  silentForMs(): number
}

/** Settings for serving from memory instead of the store. */
export interface ReplicaMemory {
  readonly stream: StreamState
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
  /** Whether the store answers too late for callers to wait. */
  readonly isSlow: () => boolean
  /** Longest time for which a value may serve without contact to the store, in milliseconds. 0: not at all. */
  readonly degradedMs: number
}

interface ReplicaCacheDependencies extends ReplicaMemory {
  /** Longest wait for a store whose stream is current, in milliseconds. */
  readonly waitMs: number
  /** Most values. The oldest are dropped first. Default: no limit. */
  readonly limit?: number
}

/** Longest wait for a store whose stream is not current. */
const SILENT_WAIT_MS = 40
/** How long no request waits after a read failed although the stream is current. */
const DOWN_MS = 250

interface Kept<Value> {
  readonly value: Value
  readonly epoch: number
  /** Last time the store confirmed the value: by the read, or by the stream before a gap. */
  readonly confirmedAt: number
  /** Whether a gap came after the read, so that the stream no longer confirms the value. */
  readonly isPast: boolean
  /** Whether the store has a newer value that is not read yet. */
  readonly isSuperseded: boolean
}

export function createReplicaCache<Value>(dependencies: ReplicaCacheDependencies) {
  const { stream, monotonic, isSlow, degradedMs, waitMs } = dependencies
  const { limit = Number.POSITIVE_INFINITY } = dependencies
  const kept = new Map<string, Kept<Value>>()
  /** Time of the last late or failed read. Minus infinity after an answer. */
  let failedAt = Number.NEGATIVE_INFINITY

  const known = (key: string): Value | undefined => kept.get(key)?.value

  const silentForMs = (key: string): number => {
    const found = kept.get(key)
    if (!found) return Number.POSITIVE_INFINITY
    const sinceMs = monotonic() - found.confirmedAt
    return found.isPast ? sinceMs : Math.min(sinceMs, stream.silentForMs())
  }

  const answered = () => {
    failedAt = Number.NEGATIVE_INFINITY
  }

  const longestWaitMs = (): number => {
    if (isSlow()) return 0
    const isDown =
      failedAt !== Number.NEGATIVE_INFINITY &&
      (!stream.isCurrent() || monotonic() < failedAt + DOWN_MS)
    if (isDown) return 0
    return stream.isCurrent() ? waitMs : SILENT_WAIT_MS
  }

  return {
    /** Undefined: the value may not be the current one. */
    trusted(key: string): Value | undefined {
      const found = kept.get(key)
      return found && found.epoch === stream.epoch() && !found.isSuperseded && stream.isCurrent()
        ? found.value
        : undefined
    },
    /** Returns the value even if it is not trusted. */
    known,
    /** Undefined if the store has a newer value. */
    current(key: string): Value | undefined {
      const found = kept.get(key)
      return found?.isSuperseded === false ? found.value : undefined
    },
    /** Milliseconds since the store last confirmed the value. Infinite if there is none. */
    silentForMs,
    /** A value that may serve while the store does not answer. */
    servable: (key: string): Value | undefined =>
      silentForMs(key) < degradedMs ? known(key) : undefined,
    begin: (): ReadTicket => ({ epoch: stream.epoch(), at: monotonic() }),
    /** Whether there was no gap since the ticket. */
    isUnbroken: ({ epoch }: ReadTicket): boolean => epoch === stream.epoch(),
    keep(key: string, value: Value, { epoch, at }: ReadTicket): void {
      kept.delete(key)
      const isPast = epoch !== stream.epoch()
      kept.set(key, { value, epoch, confirmedAt: at, isPast, isSuperseded: false })
      if (kept.size <= limit) return
      const [oldest] = kept.keys()
      if (oldest !== undefined) kept.delete(oldest)
    },
    /** The value stays known until the newer one is read. */
    supersede(key: string): void {
      const found = kept.get(key)
      if (found) kept.set(key, { ...found, isSuperseded: true })
    },
    drop(key: string): void {
      kept.delete(key)
    },
    /** Drops the values that match. */
    dropWhere(isDropped: (value: Value, isSuperseded: boolean) => boolean): void {
      for (const [key, { value, isSuperseded }] of kept) {
        if (isDropped(value, isSuperseded)) kept.delete(key)
      }
    },
    /** At a gap of the stream: no value is trusted until it is read again. */
    distrust(): void {
      const heardAt = monotonic() - stream.silentForMs()
      for (const [key, found] of kept) {
        if (found.isPast) continue
        const confirmedAt = Math.max(found.confirmedAt, heardAt)
        kept.set(key, { ...found, confirmedAt, isPast: true })
      }
    },
    /** All values that are not superseded. */
    *values(): Iterable<Value> {
      for (const { value, isSuperseded } of kept.values()) if (!isSuperseded) yield value
    },
    /** A read was answered, so requests wait for the store again. */
    answered,
    /** Waits for a read if memory could also serve the request. Undefined: the store fails, or does not answer in time. `isNeeded`: memory is not enough, so the wait has no limit. */
    async inTime<Answer>(
      reading: Promise<Answer>,
      isNeeded = false,
    ): Promise<{ readonly value: Answer } | undefined> {
      const outcome = reading.then(
        (value) => {
          answered()
          return { value }
        },
        (error: unknown) => {
          if (isStoreTrouble(error)) return undefined
          answered()
          throw error
        },
      )
      const ms = isNeeded ? undefined : longestWaitMs()
      const answer = await waitFor(outcome, { ms, late: () => undefined })
      if (!answer) failedAt = monotonic()
      return answer
    },
  }
}
