/** What things are called in the store: which names are allowed, and every key of Redis, under one hash tag so that a script may touch several of them in Redis Cluster. */

/** The contract's form of an integration's name. */
const INTEGRATION_NAME = /^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$/
const TOKEN_ID = /^[A-Za-z0-9_-]{1,64}$/
const DOCUMENT_KIND = /^[a-z][a-z0-9_-]{0,31}$/
const SHARE = /^[a-z]{1,16}$/
const PREFIX = /^[A-Za-z0-9:._-]{0,64}$/
/** Of the event log, where none is named. */
export const DEFAULT_SHARE = 'changes'
const TEXT_MAX = 512
const PAGE_MAX = 1000

export const isIntegrationName = (name: string): boolean => INTEGRATION_NAME.test(name)

/** Gives the name back, or throws: a route that let it through is a bug, and a key must not be made of it. */
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

/** Of the event log. */
export function eventShare(share: string): string {
  if (!SHARE.test(share)) throw new RangeError('Not a share of the event log')
  return share
}

/** Any text of 1 to 512 characters: ids of documents, locks, budgets and lines of events. */
export function text(value: string): string {
  if (value.length === 0 || value.length > TEXT_MAX) {
    throw new RangeError(`An id has 1 to ${TEXT_MAX} characters`)
  }
  return value
}

/** 1 to 1000. */
export function pageLimit(limit: number): number {
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) {
    throw new RangeError(`A page has 1 to ${PAGE_MAX} items`)
  }
  return limit
}

export interface Keys {
  /** What every key begins with; scripts build the keys of names that they find in the store from it. */
  readonly base: string
  /** The store's id and its count of changes. */
  readonly meta: string
  readonly changes: string
  /** Names of all integrations, in order. */
  readonly integrations: string
  /** Token ids that must not be served, by the end of their tombstone. */
  readonly dead: string
  readonly due: string
  /** Which custodies are to be looked after, and when. */
  readonly custodies: string
  integration(name: string): string
  outcome(name: string): string
  /** Who holds a token. */
  holders(id: string): string
  lock(name: string): string
  custody(name: string): string
  budget(key: string, windowMs: number): string
  document(kind: string, id: string): string
  /** Ids of all documents of a kind, in order. */
  documents(kind: string): string
  /** Ids of the documents of a kind that expire, by their end. */
  documentEnds(kind: string): string
  events(share: string): string
  /** Keys of the lines of a share of the event log, in order of time. */
  eventLines(share: string): string
  /** Their bodies, by key. */
  eventLineBodies(share: string): string
}

/** `prefix` has at most 64 letters, digits, `:`, `.`, `_` and `-`; throws `RangeError` otherwise. With `vk:` every key begins with `vk:{vk}:`. */
export function createKeys(prefix: string): Keys {
  if (!PREFIX.test(prefix)) {
    throw new RangeError('The prefix has at most 64 letters, digits, and : . _ -')
  }
  const tag = prefix.replace(/:+$/, '') || 'vk'
  // The first brace of a key is this one, so no name that follows can move it to another slot.
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
    // That of the changes has the name that the whole log had before it had shares.
    events: (share: string) =>
      share === DEFAULT_SHARE ? `${base}events` : `${base}events:${eventShare(share)}`,
    eventLines: (share: string) => `${base}event-lines:${eventShare(share)}`,
    eventLineBodies: (share: string) => `${base}event-line-bodies:${eventShare(share)}`,
  })
}
