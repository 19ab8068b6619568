import type { Archive } from './archive.ts'
import type { Budgets } from './budgets.ts'
import type { Custodies } from './custody.ts'
import type { ListingIndex } from './listing/listing-index.ts'
import type {
  AnnouncedChange,
  Claim,
  DocumentGuard,
  DocumentWrite,
  EventLine,
  EventPlace,
  LoggedEvent,
  Page,
  PageQuery,
  Pulse,
  Sharers,
  StillLiveRecord,
} from './records.ts'
import type { Seals } from './seals.ts'

/**
 * The store: one port, two engines (`redis/`, `embedded/`), one contract suite.
 *
 * Each method is one atomic operation: a Lua script in Redis, a transaction in SQLite. Correctness
 * relies on compare-and-set on revisions, never on a lock. Times are epoch milliseconds of the
 * store's clock unless stated otherwise. Bodies are opaque text; secrets are sealed before.
 *
 * Every method throws `BrokerError('store_unavailable')` if the store does not answer in time, and
 * `record_corrupt` for a record in a foreign form; lists omit such records.
 */
export interface Store {
  readonly integrations: IntegrationRecords
  readonly outcomes: Outcomes
  readonly listing: ListingIndex
  readonly locks: Locks
  readonly due: DueIndex
  readonly custody: Custodies
  readonly budgets: Budgets
  readonly documents: Documents
  readonly events: EventLog
  readonly changes: Changes
  readonly seals: Seals
  readonly archive: Archive
  /** A random id from the first use of the store, and the count of announced changes. A wiped store has another id, a rewound one a lower count. */
  identity(): Promise<{ readonly id: string; readonly seq: number }>
  /** The eviction policy in Redis's terms; `noeviction` keeps everything. Undefined: unknown. */
  evictionPolicy(): string | undefined
  /** The store replaces one whose content was lost. */
  isBegunAnew(): boolean
  /** Whether each connection was established once. */
  wasReached(): boolean
  /** A recent failure and its remedy, in one line for operators. Undefined: none. */
  trouble(): string | undefined
  /** Counts of such failures since the start, by kind. */
  troubleCounts(): ReadonlyMap<string, number>
  /** The clock of the store. Also the cheapest liveness check. */
  now(): Promise<number>
  close(): Promise<void>
}

/** An integration without its secrets, sufficient for a hit. */
export interface IntegrationRecord {
  readonly name: string
  /** Created with the integration: a new integration with the same name has another one. */
  readonly uid: string
  /** Incremented by each change of the definition or the credentials. The ETag. Starts at 1. */
  readonly version: number
  /**
   * Incremented by each change that affects readers in memory: definition, credentials, outcomes.
   * Starts above every rev of a former integration with this name, so that the floor of a reader
   * outlives a deletion.
   */
  readonly rev: number
  /** Incremented by each change of the outcome; survives its expiry. Starts at 0. */
  readonly orev: number
  /** Digests that a lease may have: that of the active credential first, then that of the retired one. */
  readonly digests: readonly string[]
  readonly definition: string
  /** The authentication code (`record-mac.ts`); absent if there is none. */
  readonly mac?: string
}

/** An integration with its sealed secrets, for mints and changes. */
export interface SealedIntegrationRecord extends IntegrationRecord {
  /** Compact JWE, or the empty string if there is no secret. */
  readonly secrets: string
}

export interface IntegrationContent {
  readonly digests: readonly string[]
  readonly definition: string
  readonly secrets: string
  /** The new code; absent removes it. */
  readonly mac?: string
}

