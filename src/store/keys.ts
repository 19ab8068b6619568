/** Allowed names, and the keys in Redis. All keys have the same hash tag, so that a script can use several keys in Redis Cluster. */

/** The form of an integration name in the contract. */
const INTEGRATION_NAME = /^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$/
const TOKEN_ID = /^[A-Za-z0-9_-]{1,64}$/
const DOCUMENT_KIND = /^[a-z][a-z0-9_-]{0,31}$/
const SHARE = /^[a-z]{1,16}$/
const PREFIX = /^[A-Za-z0-9:._-]{0,64}$/
/** The default share of the event log. */
export const DEFAULT_SHARE = 'changes'
const TEXT_MAX = 512
const PAGE_MAX = 1000

export const isIntegrationName = (name: string): boolean => INTEGRATION_NAME.test(name)

/** Returns a valid name. Throws for others, because a route should have refused them. */
export function integrationName(name: string): string {
  if (!INTEGRATION_NAME.test(name)) throw new RangeError('Not a name of an integration')
  return name
}

export function tokenId(id: string): string {
  if (!TOKEN_ID.test(id)) throw new RangeError('Not a token id')
  return id
}

export function kindName(kind: string): string {
  if (!DOCUMENT_KIND.test(kind)) throw new RangeError('Not a kind of document')
  return kind
}

export function eventShare(share: string): string {
  if (!SHARE.test(share)) throw new RangeError('Not a share of the event log')
  return share
}

/** Text of 1 to 512 characters: ids of documents, locks, budgets and lines of events. */
export function text(value: string): string {
  if (value.length === 0 || value.length > TEXT_MAX) {
    throw new RangeError(`An id has 1 to ${TEXT_MAX} characters`)
  }
  return value
}

export function pageLimit(limit: number): number {
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) {
    throw new RangeError(`A page has 1 to ${PAGE_MAX} items`)
  }
  return limit
}

export interface Keys {
  readonly base: string
  readonly meta: string
  readonly changes: string
  readonly integrations: string
  /** Token ids with a tombstone, by its end. */
  readonly dead: string
  readonly due: string
  /** Due times of custodies. */
  readonly custodies: string
  integration(name: string): string
  outcome(name: string): string
  holders(id: string): string
  lock(name: string): string
  custody(name: string): string
  budget(key: string, windowMs: number): string
  document(kind: string, id: string): string
  documents(kind: string): string
  /** Ids of expiring documents, by expiry. */
  documentEnds(kind: string): string
  events(share: string): string
  /** Keys of the lines of a share, in order of time. */
  eventLines(share: string): string
  eventLineBodies(share: string): string
  /** A part of the listing index. */
  listing(part: string): string
}

/** `prefix` has at most 64 letters, digits, `:`, `.`, `_` and `-`; throws `RangeError` otherwise. With `vk:` every key begins with `vk:{vk}:`. */
export function createKeys(prefix: string): Keys {
  if (!PREFIX.test(prefix)) {
    throw new RangeError('The prefix has at most 64 letters, digits, and : . _ -')
  }
  const tag = prefix.replace(/:+$/, '') || 'vk'
  // The first brace determines the slot, so names after it have no influence.
  const base = `${prefix}{${tag}}:`
  return Object.freeze({
    base,
    meta: `${base}meta`,
    changes: `${base}chg`,
    integrations: `${base}integrations`,
    dead: `${base}dead`,
    due: `${base}due`,
    custodies: `${base}custodies`,
    integration: (name: string) => `${base}i:${integrationName(name)}`,
    outcome: (name: string) => `${base}o:${integrationName(name)}`,
    holders: (id: string) => `${base}t:${tokenId(id)}`,
    lock: (name: string) => `${base}k:${text(name)}`,
    custody: (name: string) => `${base}c:${integrationName(name)}`,
    budget: (key: string, windowMs: number) => `${base}b:${windowMs}:${text(key)}`,
    document: (kind: string, id: string) => `${base}d:${kindName(kind)}:${text(id)}`,
    documents: (kind: string) => `${base}documents:${kindName(kind)}`,
    documentEnds: (kind: string) => `${base}document-ends:${kindName(kind)}`,
    // The share of changes keeps the key from before there were shares.
    events: (share: string) =>
      share === DEFAULT_SHARE ? `${base}events` : `${base}events:${eventShare(share)}`,
    eventLines: (share: string) => `${base}event-lines:${eventShare(share)}`,
    eventLineBodies: (share: string) => `${base}event-line-bodies:${eventShare(share)}`,
    listing: (part: string) => `${base}listing:${part}`,
  })
}
