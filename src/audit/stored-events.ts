/** Copies events to the store's log in order. Retries while the store is unavailable, and delays no request. */
import type { Log } from '../runtime/runtime.ts'
import type { EventLog } from '../store/store.ts'
import { type AuditShare, SHARE_NAMES, SHARES } from './shares.ts'

export type StoredEvents = ReturnType<typeof createStoredEvents>

interface StoredEventsDependencies {
  readonly events: Pick<EventLog, 'append' | 'put'>
  readonly log: Pick<Log, 'warn'>
}

const BATCH = 500
/** Share of `keep` that may wait for the store. */
const WAITING_PART = 1 / 10
const RETRY_MS = 1_000

/** The queue of a share. */
interface Waiting {
  events: string[]
  /** The newest body, by key. */
  readonly lines: Map<string, string>
}

export function createStoredEvents({ events, log }: StoredEventsDependencies) {
  const waiting = new Map<AuditShare, Waiting>(
    SHARE_NAMES.map((share) => [share, { events: [], lines: new Map() }]),
  )
  let dropped = 0
  let told = 0
  let running: Promise<void> | undefined
  let isAway = false
  let timer: NodeJS.Timeout | undefined
  let closed = false

  const next = () =>
    [...waiting].find(([, { events, lines }]) => events.length > 0 || lines.size > 0)

  /** Ends in the same step as the last check of the queues, so that later events start another run. */
  const run = async () => {
    clearTimeout(timer)
    for (let found = next(); found; found = next()) {
      try {
        await store(...found)
        isAway = false
        tellDropped()
      } catch (error) {
        if (!isAway) log.warn({ err: error }, 'audit events cannot be stored yet')
        isAway = true
        for (const [share, waits] of waiting) bound(share, waits)
        if (!closed) timer = setTimeout(start, RETRY_MS)
        break
      }
    }
    running = undefined
  }

  const store = async (share: AuditShare, waits: Waiting) => {
    const { keep, isDurable } = SHARES[share]
    const batch = waits.events.slice(0, BATCH)
    if (batch.length > 0) {
      await events.append(batch, keep, { share, isDurable })
      waits.events = waits.events.slice(batch.length)
    }
    const lines = [...waits.lines].slice(0, BATCH)
    if (lines.length === 0) return
    await events.put(
      lines.map(([key, body]) => ({ key, body })),
      keep,
      { share, isDurable },
    )
    // A line that grew meanwhile must be stored again.
    for (const [key, body] of lines) if (waits.lines.get(key) === body) waits.lines.delete(key)
  }

  const bound = (share: AuditShare, waits: Waiting) => {
    const most = SHARES[share].keep * WAITING_PART
    const over = Math.max(0, waits.events.length - most)
    if (over > 0) waits.events = waits.events.slice(over)
    const lost = [...waits.lines.keys()].slice(0, Math.max(0, waits.lines.size - most))
    for (const key of lost) waits.lines.delete(key)
    dropped += over + lost.length
  }

  /** Logs the number of dropped events after events can be stored again. */
  const tellDropped = () => {
    if (dropped === told) return
    log.warn(
      { lost: dropped - told },
      'audit events were dropped: only the audit lines contain them',
    )
    told = dropped
  }

  const start = (): Promise<void> => {
    if (!running && next()) running = run()
    return running ?? Promise.resolve()
  }

  return {
    /** Resolves when the event is in the store, or after a failed try, which is repeated. Never rejects. `line`: replaces the stored event with this key. */
    add(share: AuditShare, body: string, line?: string): Promise<void> {
      const waits = waiting.get(share)
      if (line === undefined) waits?.events.push(body)
      else waits?.lines.set(line, body)
      return start()
    },
    /** Number of copies that were given up in a long outage. The lines contain them. */
    dropped: (): number => dropped,
    /** Tries once more. */
    async close(): Promise<void> {
      closed = true
      await start()
      clearTimeout(timer)
      for (const { events, lines } of waiting.values()) dropped += events.length + lines.size
      tellDropped()
    },
  }
}
