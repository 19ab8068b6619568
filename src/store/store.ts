import type { Archive } from './archive.ts'
import type { Budgets } from './budgets.ts'
import type { Custodies } from './custody.ts'
import type { Page, PageQuery } from './records.ts'
import type { Seals } from './seals.ts'

/**
 * Where state lives: one port, two engines (`redis.ts`, `embedded.ts`), one contract suite.
 *
 * Each method is one atomic operation: one Lua script in Redis, one transaction in SQLite. What
 * keeps data right is compare-and-set on revisions, never a lock. Times are epoch milliseconds of
 * the store's own clock unless a method says otherwise. Bodies are opaque text: whatever is secret
 * was sealed before it came here.
 *
 * Every method throws `BrokerError('store_unavailable')` when the store does not answer in time, and
 * `record_corrupt` for a record that is not one of ours; a list goes on without it.
 */
export interface Store {
  readonly integrations: IntegrationRecords
  readonly outcomes: Outcomes
  readonly locks: Locks
  readonly due: DueIndex
  readonly custody: Custodies
  readonly budgets: Budgets
  readonly documents: Documents
  readonly events: EventLog
  readonly changes: Changes
  readonly seals: Seals
  readonly archive: Archive
  /** Random id made when the store was first used, and the count of changes announced since. A wiped store has another id; one that went back in time a lower count. */
  identity(): Promise<{ readonly id: string; readonly seq: number }>
  /** What the store does when its memory is full, as Redis names it: `noeviction` keeps everything. Undefined where that is not known. */
  evictionPolicy(): string | undefined
  /** It was made where there had been one, whose content was lost. */
  isBegunAnew(): boolean
  /** Whether each of its connections worked once. */
  wasReached(): boolean
  /** What kept it from answering lately, and what to do, in a line for operators. Undefined: nothing. */
  trouble(): string | undefined
  /** How often each kind of such trouble was met since the start. */
  troubleCounts(): ReadonlyMap<string, number>
  /** The store's clock. Also the cheapest proof that it answers. */
  now(): Promise<number>
  close(): Promise<void>
}

/** An integration without its secrets: all that a hit needs. */
export interface IntegrationRecord {
  readonly name: string
  /** Given at creation: an integration deleted and made again has another. */
  readonly uid: string
  /** One more at each change of the definition or the credentials. The ETag. Starts at 1. */
  readonly version: number
  /** One more at each change that a reader in memory must hear: the above, and outcomes. Starts above every rev that a former integration of this name had, so that the floor of a reader outlives a deletion. */
  readonly rev: number
  /** One more at each change of the outcome; survives the outcome's expiry. Starts at 0. */
  readonly orev: number
  /** What a lease may have been minted for: the digest of the active credential first, then of the retired one. */
  readonly digests: readonly string[]
  /** Public JSON text. */
  readonly definition: string
  /** What its writer put beside it to prove it (`record-mac.ts`); absent where there is none. */
  readonly mac?: string
}

/** An integration with its sealed secrets, as only a mint or a change reads it. */
export interface SealedIntegrationRecord extends IntegrationRecord {
  /** Compact JWE, or the empty string where there is no secret yet. */
  readonly secrets: string
}

export interface IntegrationContent {
  readonly digests: readonly string[]
  readonly definition: string
  readonly secrets: string
  /** Put beside it; absent: there is none from now on. */
  readonly mac?: string
}

/** Integrations by name. Each change is compare-and-set on the version, raises `rev`, and is announced, before it is acknowledged. */
export interface IntegrationRecords {
  /** Without the secrets. */
  read(name: string): Promise<IntegrationRecord | undefined>
  readSealed(name: string): Promise<SealedIntegrationRecord | undefined>
  /** In order of name. `limit` 1 to 1000. */
  list(page: PageQuery): Promise<Page<IntegrationRecord>>
  /** `undefined`: the name is taken. */
  create(
    name: string,
    uid: string,
    content: IntegrationContent,
  ): Promise<IntegrationRecord | undefined>
  /** `undefined`: uid or version differ, or it is gone. The outcome stays; a lease whose digest no longer matches is worthless by itself. */
  change(
    name: string,
    expected: { readonly uid: string; readonly version: number },
    content: IntegrationContent,
  ): Promise<IntegrationRecord | undefined>
  /** Removes record, outcome, lock, due entry and custody. False: uid or version differ, or it is gone already. */
  remove(
    name: string,
    expected: { readonly uid: string; readonly version: number },
  ): Promise<boolean>
  /** Whatever was changed before is as safe as a change that was acknowledged; throws `store_unavailable` where it is not. Whoever finds a change done already must ask: it may be one that nobody confirmed. */
  confirm(): Promise<void>
}

/** A lease at rest. */
export interface LeaseRecord {
  /** Compact JWE. */
  readonly body: string
  /** What it was minted for; one of the integration's digests. */
  readonly digest: string
  readonly tokenId: string
  readonly expiresAt: number
}

/** A refusal that the fleet remembers; valid for one version of the integration. */
export interface RefusalRecord {
  /** Public JSON text. */
  readonly body: string
  readonly version: number
  /** Until when it is remembered. */
  readonly until: number
}

/** Salesforce repeated this rejected token: it is alive. */
export interface StillLiveRecord {
  readonly tokenId: string
  readonly until: number
  /** How often in a row, from 1; the rest doubles with it. */
  readonly count: number
}

/** What came of the last mint. A lease and a younger refusal can stand side by side. */
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
  /** Scores the integration in the due index, or (null) takes it out. */
  readonly dueAt?: number | null
}