/** Integrations by name. Each change is compare-and-set on the version, increments `rev`, and is announced before it is acknowledged. */
export interface IntegrationRecords {
  read(name: string): Promise<IntegrationRecord | undefined>
  readSealed(name: string): Promise<SealedIntegrationRecord | undefined>
  /** In order of name. `limit` 1 to 1000. */
  list(page: PageQuery): Promise<Page<IntegrationRecord>>
  /** Undefined: the name exists. */
  create(
    name: string,
    uid: string,
    content: IntegrationContent,
  ): Promise<IntegrationRecord | undefined>
  /** Undefined: uid or version differ, or the integration is gone. Keeps the outcome; a lease with another digest is not used. */
  change(
    name: string,
    expected: { readonly uid: string; readonly version: number },
    content: IntegrationContent,
  ): Promise<IntegrationRecord | undefined>
  /** Removes record, outcome, lock, due entry and custody. False: uid or version differ, or the integration is gone. */
  remove(
    name: string,
    expected: { readonly uid: string; readonly version: number },
  ): Promise<boolean>
  /** Waits until earlier changes are as durable as acknowledged ones; throws `store_unavailable` otherwise. Call it if a change is found to be done already, because it may be unconfirmed. */
  confirm(): Promise<void>
}

export interface LeaseRecord {
  readonly body: string
  /** One of the digests of the integration. */
  readonly digest: string
  readonly tokenId: string
  readonly expiresAt: number
}

/** A cached refusal, shared by all replicas. Valid for one version of the integration. */
export interface RefusalRecord {
  readonly body: string
  readonly version: number
  readonly until: number
}

/** The result of the last mint. May contain a lease and a later refusal. */
export interface OutcomeRecord {
  readonly lease?: LeaseRecord
  readonly refusal?: RefusalRecord
  readonly stillLive?: StillLiveRecord
}

/** `undefined` keeps a member, `null` clears it. */
export interface OutcomeChange {
  readonly lease?: LeaseRecord | null
  readonly refusal?: RefusalRecord | null
  readonly stillLive?: StillLiveRecord | null
  /** Sets the time in the due index; null removes the entry. `moveTo`: sets it only where there is an entry. */
  readonly dueAt?: number | null | { readonly moveTo: number }
  /** Written if each has the expected version. */
  readonly documents?: readonly DocumentWrite[]
  /** Not written: nothing is saved unless this document has the version. */
  readonly guard?: DocumentGuard
}

export type SaveResult =
  | { readonly saved: true; readonly orev: number; readonly rev: number }
  /** `changed`: uid, orev, version of the refusal or digest of the lease differ. `dead`: the token has a tombstone. `gone`: the integration does not exist. `guard`, `document`: that one has another version. */
  | { readonly saved: false; readonly reason: 'changed' | 'dead' | 'gone' | 'guard' | 'document' }

export interface Look {
  readonly integration: IntegrationRecord
  /** Without expired members, and without a lease whose token has a tombstone. */
  readonly outcome: OutcomeRecord
  readonly now: number
}

/** Leases and refusals by integration. */
export interface Outcomes {
  /** One atomic read of integration, outcome and tombstone. */
  look(name: string): Promise<Look | undefined>
  /** SAVE: refused if uid or orev differ, if the integration does not have the digest of the lease or the version of the refusal, if the token has a tombstone, or if the guard has another version. Otherwise orev + 1, rev + 1, announced. The record expires with its last member. If the machine of the embedded store loses its power, the last saves may be lost, except those that clear a lease or have documents. */
  save(
    name: string,
    expected: { readonly uid: string; readonly orev: number },
    change: OutcomeChange,
  ): Promise<SaveResult>
  /** Clears the refusal, if any: orev + 1, rev + 1, announced. Returns the rev; undefined: there was none. */
  forgetRefusal(name: string): Promise<number | undefined>
  /** REVOKE: tombstone until `until`. Every integration whose lease has this token id loses its lease (orev + 1, rev + 1); announced as `dead`. Returns their names. */
  revoke(tokenId: string, until: number): Promise<readonly string[]>
  /** The integrations whose lease has this token id, in order of name. */
  holders(tokenId: string): Promise<readonly string[]>
  /** Their number, and at most `limit` of them in order of name. `limit` 1 to 1000. */
  sharers(tokenId: string, limit: number): Promise<Sharers>
}

/** A mutual-exclusion lock across replicas. Advisory: work under it must be safe to run twice. */
export interface Locks {
  acquire(name: string, owner: string, ttlMs: number): Promise<boolean>
  /** False: another holder has it. */
  renew(name: string, owner: string, ttlMs: number): Promise<boolean>
  /** Deletes the lock only if this owner holds it, so that a holder whose lock expired does not release the next one. */
  release(name: string, owner: string): Promise<boolean>
}

