/** The records of the store, as every engine returns them. */

/** `limit` 1 to 1000. */
export interface PageQuery {
  readonly limit: number
  readonly after?: string
}

/** A document that an outcome is written with. It does not expire. */
export interface DocumentWrite {
  readonly kind: string
  readonly id: string
  readonly body: string
  /** Version of the document that it replaces. */
  readonly expected: number | 'absent'
  /** The new code; absent removes it. */
  readonly mac?: string
}

/** A document that an outcome depends on. */
export interface DocumentGuard {
  readonly kind: string
  readonly id: string
  readonly version: number | 'absent'
}

export interface LoggedEvent {
  readonly id: string
  readonly body: string
}

/** An entry that is replaced as it grows. */
export interface EventLine {
  /** 1 to 512 characters. */
  readonly key: string
  readonly body: string
}

export interface Page<Item> {
  readonly items: readonly Item[]
  /** Names or ids of unusable records within the page; absent: none. */
  readonly corrupt?: readonly string[]
  /** Pass as `after` for the next page; null on the last page. */
  readonly next: string | null
}

/** Most records in a page, unless requests would wait too long for it. */
const PAGE_SIZE = 1_000

/** All pages of a list in order, starting after `after`. */
export async function* pages<Item>(
  read: (page: PageQuery) => Promise<Page<Item>>,
  {
    limit = PAGE_SIZE,
    after,
  }: { readonly limit?: number; readonly after?: string | undefined } = {},
): AsyncGenerator<Page<Item>> {
  let next: string | null | undefined = after
  do {
    const page: Page<Item> = await read({ limit, ...(next && { after: next }) })
    yield page
    next = page.next
  } while (next !== null)
}

/** Most changes of one read of the stream. As many: there may be more. */
export const CHANGES_PER_READ = 1_000

/** A change of which nothing is stored: a replica tells the others what it found. Older releases ignore it. */
export type AnnouncedChange = LoginChange | LookChange | GivenChange | NonceChange

/** A target of logins (`breaker.ts`, 1 to 512 characters) rests, or answers again. */
type LoginChange = {
  readonly type: 'login'
  readonly target: string
  readonly isResting: boolean
  /** Who told it. Absent: a replica of an older release. */
  readonly by?: string
}

/** A replica used a token to find out whether it lives (`token-look.ts`). */
type LookChange = {
  readonly type: 'look'
  readonly tokenId: string
  readonly verdict: LookVerdict
}

/** A host gave a nonce for the DPoP proofs of a key (`dpop/nonces.ts`). */
export type NonceChange = {
  readonly type: 'nonce'
  /** Of the key, 43 characters. */
  readonly thumbprint: string
  /** 1 to 512 characters, as the nonce. */
  readonly host: string
  readonly nonce: string
  /** The replica that told it. */
  readonly by: string
}

export type LookVerdict = 'live' | 'dead' | 'unknown'

/** Where events belong. */
export interface EventPlace {
  /** Default: `changes`. */
  readonly share?: string
  /** False: they may be lost if the machine of the embedded store loses its power. Default: true. */
  readonly isDurable?: boolean
}

/** A replica handed a token to these principals for the first time (`given-tokens.ts`). */
export interface GivenChange {
  readonly type: 'given'
  readonly integration: string
  readonly tokenId: string
  readonly mintedAt: number
  /** When the lease ends. */
  readonly until: number
  readonly principals: readonly string[]
}

/** The integrations with one token. */
export interface Sharers {
  readonly names: readonly string[]
  readonly count: number
}

/** What was taken of an index of due times. */
export interface Claim {
  readonly names: readonly string[]
  /** Milliseconds until the next entry is due; 0: one is. Infinite: the index is empty. */
  readonly nextInMs: number
}

/** The state of the store in one cheap answer. */
export interface Pulse {
  /** See `Store.identity`. Empty: the store has none yet. */
  readonly id: string
  readonly seq: number
  /** Changes with each entry of the due index that is added or set earlier. */
  readonly due: string
  /** Changes if an entry of the listing index is marked, and if the index missed changes. */
  readonly listing: string
  /** Changes with the result of `custody.age`, except its time. It changes for a new run after the first reader of the age. */
  readonly age: string
}

/** Salesforce issued this rejected token again, so it is valid. */
export interface StillLiveRecord {
  readonly tokenId: string
  readonly until: number
  /** Consecutive repetitions, from 1. The pause doubles with each. */
  readonly count: number
}
