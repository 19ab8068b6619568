/** What a mint reads and writes in the store: the lease of an integration, and what stands beside it. */
import type { Actor } from '../../audit/event.ts'
import { BrokerError } from '../../errors/errors.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import type { Outcomes, SaveResult } from '../../store/store.ts'
import type { Lease } from '../serve/lease.ts'
import type { Entry, LeaseCache } from '../serve/lease-cache.ts'
import type { LeaseReader } from '../serve/lease-reader.ts'
import type { LeaseStore } from '../serve/lease-store.ts'
import { stillLiveAgain, tokenStillLive } from '../serve/token-requirement.ts'
import type { MintAudit } from './mint-event.ts'
import { remember } from './refusal-memory.ts'

export type LeaseRecords = ReturnType<typeof createLeaseRecords>

interface LeaseRecordsDependencies {
  readonly reader: Pick<LeaseReader, 'look' | 'changed'>
  readonly cache: Pick<LeaseCache, 'saved'>
  readonly leases: Pick<LeaseStore, 'save'>
  readonly outcomes: Pick<Outcomes, 'save' | 'forgetRefusal'>
  readonly audit: Pick<MintAudit, 'minted'>
  readonly runtime: Pick<Runtime, 'now'>
  readonly log: Pick<Log, 'warn'>
}

export function createLeaseRecords(dependencies: LeaseRecordsDependencies) {
  const { reader, cache, leases, outcomes, audit, runtime, log } = dependencies
  const { look, changed } = reader

  return {
    look,
    changed,
    /** Throws `integration_not_found`. */
    async require(name: string): Promise<Entry> {
      const entry = await look(name)
      if (entry) return entry
      throw new BrokerError('integration_not_found', 'No integration has this name')
    },
    save: leases.save,
    forgetRefusal: outcomes.forgetRefusal,
    /** Puts a lease that was saved into memory. */
    async remember(
      entry: Entry,
      lease: Lease,
      saved: Extract<SaveResult, { saved: true }>,
    ): Promise<void> {
      if (!cache.saved(entry, lease, saved)) await look(entry.integration.name)
    },
    /** So that nobody asks Salesforce the same before its rest is over. Has no effect where the integration changed meanwhile. */
    async saveRefusal(entry: Entry, error: unknown): Promise<void> {
      const { integration, orev, refusal: former } = entry
      const { name, uid, version } = integration
      const refusal = remember(error, version, former, runtime.now())
      if (refusal) await outcomes.save(name, { uid, orev }, { refusal })
    },
    /** Salesforce repeated the token that was rejected. Throws `token_still_live`. */
    async saveStillLive(entry: Entry, tokenId: string): Promise<never> {
      const { integration, orev, stillLive: former } = entry
      const { name, uid } = integration
      const { restMs, record } = stillLiveAgain(former, tokenId, runtime.now())
      await outcomes.save(name, { uid, orev }, { stillLive: record })
      throw tokenStillLive(restMs)
    },
    /** Makes a token that came by another way the lease, where it is another one. Never throws. */
    async adopt(lease: Lease, by: Actor): Promise<void> {
      const { integration: name } = lease
      try {
        const entry = await look(name)
        if (!entry || entry.lease?.tokenId === lease.tokenId) return
        // Nobody reads it yet: its first reader marks it as in use.
        const dueAt = entry.integration.keepWarm ? lease.refreshAt : null
        const { saved } = await leases.save(lease, entry, dueAt)
        if (!saved) return
        audit.minted(lease, by)
        // So that it serves from memory, should the store go away.
        await look(name)
      } catch (error) {
        log.warn({ err: error, integration: name }, 'the token of a proof could not be stored')
      }
    },
  }
}
