/** Leases in memory, with the revisions from the change stream. */
import type { Integration } from '../../integrations/integration.ts'
import { integrationOf } from '../../integrations/integration-store.ts'
import { oneCopyOf, withSharedTexts } from '../../runtime/one-copy.ts'
import type { StillLiveRecord } from '../../store/records.ts'
import {
  createReplicaCache,
  type ReadTicket,
  type ReplicaMemory,
} from '../../store/replica-cache.ts'
import type { Change, LeaseRecord, Look, RefusalRecord } from '../../store/store.ts'
import type { Lease } from './lease.ts'

export interface Entry {
  readonly integration: Integration
  readonly rev: number
  readonly orev: number
  readonly digests: readonly string[]
  /** The opened lease, if its digest is one of the integration's. */
  readonly lease: Lease | undefined
  readonly refusal: RefusalRecord | undefined
  readonly stillLive: StillLiveRecord | undefined
  /** Ticket of the read that returned the entry. */
  readonly ticket: ReadTicket
}

export type LeaseCache = ReturnType<typeof createLeaseCache>

interface LeaseCacheDependencies extends ReplicaMemory {
  readonly open: (look: Look, record: LeaseRecord) => Promise<Lease>
}

/** Longest wait for the store. Together with the wait for an API key it is less than a second. */
const WAIT_MS = 550

/** Longer than any read of the store. */
const FLOOR_MS = 10_000

/** Lowest revision that may be trusted. `isNewer`: the change to it brought a newer lease, and nothing else. */
interface Floor {
  readonly rev: number
  readonly at: number
  readonly isNewer: boolean
}

export function createLeaseCache({ open, ...dependencies }: LeaseCacheDependencies) {
  const { monotonic } = dependencies
  const memory = createReplicaCache<Entry>({ ...dependencies, waitMs: WAIT_MS })
  const floors = new Map<string, Floor>()
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

  /** Entries with an older revision are no longer trusted. The stream may report a change by this replica, and later ones, before the store answers the change itself. */
  const raise = (name: string, rev: number, isNewer: boolean) => {
    const known = memory.known(name)
    const current = memory.current(name)
    // Only the next revision proves that nothing else changed.
    const isNext = isNewer && current?.lease !== undefined && current.rev + 1 === rev
    if (isNext) memory.supersede(name)
    else if (known && known.rev < rev && (current || !isNewer)) memory.drop(name)
    if (rev < (floors.get(name)?.rev ?? 0)) return
    floors.delete(name)
    floors.set(name, { rev, at: monotonic(), isNewer })
  }

  /** Marks the token as dead, and every older lease of the integrations that lost it. */
  const bury = (tokenId: string, names: readonly string[] | undefined) => {
    dead.set(tokenId, monotonic())
    memory.dropWhere(
      ({ lease, integration }, isSuperseded) =>
        lease?.tokenId === tokenId ||
        (isSuperseded && (names === undefined || names.includes(integration.name))),
    )
  }

  /** An entry from before a gap does not count, because the store may be an older copy now. */
  const heldRev = (name: string, { epoch }: ReadTicket): number => {
    const held = memory.current(name)
    return held?.ticket.epoch === epoch ? held.rev : 0
  }

  /** An entry that only lacks the newer lease of the last change stays known, for a time without the store. Returns whether the entry is trusted. */
  const keep = (entry: Entry): boolean => {
    const { ticket, integration, rev, lease } = entry
    const { name } = integration
    const floor = floors.get(name)
    const isCurrent = rev >= (floor?.rev ?? 0)
    const isSafe =
      memory.isUnbroken(ticket) &&
      (isCurrent || (lease !== undefined && floor?.isNewer === true && rev + 1 === floor.rev)) &&
      rev >= heldRev(name, ticket) &&
      (lease === undefined || !dead.has(lease.tokenId))
    if (!isSafe) return false
    withSharedTexts(integration)
    withSharedTexts(entry.digests)
    if (lease) withSharedTexts(lease)
    memory.keep(oneCopyOf(name), entry, ticket)
    if (!isCurrent) memory.supersede(name)
    return isCurrent
  }

  const opened = async (look: Look): Promise<Lease | undefined> => {
    const { lease } = look.outcome
    if (!lease || !look.integration.digests.includes(lease.digest)) return undefined
    const held = memory.known(look.integration.name)?.lease
    const isSealedSame = held?.tokenId === lease.tokenId && held.expiresAt === lease.expiresAt
    // What is learned of its life may leave the end where it is.
    const same = isSealedSame && held.learnBy === undefined
    return same && held.uid === look.integration.uid ? held : open(look, lease)
  }

  return {
    ...memory,
    /** Opens the result of a read and returns it. Keeps it if it is not outdated. */
    async fill(ticket: ReadTicket, look: Look): Promise<Entry> {
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
    /** Keeps a lease that this replica saved after a read. False: something else changed, and the store must be read again. */
    saved(
      entry: Entry,
      lease: Lease,
      { orev, rev }: { readonly orev: number; readonly rev: number },
    ): boolean {
      // Each change adds one to the revision. If only this save did, the rest of the entry is
      // unchanged.
      if (rev !== entry.rev + 1) return false
      return keep({ ...entry, lease, orev, rev, refusal: undefined, stillLive: undefined })
    },
    /** Lowest revision that is trusted. 0: no recent change is known. */
    floor: (name: string): number => floors.get(name)?.rev ?? 0,
    /** This replica changed the integration. Undefined revision: it removed it. */
    written(name: string, rev: number | undefined): void {
      const known = memory.known(name)
      if (rev !== undefined) raise(name, rev, false)
      else if (known) raise(name, known.rev + 1, false)
      prune()
    },
    /** Applies a change of the stream. */
    heard(change: Change): void {
      if (change.type === 'integration') {
        raise(change.name, change.rev, change.isNewer === true)
      } else if (change.type === 'dead') bury(change.tokenId, change.names)
      prune()
    },
    /** Stops trusting all entries until they are read again. They are kept. */
    distrust(): void {
      memory.distrust()
      floors.clear()
      dead.clear()
    },
  }
}
