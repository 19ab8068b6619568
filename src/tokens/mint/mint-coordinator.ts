/** A miss: runs one mint for all callers and all replicas. */
import type { Actor } from '../../audit/event.ts'
import { isUnsettled } from '../../custody/connection.ts'
import { BrokerError, isStoreTrouble } from '../../errors/errors.ts'
import { isFrozenError } from '../../freezes/freeze-gate.ts'
import type { UnsavedPin } from '../../identity/identity-guard.ts'
import { type StoredSubject, unsavedSubject } from '../../identity/subject.ts'
import { presentsRefreshToken } from '../../integrations/integration.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { createRequestWrites } from '../../store/integrity/unconfirmed.ts'
import type { SaveResult } from '../../store/store.ts'
import type { Revoker } from '../revoke/revocation.ts'
import type { DegradedMode } from '../serve/degraded-mode.ts'
import type { Lease, MintResult } from '../serve/lease.ts'
import type { Entry } from '../serve/lease-cache.ts'
import {
  answerIn,
  holdsRejected,
  keyOf,
  NEED,
  type TokenRequirement,
} from '../serve/token-requirement.ts'
import type { LeaseRecords } from './lease-records.ts'
import { createLockedRead, type Ready } from './locked-read.ts'
import type { Logins } from './logins.ts'
import type { MintAudit } from './mint-event.ts'
import { inItsTime, isWhileResting } from './refusal-memory.ts'
import { RETRIES, saveRefused, tryAgain } from './retry.ts'
import type { SingleFlight } from './single-flight.ts'

export type MintCoordinator = ReturnType<typeof createMintCoordinator>

interface MintCoordinatorDependencies {
  readonly records: LeaseRecords
  readonly logins: Logins
  readonly flights: Pick<SingleFlight, 'join' | 'readUnderLock'>
  /** Leases that this replica minted while the store was unavailable. */
  readonly degraded: Pick<DegradedMode, 'lease' | 'keep' | 'forget'>
  readonly revoker: Pick<Revoker, 'endDead' | 'bury'>
  readonly audit: MintAudit
  readonly runtime: Runtime
}

/** Longest time of a mint, with its retries and its waits for other replicas. */
export const DEADLINE_MS = 10_000
/** Reserved so that callers get the reason of a failure before their own timeout. */
const TELLING_MS = 300

interface Minted {
  readonly lease: Lease
  /** Undefined: the pin is unchanged, or written. */
  readonly pin?: UnsavedPin | undefined
  /** Before this mint. Absent: it was not read. */
  readonly subject?: Promise<StoredSubject | undefined>
}

interface Asked {
  readonly requirement: TokenRequirement
  /** Whether the integration is known to hold the rejected token. */
  readonly isHeld: boolean
  /** A rejected token that the integration is not known to hold. */
  readonly unheld?: string
  readonly by: Actor
  /** Whether this login finds out if Salesforce is well again. */
  readonly isProbe: boolean
}

/** Whether the caller got this token before, and Salesforce answered 401 to it. */
const isRejected = ({ requirement, unheld }: Asked, tokenId: string): boolean =>
  tokenId === (requirement.kind === 'rejected' ? requirement.tokenId : unheld)