export type SaveResult =
  | { readonly saved: true; readonly orev: number; readonly rev: number }
  /** `changed`: uid, orev, version of the refusal or digest of the lease differ. `dead`: the token has a tombstone. `gone`: no such integration. */
  | { readonly saved: false; readonly reason: 'changed' | 'dead' | 'gone' }

export interface Look {
  readonly integration: IntegrationRecord
  /** Without what is over, and without a lease whose token has a tombstone. */
  readonly outcome: OutcomeRecord
  readonly now: number
}

/** Leases and refusals by integration. */
export interface Outcomes {
  /** One atomic read of integration, outcome and tombstone. */
  look(name: string): Promise<Look | undefined>
  /** SAVE: refused if uid or orev differ, if a lease's digest is none of the integration's, if a refusal's version is not its version, or if the lease's token has a tombstone; else orev + 1, rev + 1, announced. The record expires with its last member. */
  save(
    name: string,
    expected: { readonly uid: string; readonly orev: number },
    change: OutcomeChange,
  ): Promise<SaveResult>
  /** Forgets the refusal, if there is one: orev + 1, rev + 1, announced. Gives that rev; undefined: there was none. */
  forgetRefusal(name: string): Promise<number | undefined>
  /** REVOKE: tombstone until `until`; every named integration whose lease has this token id loses its lease (orev + 1, rev + 1); announced as `dead`. Gives the names that lost a lease. */
  revoke(tokenId: string, until: number): Promise<readonly string[]>
  /** The integrations whose current lease has this token id, in order of name. */
  holders(tokenId: string): Promise<readonly string[]>
}

/** A mutual-exclusion lock across replicas. Advisory: work done under it must be safe to do twice. */
export interface Locks {
  acquire(name: string, owner: string, ttlMs: number): Promise<boolean>
  /** False: it is no longer ours. */
  renew(name: string, owner: string, ttlMs: number): Promise<boolean>
  /** Deletes the lock only if it is still ours: a holder that outlived its expiry must not free its successor's. */
  release(name: string, owner: string): Promise<boolean>
}

/** Which integrations' leases are to be replaced, and when. */
export interface DueIndex {
  /** Adds the name if it is not there. */
  mark(name: string, dueAt: number): Promise<void>
  /** CLAIM: takes at most `limit` names that are due, earliest first, and scores them `postponeMs` ahead. */
  claim(limit: number, postponeMs: number): Promise<readonly string[]>
  unmark(name: string): Promise<void>
  /** How many names are in the index, and the earliest time among them. */
  size(): Promise<{ readonly count: number; readonly earliest: number | null }>
}

export interface DocumentRecord {
  readonly id: string
  /** One more at each change. Starts at 1. */
  readonly version: number
  readonly body: string
  /** As that of an integration. */
  readonly mac?: string
}

/** Small versioned documents by kind (`^[a-z][a-z0-9_-]{0,31}$`) and id (1 to 512 characters): API keys, connections, marks. Each change is announced before it is acknowledged; expiry is not. */
export interface Documents {
  read(kind: string, id: string): Promise<DocumentRecord | undefined>
  /** In order of id. `limit` 1 to 1000. */
  list(kind: string, page: PageQuery): Promise<Page<DocumentRecord>>
  /** Compare-and-set: `expected` is the version, or 'absent', or 'any'. `undefined`: it differs. */
  write(
    kind: string,
    id: string,
    body: string,
    options: {
      readonly expected: number | 'absent' | 'any'
      readonly expiresAt?: number
      /** Put beside it; absent: there is none from now on. */
      readonly mac?: string
    },
  ): Promise<DocumentRecord | undefined>
  /** False: not there, or not that version. */
  remove(kind: string, id: string, expected: number | 'any'): Promise<boolean>
}

export interface LoggedEvent {
  /** Orders events; pass as `before` to go on. */
  readonly id: string
  readonly body: string
}

/** An entry that is written anew as it grows. */
export interface EventLine {
  /** 1 to 512 characters. */
  readonly key: string
  readonly body: string
}

/** A log in shares (`^[a-z]{1,16}$`, default `changes`), each of which forgets its own oldest entries and no other's. */
export interface EventLog {
  /** The share keeps its newest `keep` entries, and not many more. */
  append(bodies: readonly string[], keep: number, share?: string): Promise<void>
  /** Each line takes the place of the one with its key, and is the newest then. Beside its entries, the share keeps its newest `keep` lines. */
  put(lines: readonly EventLine[], keep: number, share?: string): Promise<void>
  /** Newest first, over all these shares. `limit` 1 to 1000. `request_invalid`: `before` is no id of an event. */
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
      /** Something newer came beside what was there, and took nothing of it back: no definition, credential or lease. Absent: whatever is known of it is worth nothing any more. A release that does not know this word says so of everything. */
      readonly isNewer?: true
    }
  | {
      readonly type: 'dead'
      readonly tokenId: string
      /** The integrations that lost their lease. Absent: an older release did it, or there are too many, and it may be any. */
      readonly names?: readonly string[]
    }
  | { readonly type: 'document'; readonly kind: string; readonly id: string }
  | { readonly type: 'custody'; readonly name: string }

/** The change stream: what readers in memory must hear. On a connection of its own. */
export interface Changes {
  /** The position behind the newest entry: where a reader starts. */
  tail(): Promise<string>
  /** Waits at most `waitMs` (and 2 s) for entries after the cursor. `gap`: entries may have been missed (trimmed away, or the store went back in time), so nothing in memory may be trusted any more. */
  read(
    cursor: string,
    waitMs: number,
  ): Promise<{
    readonly entries: readonly Change[]
    readonly cursor: string
    readonly gap: boolean
  }>
}
