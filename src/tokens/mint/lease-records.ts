/** Reads and writes the records of a mint: the lease of an integration, its refusal and its due time. */
import type { Actor } from '../../audit/event.ts'
import { BrokerError } from '../../errors/errors.ts'
import type { UnsavedPin } from '../../identity/identity-guard.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import { untilWritten } from '../../store/compare-and-set.ts'
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
  readonly reader: Pick<LeaseReader, 'look' | 'changed' | 'trusted'>
  readonly cache: Pick<LeaseCache, 'saved'>
  readonly leases: Pick<LeaseStore, 'save' | 'saveLife'>
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
    /** Saves what was learned of the life of a token. Gives the lease that the integration has then: this one, or one that took its place meanwhile. */
    async saveLife(lease: Lease): Promise<Lease | undefined> {
      const { integration: name, tokenId, mintedAt } = lease
      /** If memory is outdated, the store refuses the save. */
      let remembered = reader.trusted(name)
      return untilWritten(`the lease of ${name}`, async () => {
        const entry = remembered ?? (await look(name))
        remembered = undefined
        const held = entry?.lease
        const isSame = held?.tokenId === tokenId && held.mintedAt === mintedAt
        const isOurs = isSame && held.learnBy !== undefined
        if (!entry || !isOurs) return held
        const saved = await leases.saveLife(lease, entry)
        if (!saved.saved) return 'lost'
        const isAlone = !entry.refusal && !entry.stillLive
        if (isAlone && cache.saved(entry, lease, saved)) return lease
        return (await look(name))?.lease
      })
    },
    forgetRefusal: outcomes.forgetRefusal,
    /** Puts a saved lease into memory. */
    async remember(
      entry: Entry,
      lease: Lease,
      saved: Extract<SaveResult, { saved: true }>,
    ): Promise<void> {
      if (!cache.saved(entry, lease, saved)) await look(entry.integration.name)
    },
    /** Remembers a refusal, so that no replica asks Salesforce again too early. Has no effect if the integration changed meanwhile. */
    async saveRefusal(entry: Entry, error: unknown): Promise<void> {
      const { integration, orev, refusal: former } = entry
      const { name, uid } = integration
      const refusal = remember(error, integration, former, runtime.now())
      if (refusal) await outcomes.save(name, { uid, orev }, { refusal })
    },
    /** Remembers that Salesforce returned the rejected token again. Throws `token_still_live`. */
    async saveStillLive(entry: Entry, tokenId: string): Promise<never> {
      const { integration, orev, stillLive: former } = entry
      const { name, uid } = integration
      const { restMs, record } = stillLiveAgain(former, tokenId, runtime.now())
      await outcomes.save(name, { uid, orev }, { stillLive: record })
      throw tokenStillLive(restMs)
    },
    /** Makes a token of another source the lease, if it is a new token. `pin`: what the save is to write with it. Never throws. */
    async adopt(lease: Lease, by: Actor, pin?: UnsavedPin): Promise<void> {
      const { integration: name } = lease
      try {
        const entry = await look(name)
        if (!entry || entry.lease?.tokenId === lease.tokenId) return
        // The first reader sets the due time.
        const dueAt = entry.integration.keepWarm ? lease.refreshAt : null
        const documents = pin ? [pin.document] : []
        const { saved } = await leases.save(lease, entry, dueAt, documents)
        if (!saved) return
        pin?.written()
        audit.minted(lease, by)
        // Reads the lease into memory for degraded mode.
        await look(name)
      } catch (error) {
        log.warn(
          { err: error, integration: name },
          'a token that proved a credential, or that the doctor got, could not be stored as the lease',
        )
      }
    },
  }
}
