/** Leases in process memory, and the rule by which they are trusted. */
import type { Integration } from '../../integrations/integration.ts'
import { integrationOf } from '../../integrations/integration-store.ts'
import { type Confirmation, createConfirmations } from '../../store/confirmation.ts'
import type {
  Change,
  LeaseRecord,
  Look,
  RefusalRecord,
  StillLiveRecord,
} from '../../store/store.ts'
import type { Lease } from './lease.ts'

/** What this replica knows of an integration. */
export interface Entry {
  readonly integration: Integration
  readonly rev: number
  readonly orev: number
  readonly digests: readonly string[]
  /** Opened; only where its digest is one of the integration's. */
  readonly lease: Lease | undefined
  readonly refusal: RefusalRecord | undefined
  readonly stillLive: StillLiveRecord | undefined
  /** Of the read that it came of. */
  readonly ticket: ReadTicket
}

/** Taken before a read of the store begins: what came of the read is kept only if nothing was missed meanwhile. */
export interface ReadTicket {
  readonly epoch: number
  /** When the read began, by the monotonic clock. */
  readonly at: number
}

export interface LeaseCache {
  /** Only while this replica hears the store. */
  trusted(name: string): Entry | undefined
  /** Whatever is there, for when the store cannot be reached: also what has only become old, until what is newer was read. */
  known(name: string): Entry | undefined
  /** Milliseconds since the last word from the store on what is known: it was read, or the stream was heard without a gap since. Infinite where nothing is known. */
  silentForMs(name: string): number
  /** Everything that is known, but what has become old. */
  entries(): Iterable<Entry>
  begin(): ReadTicket
  /** Opens what was read, and keeps it if that is safe; gives it back in either case. */
  fill(ticket: ReadTicket, look: Look): Promise<Entry>
  /** This replica saved a lease for what it had read, and knows what a read would find now. False: something else changed meanwhile, and it is to be read again. */
  saved(entry: Entry, lease: Lease, as: { readonly orev: number; readonly rev: number }): boolean
  /** The lowest revision of the integration that may still be believed; 0 where none was heard of lately. */
  floor(name: string): number
  /** This replica changed the integration, or (no revision) removed it. */
  written(name: string, rev: number | undefined): void
  /** From the change stream. */
  heard(change: Change): void
  /** Nothing may be trusted until it was read again; it stays known. */
  distrust(): void
  size(): number
}

export interface LeaseCacheDependencies {
  readonly hearing: { isHearing(): boolean; epoch(): number; silentForMs(): number }
  readonly open: (look: Look, record: LeaseRecord) => Promise<Lease>
  /** Milliseconds of a clock that never steps. */
  readonly monotonic: () => number
}

/** Longer than any read of the store can take. */
const FLOOR_MS = 10_000

interface Kept extends Entry, Confirmation {}