export function createMintCoordinator(dependencies: MintCoordinatorDependencies) {
  const { records, logins, flights, degraded, revoker, audit, runtime } = dependencies
  const { now, monotonic } = runtime
  const { read, underLock, underPaidLock } = createLockedRead({ records, logins, flights })

  const mint = async (
    { entry, records: read, ...ready }: Ready,
    asked: Asked,
    deadlineAt: number,
  ): Promise<Minted> => {
    const { integration } = entry
    const { requirement, by, isProbe } = asked
    let { taken } = ready
    let pin: UnsavedPin | undefined
    const subject = ready.subject ?? logins.subjectOf(integration)
    subject.catch(() => undefined)
    const share = requirement.kind === 'rejected' ? requirement.kind : undefined
    try {
      const lease = await logins.mint(
        integration,
        {
          async charge(charged) {
            const known = await subject
            const first = taken
            taken = undefined
            if (first?.isPaid(known)) return
            await logins.charge(integration, known, share, charged)
          },
          hasWorked: async () => (await subject) !== undefined && entry.refusal === undefined,
          // A late token already cost a login, so it is stored for the next caller.
          onLate: (lease) => void records.adopt(lease, by, pin),
          saveLater(unsaved) {
            pin = unsaved
          },
          // Whether a token lives that Salesforce answered with 401 is what the caller wants to know.
          learnFirst: (tokenId) => isRejected(asked, tokenId),
          ...{ deadlineAt, records: read },
        },
        isProbe,
      )
      return { lease, pin, subject }
    } catch (thrown) {
      const error = inItsTime(thrown, integration.updatedAt, now())
      // These errors are not refusals by Salesforce.
      const isOurs = isUnsettled(error) || isFrozenError(error)
      if (isOurs || isStoreTrouble(error) || isWhileResting(error)) throw error
      audit.refused(integration.name, error, by)
      await records.saveRefusal(entry, error).catch(unlessUnavailable)
      throw error
    }
  }

  /** A lease of degraded mode was checked against remembered data only, so it is checked again. */
  const ownLease = async (entry: Entry): Promise<Lease | undefined> => {
    const { integration } = entry
    const lease = degraded.lease(entry)
    if (!lease) return undefined
    try {
      await logins.verify(integration, lease)
      return lease
    } catch (error) {
      degraded.forget(integration.name)
      throw error
    }
  }

  /** Saves the lease together with its pin and its subject. `saved`: undefined if the store is unavailable. */
  const save = async (
    entry: Entry,
    { lease, pin, subject: read }: Minted,
    dueAt: number | null,
  ): Promise<{ readonly saved: SaveResult | undefined; readonly hasSubject: boolean }> => {
    const known = await read?.then((former) => ({ former })).catch(unlessUnavailable)
    const subject = known && unsavedSubject(lease, known.former)
    const documents = [pin?.document, subject].filter((document) => document !== undefined)
    const saved = await records.save(lease, entry, dueAt, documents).catch(unlessUnavailable)
    if (saved?.saved !== false) pin?.written()
    else if (saved.reason === 'document') {
      // Another writer was first, so the token is compared with what it wrote.
      await logins.verify(entry.integration, lease)
      const again = await records.save(lease, entry, dueAt).catch(unlessUnavailable)
      return { saved: again, hasSubject: false }
    }
    return { saved, hasSubject: known !== undefined && saved?.saved === true }
  }

  const mintAndSave = async (
    ready: Ready,
    asked: Asked,
    deadlineAt: number,
  ): Promise<MintResult> => {
    const { requirement, by } = asked
    const { entry } = ready
    const { name } = entry.integration
    const answer = answerIn(entry, requirement, now())
    if (answer) return found(answer)
    const own = requirement.kind === 'need' ? await ownLease(entry) : undefined
    const minted: Minted = own ? { lease: own } : await mint(ready, asked, deadlineAt)
    const { lease, pin } = minted
    if (isRejected(asked, lease.tokenId)) {
      if (pin) await logins.verify(entry.integration, lease)
      return records.saveStillLive(entry, lease.tokenId)
    }
    // A waiting caller uses the lease at once. A lease that was refreshed ahead is only marked as
    // used by its first reader.
    const isRead = requirement.kind !== 'replace' || entry.integration.keepWarm
    const { saved, hasSubject } = await save(entry, minted, isRead ? lease.refreshAt : null)
    if (saved) degraded.forget(name)
    else degraded.keep(lease)
    if (saved?.saved === false) {
      if (saved.reason === 'dead') await revoker.endDead(lease, by)
      throw saveRefused()
    }
    if (!own) audit.minted(lease, by, hasSubject)
    if (saved) {
      if (requirement.kind === 'rejected') await revoker.bury(name, requirement.tokenId, by)
      await records.remember(entry, lease, saved)
    }
    return { lease, isFresh: own === undefined, isSaved: saved !== undefined }
  }

  /** A rejected token that the integration never held must not affect the integrations that hold it. Salesforce may give it all the same: an integration does not know what it held long ago. */
  const judged = (entry: Entry, asked: Asked): Asked => {
    const { requirement, isHeld } = asked
    const isKnown = requirement.kind !== 'rejected' || isHeld || holdsRejected(entry, requirement)
    return isKnown ? asked : { ...asked, requirement: NEED, unheld: requirement.tokenId }
  }

  /** `first`: what was read under the lock. */
  const mintUntilSaved = (first: Ready, asked: Asked, deadlineAt: number): Promise<MintResult> =>
    tryAgain(runtime, [RETRIES.save], async (tries) => {
      const ready =
        tries === 1 ? first : { entry: await records.require(first.entry.integration.name) }
      return mintAndSave(ready, judged(ready.entry, asked), deadlineAt)
    })

  /** Throws `integration_frozen`. A token of degraded mode, which no other replica knows, ends then. */
  const requireThawed = async (entry: Entry, by: Actor): Promise<void> => {
    try {
      await logins.requireThawed(entry.integration)
    } catch (error) {
      const own = isFrozenError(error) ? degraded.lease(entry) : undefined
      if (own) await revoker.endDead(own, by)
      if (own) degraded.forget(entry.integration.name)
      throw error
    }
  }

  /** Charges the login with the lock if the caller needs one as far as this replica knows, and if it knows the user. The lock, the login and what the mint needs then take one round trip. */
  const mayPrepay = (entry: Entry, { requirement, isProbe }: Asked): boolean =>
    !isProbe &&
    // One that is over may still be in memory.
    entry.refusal === undefined &&
    requirement.kind !== 'rejected' &&
    (entry.orev === 0 || logins.userOf(entry) !== undefined) &&
    logins.isLikely(entry.integration)

  const mintUnderLock = async (first: Entry, asked: Asked): Promise<MintResult> => {
    const { integration } = first
    const { name } = integration
    await requireThawed(first, asked.by)
    let isPrepaid = mayPrepay(first, asked) && degraded.lease(first) === undefined
    const deadlineAt = monotonic() + DEADLINE_MS - TELLING_MS
    while (monotonic() < deadlineAt) {
      const work = (ready: Ready) => mintUntilSaved(ready, asked, deadlineAt)
      const held = isPrepaid ? await underPaidLock(first, work) : await underLock(integration, work)
      if (held) return held.result
      isPrepaid = false
      // A probe does not wait for a login that hangs. A refresh token needs the lock.
      if (asked.isProbe && !presentsRefreshToken(integration)) {
        return mintUntilSaved(await read(integration), asked, deadlineAt)
      }
      await records.changed(name)
      const answer = answerIn(await records.require(name), asked.requirement, now())
      if (answer) return found(answer)
    }
    throw tooLate()
  }

  return {
    /** Returns a lease that meets the requirement. Throws Salesforce's refusal, `login_budget_exhausted`, `token_still_live`, `store_unavailable`, `conflict`, `salesforce_timeout`. */
    run(
      entry: Entry,
      requirement: TokenRequirement,
      by: Actor,
    ): { readonly result: Promise<MintResult>; readonly joined: boolean } {
      const { integration } = entry
      const probe = logins.probe(integration)
      const isProbe = probe !== undefined
      // Nobody joins a probe, because it may hang. All other callers are refused meanwhile.
      const key = isProbe ? `probe:${runtime.uniqueId()}` : keyOf(requirement, integration)
      return flights.join(key, async () => {
        await probe
        const writes = createRequestWrites()
        try {
          const isHeld = holdsRejected(entry, requirement)
          const asked: Asked = { requirement, isHeld, by, isProbe }
          return await writes.run(() => mintUnderLock(entry, asked))
        } finally {
          const unconfirmed = writes.end()
          if (unconfirmed) audit.unconfirmed(integration.name, unconfirmed)
        }
      })
    },
  }
}

const found = (lease: Lease): MintResult => ({ lease, isFresh: false, isSaved: true })

/** If the store is unavailable, keeps Salesforce's answer in memory. */
function unlessUnavailable(error: unknown): undefined {
  if (isStoreTrouble(error)) return undefined
  throw error
}

export const tooLate = (): BrokerError =>
  new BrokerError('salesforce_timeout', 'No token arrived within 10 seconds', {
    retryAfterMs: 1_000,
  })
