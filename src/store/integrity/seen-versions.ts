/** The newest version of each record that this replica has seen, to detect older records that are put back. Applies only to kinds whose versions never restart. */

export interface SeenVersions {
  /** The time before a read. Later observations do not contradict the read. */
  now(): number
  /** Records a version that was read since `began` or written now. */
  note(kind: string, name: string, uid: string, version: number, began: number): void
  /** Records the absence that a read since `began` found. */
  absent(kind: string, name: string, began: number): void
  /** Whether the record was seen with any uid. */
  isWatched(kind: string, name: string): boolean
  /** Whether a newer version was seen before that time. */
  isPast(kind: string, name: string, uid: string, version: number, before: number): boolean
  /** Forgets everything, after the complete store was replaced or went back. */
  clear(): void
}

/** Kinds whose removed ids never return. */
const GONE_FOR_GOOD: ReadonlySet<string> = new Set([
  'integration',
  'api-key',
  'connection',
  'custody',
])
/** Kinds whose records are removed only by an operator, and then restart. */
const LASTING: ReadonlySet<string> = new Set(['identity', 'subject'])
/** Records of other kinds return under the same id with version 1, so a lower version proves nothing. */
const isCompared = (kind: string): boolean => GONE_FOR_GOOD.has(kind) || LASTING.has(kind)
const LIMIT = 100_000

interface Seen {
  readonly version: number
  readonly isGone: boolean
  readonly at: number
}

/** Default limit: 100,000 records. The oldest are forgotten first. */
export function createSeenVersions(limit = LIMIT): SeenVersions {
  const seen = new Map<string, Seen>()
  /** The last uid of each name. */
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

  /** Whether another reader found a different version after the read began. */
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