export function createLeaseCache(dependencies: LeaseCacheDependencies): LeaseCache {
  const { hearing, open, monotonic } = dependencies
  const confirmations = createConfirmations({ hearing, monotonic })
  const entries = new Map<string, Kept>()
  /** By name, what was there before something that is only newer, and was not read here yet: never beside an entry. */
  const formers = new Map<string, Kept>()
  const floors = new Map<string, { readonly rev: number; readonly at: number }>()
  const dead = new Map<string, number>()

  const prune = () => {
    const before = monotonic() - FLOOR_MS
    for (const [name, { at }] of floors) {
      if (at >= before) break
      floors.delete(name)
    }
    for (const [tokenId, at] of dead) {
      if (at >= before) break
      dead.delete(tokenId)
    }
  }

  /** Nothing older than this revision may be believed any more. A change of our own may be known by the stream, and later ones too, before the store's answer to it is here. */
  const raise = (name: string, rev: number, isNewer: boolean) => {
    const held = entries.get(name)
    const isNext = held !== undefined && held.rev + 1 === rev
    if (held && held.rev < rev) entries.delete(name)
    if (!isNewer && (formers.get(name)?.rev ?? rev) < rev) formers.delete(name)
    // Only by the very next revision is it known that nothing else happened in between.
    if (isNewer && isNext && held.lease) formers.set(name, held)
    if (rev < (floors.get(name)?.rev ?? 0)) return
    floors.delete(name)
    floors.set(name, { rev, at: monotonic() })
  }

  /** The token is dead, and so is every former one of those who lost it. */
  const bury = (tokenId: string, names: readonly string[] | undefined) => {
    dead.set(tokenId, monotonic())
    for (const map of [entries, formers]) {
      for (const [name, { lease }] of map) if (lease?.tokenId === tokenId) map.delete(name)
    }
    if (names === undefined) formers.clear()
    else for (const name of names) formers.delete(name)
  }

  /** What was held before a gap is no measure: the store may have gone back in time. */
  const heldRev = (name: string, epoch: number): number => {
    const held = entries.get(name)
    return held?.ticket.epoch === epoch ? held.rev : 0
  }

  const isSafe = ({ ticket: { epoch }, integration: { name }, rev, lease }: Entry) =>
    epoch === hearing.epoch() &&
    rev >= (floors.get(name)?.rev ?? 0) &&
    rev >= heldRev(name, epoch) &&
    (lease === undefined || !dead.has(lease.tokenId))

  const keep = (entry: Entry): boolean => {
    if (!isSafe(entry)) return false
    const { name } = entry.integration
    entries.set(name, { ...entry, ...confirmations.read(entry.ticket.at) })
    formers.delete(name)
    return true
  }

  const known = (name: string): Kept | undefined => entries.get(name) ?? formers.get(name)

  const opened = async (look: Look): Promise<Lease | undefined> => {
    const { lease } = look.outcome
    if (!lease || !look.integration.digests.includes(lease.digest)) return undefined
    const held = known(look.integration.name)?.lease
    const same = held?.tokenId === lease.tokenId && held.expiresAt === lease.expiresAt
    return same && held.uid === look.integration.uid ? held : open(look, lease)
  }

  return {
    trusted(name) {
      const entry = entries.get(name)
      return entry && entry.ticket.epoch === hearing.epoch() && hearing.isHearing()
        ? entry
        : undefined
    },
    known,
    silentForMs(name) {
      const held = known(name)
      return held ? confirmations.silentForMs(held) : Number.POSITIVE_INFINITY
    },
    entries: () => entries.values(),
    begin: () => ({ epoch: hearing.epoch(), at: monotonic() }),
    async fill(ticket, look) {
      const { rev, orev, digests } = look.integration
      const entry: Entry = {
        integration: integrationOf(look.integration),
        rev,
        orev,
        digests,
        lease: await opened(look),
        refusal: look.outcome.refusal,
        stillLive: look.outcome.stillLive,
        ticket,
      }
      keep(entry)
      return entry
    },
    saved(entry, lease, { orev, rev }) {
      // Each change of the integration counts one: with this save alone, the rest is as it was read.
      if (rev !== entry.rev + 1) return false
      return keep({ ...entry, lease, orev, rev, refusal: undefined, stillLive: undefined })
    },
    floor: (name) => floors.get(name)?.rev ?? 0,
    written(name, rev) {
      const held = known(name)
      if (rev !== undefined) raise(name, rev, false)
      else if (held) raise(name, held.rev + 1, false)
      prune()
    },
    heard(change) {
      if (change.type === 'integration') {
        raise(change.name, change.rev, change.isNewer === true)
      } else if (change.type === 'dead') bury(change.tokenId, change.names)
      prune()
    },
    distrust() {
      for (const map of [entries, formers]) {
        for (const [name, held] of map) {
          if (!held.isPast) map.set(name, { ...held, ...confirmations.past(held) })
        }
      }
      floors.clear()
      dead.clear()
    },
    size: () => entries.size,
  }
}
