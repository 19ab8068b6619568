/** The newest version of each record that this replica has seen, to detect older records that are put back. Applies only to kinds whose versions never restart. */
import { oneCopyOf } from '../../runtime/one-copy.ts'

export interface SeenVersions {
  /** The time before a read. Later observations do not contradict the read. */
  now(): number
  /** Records a version that was read since `began` or written now. */
  note(kind: string, name: string, uid: string, version: number, began: number): void
  /** Records the absence that a read since `began` found. */
  absent(kind: string, name: string, began: number): void
  /** Whether the record was seen with any uid. */
  isWatched(kind: string, name: string): boolean
  /** Whether exactly this version was seen last. */
  isNewest(kind: string, name: string, version: number | undefined): boolean
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

/** What a name stands for now. */
interface Holder {
  readonly uid: string
  version: number
  at: number
}

/** Default limit: 100,000 records of each kind, and as many that are gone. The oldest are forgotten first. */
export function createSeenVersions(limit = LIMIT): SeenVersions {
  /** By kind and by name: one small object for each record in use, because there are three of each integration. */
  const holders = new Map<string, Map<string, Holder>>()
  const gone = new Map<string, Omit<Seen, 'isGone'>>()
  let moment = 0

  const holderOf = (kind: string, name: string) => holders.get(kind)?.get(name)

  const found = (kind: string, name: string, uid: string): Seen | undefined => {
    const holder = holderOf(kind, name)
    if (holder?.uid === uid) return { version: holder.version, at: holder.at, isGone: false }
    const left = gone.get(keyOf(kind, name, uid))
    return left && { ...left, isGone: true }
  }

  const hold = (kind: string, name: string, uid: string, version: number) => {
    moment += 1
    const holder = holderOf(kind, name)
    if (holder?.uid === uid) {
      holder.version = version
      holder.at = moment
      return
    }
    const ofKind = holders.get(kind) ?? new Map<string, Holder>()
    holders.set(kind, ofKind)
    ofKind.set(oneCopyOf(name), { uid: oneCopyOf(uid), version, at: moment })
    drop(ofKind, limit)
  }

  const leave = (kind: string, name: string, { uid, version }: Holder) => {
    moment += 1
    gone.set(keyOf(kind, name, uid), { version, at: moment })
    drop(gone, limit)
  }

  /** Whether another reader found a different version after the read began. */
  const isOvertaken = (last: { readonly at: number } | undefined, began: number) =>
    last !== undefined && last.at > began

  return {
    now: () => moment,
    note(kind, name, uid, version, began) {
      if (!isCompared(kind)) return
      const former = found(kind, name, uid)
      if (former && former.version >= version) {
        if (!former.isGone || isOvertaken(former, began)) return
      }
      const holder = holderOf(kind, name)
      if (holder && holder.uid !== uid) leave(kind, name, holder)
      gone.delete(keyOf(kind, name, uid))
      hold(kind, name, uid, version)
    },
    absent(kind, name, began) {
      const holder = holderOf(kind, name)
      if (!holder || isOvertaken(holder, began)) return
      if (GONE_FOR_GOOD.has(kind)) leave(kind, name, holder)
      holders.get(kind)?.delete(name)
    },
    isWatched: (kind, name) => holderOf(kind, name) !== undefined,
    isNewest: (kind, name, version) =>
      version !== undefined && holderOf(kind, name)?.version === version,
    isPast(kind, name, uid, version, before) {
      const last = found(kind, name, uid)
      if (!last || isOvertaken(last, before)) return false
      return version < last.version || (last.isGone && version === last.version)
    },
    clear() {
      holders.clear()
      gone.clear()
    },
  }
}

const keyOf = (kind: string, name: string, uid: string): string => `${kind}\n${name}\n${uid}`

function drop(map: Map<string, unknown>, limit: number): void {
  if (map.size <= limit) return
  const [first] = map.keys()
  if (first !== undefined) map.delete(first)
}
