/** Decides how events are stored: one by one, or repeated ones of a caller as one growing line. */

import type { Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import {
  type Actor,
  type AuditEntry,
  type AuditEvent,
  type EventId,
  eventOf,
  shareOf,
} from './event.ts'
import { type GrownLine, grown, networkIn } from './output/grown-line.ts'
import { type AuditShare, SHARE_NAMES, SHARES } from './shares.ts'
import type { StoredEvents } from './stored-events.ts'

interface HistoryDependencies {
  readonly stored: Pick<StoredEvents, 'add'>
  readonly runtime: Runtime
}

/** After this time, a growing line is closed and a new one begins. */
const LINE_MS = 3_600_000
const STORE_MS = 10_000
/** Most kinds in a share. Further kinds of this hour are stored one by one. Denials share one line. */
const KINDS_MAX = 5_000

/** Counts of one kind within the hour. */
interface Kind {
  readonly endsAt: number
  listed: number
  line: GrownLine | undefined
  isChanged: boolean
}

export function createHistory({ stored, runtime }: HistoryDependencies) {
  const { monotonic } = runtime
  const kindsOf = new Map<AuditShare, Map<string, Kind>>(
    SHARE_NAMES.map((share) => [share, new Map()]),
  )

  const store = (share: AuditShare, kind: Kind): Promise<void> => {
    kind.isChanged = false
    if (!kind.line) return Promise.resolve()
    return stored.add(share, JSON.stringify(kind.line.event), kind.line.event.id)
  }

  /** Undefined: there are too many kinds, so the event is stored by itself. */
  const kindOf = (share: AuditShare, event: AuditEvent): Kind | undefined => {
    const kinds = kindsOf.get(share) ?? new Map<string, Kind>()
    const isFull = kinds.size >= KINDS_MAX
    const key = keyOf(share, event)
    const place = isFull && !kinds.has(key) ? '' : key
    if (place === '' && SHARES[share].listed > 0) return undefined
    const known = kinds.get(place)
    if (known && known.endsAt > monotonic()) return known
    if (known?.isChanged) void store(share, known)
    const endsAt = monotonic() + LINE_MS
    const kind: Kind = { endsAt, listed: 0, line: undefined, isChanged: false }
    kinds.set(place, kind)
    return kind
  }

  const storeAll = () => {
    for (const [share, kinds] of kindsOf) {
      for (const [key, kind] of kinds) {
        if (kind.isChanged) void store(share, kind)
        if (kind.endsAt <= monotonic()) kinds.delete(key)
      }
    }
  }

  const task = createTask({
    ...{ runtime, firstMs: STORE_MS },
    async work() {
      storeAll()
      return STORE_MS
    },
  })

  return {
    /** Resolves after the store has the event or a first try failed. A growing line resolves at once, and is stored within 10 s. Never rejects. */
    add(eventId: EventId, by: Actor, entry: AuditEntry): Promise<void> {
      const share = shareOf(entry, by.principal !== null)
      if (share === null) return Promise.resolve()
      const event = eventOf(eventId, by, entry)
      const kind = kindOf(share, event)
      if (!kind || kind.listed < SHARES[share].listed) {
        if (kind) kind.listed += 1
        return stored.add(share, JSON.stringify(event))
      }
      const isFirst = kind.line === undefined
      kind.line = grown(kind.line, event)
      kind.isChanged = true
      return isFirst ? store(share, kind) : Promise.resolve()
    },
    start: task.start,
    /** Stores the remaining growing lines. */
    async stop(): Promise<void> {
      await task.stop()
      storeAll()
    },
  }
}

/** Denials are counted by caller and network, not by their target. */
function keyOf(share: AuditShare, { principal, action, integration, detail }: AuditEvent): string {
  return share === 'denials' || share === 'strangers'
    ? JSON.stringify([principal, networkIn(detail?.address)])
    : JSON.stringify([principal, action, integration, detail?.reason])
}
