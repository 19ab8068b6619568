/** The newest version of each record that this replica has seen, and what it saw go: an older one that comes back was put there. Of the kinds of record that do not begin again by themselves. */

export interface SeenVersions {
  /** The moment before a read: what is seen later does not speak against what it finds. */
  now(): number
  /** Found by a read that began at that moment, or written just now. */
  note(kind: string, name: string, uid: string, version: number, began: number): void
  /** It is not there, as a read found that began at that moment. */
  absent(kind: string, name: string, began: number): void
  /** Whether it was seen there, under any unique id. */
  isWatched(kind: string, name: string): boolean
  /** Whether something newer was seen before that moment. */
  isPast(kind: string, name: string, uid: string, version: number, before: number): boolean
  /** The store as a whole became another one, or its past: nothing that was seen holds. */
  clear(): void
}

/** Kinds of which nothing that went ever comes back under the same id. */
const GONE_FOR_GOOD: ReadonlySet<string> = new Set([
  'integration',
  'api-key',
  'connection',
  'custody',
])
/** Kinds of which a record goes only where an operator erases it, and begins again then. */
const LASTING: ReadonlySet<string> = new Set(['identity', 'subject'])
/** Whatever else there is comes and goes under the same id, and begins again with version 1 each time: a lower version says nothing. */
const isCompared = (kind: string): boolean => GONE_FOR_GOOD.has(kind) || LASTING.has(kind)
const LIMIT = 100_000

interface Seen {
  readonly version: number
  readonly isGone: boolean
  readonly at: number
}

/** Remembers so many records, by default 100,000; the first noted go first. */
export function createSeenVersions(limit = LIMIT): SeenVersions {
  const seen = new Map<string, Seen>()
  /** Which unique id a name had. */
  const uids = new Map<string, string>()
  let moment = 0

  const put = (key: string, version: number, isGone: boolean) => {
    moment += 1
    seen.set(key, { version, isGone, at: moment })
    drop(seen, limit)
  }

  const left = (place: string, uid: string) => {
    const key = `${place}\n${uid}`
    const former = seen.get(key)
    if (former && !former.isGone) put(key, former.version, true)
  }

  /** Somebody found something else after the read began. */
  const isOvertaken = (found: Seen | undefined, began: number) =>
    found !== undefined && found.at > began

  return {
    now: () => moment,
    note(kind, name, uid, version, began) {
      if (!isCompared(kind)) return
      const place = `${kind}\n${name}`
      const key = `${place}\n${uid}`
      const former = seen.get(key)
      if (former && former.version >= version) {
        if (!former.isGone || isOvertaken(former, began)) return
      }
      const holder = uids.get(place)
      if (holder !== undefined && holder !== uid) left(place, holder)
      uids.set(place, uid)
      drop(uids, limit)
      put(key, version, false)
    },
    absent(kind, name, began) {
      const place = `${kind}\n${name}`
      const uid = uids.get(place)
      if (uid === undefined || isOvertaken(seen.get(`${place}\n${uid}`), began)) return
      if (GONE_FOR_GOOD.has(kind)) left(place, uid)
      else seen.delete(`${place}\n${uid}`)
      uids.delete(place)
    },
    isWatched: (kind, name) => uids.has(`${kind}\n${name}`),
    isPast(kind, name, uid, version, before) {
      const found = seen.get(`${kind}\n${name}\n${uid}`)
      if (!found || isOvertaken(found, before)) return false
      return version < found.version || (found.isGone && version === found.version)
    },
    clear() {
      seen.clear()
      uids.clear()
    },
  }
}

function drop(map: Map<string, unknown>, limit: number): void {
  if (map.size <= limit) return
  const [first] = map.keys()
  if (first !== undefined) map.delete(first)
}
