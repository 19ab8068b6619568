/** Documents of one kind in process memory. */
import { isCorrupt } from '../store/integrity/record-schema.ts'
import { createReplicaCache, type ReplicaMemory } from '../store/replica-cache.ts'
import type { Change, DocumentRecord, Documents } from '../store/store.ts'

export interface RememberedDocuments<Value> {
  /** Returns a trusted document without a promise. Rejects with `store_unavailable` for one that is not remembered. `from`: origin of the request. */
  find(id: string, from?: Origin): Value | undefined | Promise<Value | undefined>
  /** This replica changed it. Later answers are not older than this call. */
  forget(id: string): void
  /** Applies a change of the stream. */
  heard(change: Change): void
  /** Changes may be missing: everything must be read again before it is trusted. */
  distrust(): void
}

/** Where a request comes from. */
export interface Origin {
  readonly ip: string
}

interface RememberedDocumentsDependencies<Value> {
  readonly kind: string
  readonly documents: Pick<Documents, 'read'>
  readonly memory: ReplicaMemory
  readonly parse: (record: DocumentRecord) => Value
  /** Whether to ask the store for an id that is not remembered. False: it does not exist. Default: yes. */
  readonly isWorthAsking?: (id: string, from: Origin | undefined) => boolean | Promise<boolean>
  /** Most remembered documents, and most ids that are known to be absent. Default 10000. */
  readonly limit?: number
}

/** Longest wait for a store that answers, if memory has the document. */
const WAIT_MS = 400
/** How long an id without a document is answered without another read. */
const ABSENT_MS = 1_000

export function createRememberedDocuments<Value>(
  dependencies: RememberedDocumentsDependencies<Value>,
): RememberedDocuments<Value> {
  const {
    kind,
    documents,
    memory,
    parse,
    limit = 10_000,
    isWorthAsking = () => true,
  } = dependencies
  const { monotonic } = memory
  const cache = createReplicaCache<Value>({ ...memory, waitMs: WAIT_MS, limit })
  const absent = new Map<string, number>()
  const reads = new Map<string, Promise<Value | undefined>>()

  const forget = (id: string) => {
    cache.drop(id)
    absent.delete(id)
    // A running read may have begun before the change. No request joins it, and its result is not
    // kept.
    reads.delete(id)
  }

  const markAbsent = (id: string) => {
    cache.drop(id)
    absent.delete(id)
    absent.set(id, monotonic() + ABSENT_MS)
    if (absent.size <= limit) return
    const [oldest] = absent.keys()
    if (oldest !== undefined) absent.delete(oldest)
  }

  const readNow = async (id: string): Promise<Value | undefined> => {
    try {
      const record = await documents.read(kind, id)
      return record && parse(record)
    } catch (error) {
      // A record that does not verify counts as absent.
      if (isCorrupt(error)) return undefined
      throw error
    }
  }

  const read = (id: string): Promise<Value | undefined> => {
    const shared = reads.get(id)
    if (shared) return shared
    const ticket = cache.begin()
    const reading = readNow(id)
      .then((value) => {
        if (reads.get(id) !== reading) return value
        if (value === undefined) markAbsent(id)
        else cache.keep(id, value, ticket)
        return value
      })
      .finally(() => {
        if (reads.get(id) === reading) reads.delete(id)
      })
    reads.set(id, reading)
    return reading
  }

  const readOrRemember = async (id: string): Promise<Value | undefined> => {
    const reading = read(id)
    const answer = await cache.inTime(reading)
    if (answer) return answer.value
    // The document was dropped meanwhile, so a change arrived and the store is available.
    if (cache.known(id) === undefined) return read(id)
    return cache.servable(id) ?? reading
  }

  return {
    find(id, from) {
      const trusted = cache.trusted(id)
      if (trusted !== undefined) return trusted
      if (cache.known(id) !== undefined) return readOrRemember(id)
      if ((absent.get(id) ?? Number.NEGATIVE_INFINITY) > monotonic()) return undefined
      const isWorth = isWorthAsking(id, from)
      if (isWorth instanceof Promise) return isWorth.then((is) => (is ? read(id) : undefined))
      return isWorth ? read(id) : undefined
    },
    forget,
    heard(change) {
      if (change.type === 'document' && change.kind === kind) forget(change.id)
    },
    distrust() {
      cache.distrust()
      absent.clear()
    },
  }
}
