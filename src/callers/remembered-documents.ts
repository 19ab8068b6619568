/**
 * Documents of one kind in process memory, and the rule by which they are trusted: while this
 * replica hears the change stream; else after a read of the store; else, where the store does not
 * answer, for as long as the settings allow.
 */
import { type Confirmation, createConfirmations } from '../store/confirmation.ts'
import { isCorrupt } from '../store/integrity/record-schema.ts'
import type { Change, DocumentRecord, Documents } from '../store/store.ts'

export interface RememberedDocuments<Value> {
  /** What is trusted is answered without a promise. Rejects with `store_unavailable` for what is not remembered. `from` tells who asks. */
  find(id: string, from?: Origin): Value | undefined | Promise<Value | undefined>
  /** This replica changed it: no answer from now on is older than that. */
  forget(id: string): void
  /** From the change stream. */
  heard(change: Change): void
  /** Changes may have been missed: everything is to be read again before it is trusted. */
  distrust(): void
}

/** Where a request comes from. */
export interface Origin {
  readonly ip: string
}

export interface RememberedDocumentsDependencies<Value> {
  readonly kind: string
  readonly documents: Pick<Documents, 'read'>
  readonly hearing: { isHearing(): boolean; epoch(): number; silentForMs(): number }
  /** The store answers, and too late for callers to wait: what is remembered serves at once. */
  readonly isSlow: () => boolean
  readonly parse: (record: DocumentRecord) => Value
  /** Milliseconds of a clock that never steps. */
  readonly monotonic: () => number
  /** How long a document may serve without word from the store, in milliseconds. 0: not at all. */
  readonly storelessMs: number
  /** Whether the store may be asked for what is not remembered; what it may not be asked for is not there. Default: yes. */
  readonly isWorthAsking?: (id: string, from: Origin | undefined) => boolean | Promise<boolean>
  /** How many are remembered, and as many that are known to be absent. Default 10000. */
  readonly limit?: number
}

/** A request waits so long for a store that is not heard where memory could answer. */
const PATIENCE_MS = 40
/** And so long for one that is heard. */
const HEARD_PATIENCE_MS = 400
/** For how long an id without document is answered without another read. */
const ABSENT_MS = 1_000

interface Kept<Value> extends Confirmation {
  readonly value: Value
  /** Of the hearing, when the read began: after a gap it is another one. */
  readonly epoch: number
}

interface Flight<Value> {
  readonly result: Promise<Value | undefined>
  /** The result, or undefined where it did not come while a request is patient. Never rejects. */
  readonly soon: Promise<{ readonly value: Value | undefined } | undefined>
  /** The same, for a request that waits on. */
  readonly heard: () => Flight<Value>['soon']
}

export function createRememberedDocuments<Value>(
  dependencies: RememberedDocumentsDependencies<Value>,
): RememberedDocuments<Value> {
  const { kind, documents, hearing, parse, monotonic, storelessMs, limit = 10_000 } = dependencies
  const { isSlow, isWorthAsking = () => true } = dependencies
  const confirmations = createConfirmations({ hearing, monotonic })
  const entries = new Map<string, Kept<Value>>()
  const absent = new Map<string, number>()
  const flights = new Map<string, Flight<Value>>()

  const forget = (id: string) => {
    entries.delete(id)
    absent.delete(id)
    // A read in flight may have begun before the change: nobody joins it, and it is not kept.
    flights.delete(id)
  }

  const keep = (id: string, record: DocumentRecord | undefined, begun: Ticket) => {
    if (!record) {
      entries.delete(id)
      put(absent, id, monotonic() + ABSENT_MS, limit)
      return undefined
    }
    const value = parse(record)
    put(entries, id, { value, epoch: begun.epoch, ...confirmations.read(begun.at) }, limit)
    return value
  }

  const read = (id: string): Flight<Value> => {
    const shared = flights.get(id)
    if (shared) return shared
    const begun = { epoch: hearing.epoch(), at: monotonic() }
    const result: Promise<Value | undefined> = documents.read(kind, id).then(
      (record) => {
        if (flights.get(id) !== flight) return record && parse(record)
        flights.delete(id)
        return keep(id, record, begun)
      },
      (error: unknown) => {
        const isOurs = flights.get(id) === flight
        if (isOurs) flights.delete(id)
        if (!isCorrupt(error)) throw error
        // What does not verify is as good as nothing.
        return isOurs ? keep(id, undefined, begun) : undefined
      },
    )
    const flight: Flight<Value> = {
      result,
      soon: answerWithin(result, PATIENCE_MS),
      // Whoever hears the store has little excuse for what it missed before.
      heard: () => answerWithin(result, HEARD_PATIENCE_MS - PATIENCE_MS),
    }
    flights.set(id, flight)
    return flight
  }

  /** What may serve although the store did not answer. */
  const storeless = (id: string): Kept<Value> | undefined => {
    const kept = entries.get(id)
    return kept && confirmations.silentForMs(kept) < storelessMs ? kept : undefined
  }

  const readOrRemember = async (id: string): Promise<Value | undefined> => {
    const { result, soon, heard } = read(id)
    const remembered = () => {
      // Forgotten meanwhile: a change of it was heard, so the store is there, and nothing else knows more.
      if (!entries.has(id)) return read(id).result
      return storeless(id)?.value ?? result
    }
    if (isSlow()) return remembered()
    const answer = (await soon) ?? (hearing.isHearing() ? await heard() : undefined)
    return answer ? answer.value : remembered()
  }

  const isFresh = ({ epoch }: Kept<Value>) => epoch === hearing.epoch()

  return {
    find(id, from) {
      const kept = entries.get(id)
      if (kept) {
        if (isFresh(kept) && hearing.isHearing()) return kept.value
        return readOrRemember(id)
      }
      if ((absent.get(id) ?? Number.NEGATIVE_INFINITY) > monotonic()) return undefined
      const isWorth = isWorthAsking(id, from)
      if (isWorth instanceof Promise)
        return isWorth.then((is) => (is ? read(id).result : undefined))
      return isWorth ? read(id).result : undefined
    },
    forget,
    heard(change) {
      if (change.type === 'document' && change.kind === kind) forget(change.id)
    },
    distrust() {
      for (const [id, kept] of entries) {
        if (!kept.isPast) entries.set(id, { ...kept, ...confirmations.past(kept) })
      }
      absent.clear()
    },
  }
}

interface Ticket {
  readonly epoch: number
  readonly at: number
}

function answerWithin<Value>(result: Promise<Value>, ms: number) {
  return new Promise<{ readonly value: Value } | undefined>((resolve) => {
    const timer = setTimeout(resolve, ms, undefined)
    const end = (answer?: { readonly value: Value }) => {
      clearTimeout(timer)
      resolve(answer)
    }
    result.then(
      (value) => end({ value }),
      () => end(),
    )
  })
}

/** The oldest go first. */
function put<Value>(map: Map<string, Value>, id: string, value: Value, limit: number): void {
  map.delete(id)
  map.set(id, value)
  if (map.size <= limit) return
  const [oldest] = map.keys()
  if (oldest !== undefined) map.delete(oldest)
}