/** When the lease of each integration is due for a refresh. */
export interface DueIndex {
  mark(name: string, dueAt: number): Promise<void>
  /** CLAIM: takes at most `limit` due names, earliest first, and postpones them by `postponeMs`. */
  claim(limit: number, postponeMs: number): Promise<Claim>
  unmark(name: string): Promise<void>
  size(): Promise<{ readonly count: number; readonly earliest: number | null }>
}

export interface DocumentRecord {
  readonly id: string
  /** Incremented by each change. Starts at 1. */
  readonly version: number
  readonly body: string
  readonly mac?: string
}

/**
 * Small versioned documents by kind (`^[a-z][a-z0-9_-]{0,31}$`) and id (1 to 512 characters), for
 * example API keys and connections. Each change is announced before it is acknowledged; an expiry
 * is not.
 */
export interface Documents {
  read(kind: string, id: string): Promise<DocumentRecord | undefined>
  /** In order of id. `limit` 1 to 1000. */
  list(kind: string, page: PageQuery): Promise<Page<DocumentRecord>>
  /** Compare-and-set: `expected` is the version, 'absent' or 'any'. Undefined: it differs. */
  write(
    kind: string,
    id: string,
    body: string,
    options: {
      readonly expected: number | 'absent' | 'any'
      readonly expiresAt?: number
      /** The new code; absent removes it. */
      readonly mac?: string
    },
  ): Promise<DocumentRecord | undefined>
  /** False: missing, or another version. */
  remove(kind: string, id: string, expected: number | 'any'): Promise<boolean>
  /** Notes that the body of this version does not have the form of its kind. Engines have none. Must not throw. */
  unfit?(kind: string, record: Pick<DocumentRecord, 'id' | 'version'>): void
}

/** A log with shares (`^[a-z]{1,16}$`, default `changes`). Each share removes only its own oldest entries. */
export interface EventLog {
  /** Keeps about the newest `keep` entries of the share. */
  append(bodies: readonly string[], keep: number, place?: EventPlace): Promise<void>
  /** Replaces the line with the same key, as the newest one. Keeps the newest `keep` lines in addition to the entries. */
  put(lines: readonly EventLine[], keep: number, place?: EventPlace): Promise<void>
  /** Newest first, over all these shares. `limit` 1 to 1000. `request_invalid`: `before` is not an id of an event. */
  read(page: {
    readonly limit: number
    readonly before?: string
    readonly shares?: readonly string[]
  }): Promise<readonly LoggedEvent[]>
}

export type Change =
  | {
      readonly type: 'integration'
      readonly name: string
      readonly rev: number
      /** Only additions: definition, credentials and lease remain valid. Absent: discard what is cached. Older releases never set it. */
      readonly isNewer?: true
    }
  | {
      readonly type: 'dead'
      readonly tokenId: string
      /** Integrations that lost their lease. Absent: unknown, because an older release did it or there are too many. */
      readonly names?: readonly string[]
    }
  | {
      readonly type: 'document'
      readonly kind: string
      readonly id: string
      /** Absent: it was removed, restored, or written by an older release. */
      readonly version?: number
    }
  | { readonly type: 'custody'; readonly name: string }
  | AnnouncedChange

/** The change stream for readers in memory. */
export interface Changes {
  /** The position after the newest entry, where a reader starts (`stream/cursor.ts`). */
  tail(): Promise<string>
  /** The state of the store now. `isProof`: rejects where the store accepts no changes. */
  pulse(isProof: boolean): Promise<Pulse>
  /** Waits at most `waitMs` (and 4 s) for entries after the cursor, on a connection of its own. True: there may be some. */
  wait(cursor: string, waitMs: number): Promise<boolean>
  /** The entries after the cursor, at most `CHANGES_PER_READ` of them in Redis; rejects where the store accepts no changes. `gap`: some may be missing (trimmed, or the store went back in time), so memory must not be trusted. */
  read(cursor: string): Promise<{
    readonly entries: readonly Change[]
    readonly cursor: string
    readonly gap: boolean
  }>
  /** Tells all replicas what is not stored. */
  announce(change: AnnouncedChange): Promise<void>
}
