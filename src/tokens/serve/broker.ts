/** Hands out leases. A hit comes from memory without a wait. A miss is one mint for all replicas. */
import { type Actor, NOBODY } from '../../audit/event.ts'
import { mightAllow, type Principal } from '../../callers/policy.ts'
import { isStoreTrouble } from '../../errors/errors.ts'
import type { FreezeGate } from '../../freezes/freeze-gate.ts'
import type { Integration } from '../../integrations/integration.ts'
import { waitFor } from '../../runtime/timeout.ts'
import { isUnusable } from '../../store/integrity/record-schema.ts'
import type { DueIndex } from '../../store/store.ts'
import type { LifeLearner } from '../mint/life-learner.ts'
import { DEADLINE_MS, tooLate } from '../mint/mint-coordinator.ts'
import type { DegradedMode } from './degraded-mode.ts'
import { type Lease, lastsLong } from './lease.ts'
import type { Entry } from './lease-cache.ts'
import type { LeaseReader, LeaseReading } from './lease-reader.ts'
import { forbidden, maySee, refusalFor, servable } from './servable.ts'
import { answerIn, livingIn, satisfies, type TokenRequirement } from './token-requirement.ts'

export interface Served {
  readonly lease: Lease
  /** `collapsed`: waited for the mint of another request. */
  readonly via: 'hit' | 'miss' | 'collapsed'
  /** Whether it was served without contact to the store. */
  readonly isDegraded: boolean
}

interface LeaseRequest {
  /** Minimum remaining lifetime. 0 to 3,600,000. Default: 30,000, or less while a replacement is slow. */
  readonly minTtlMs?: number
  /** Id of a token to which Salesforce answered 401. The answer must be another token. */
  readonly rejected?: string
  /** The client keeps the token, and takes none that ends soon. Instead of `minTtlMs`. */
  readonly isLasting?: boolean
  readonly requestId: string
}

interface Missed {
  /** Without word from the store. */
  readonly isDegraded: boolean
  /** How long the caller waits for the replacement of a lease that ends soon. Undefined: as long as for its first lease. */
  readonly waitMs: number | undefined
  readonly by: Actor
}

export type Broker = ReturnType<typeof createBroker>

export interface BrokerDependencies {
  readonly reader: LeaseReader & {
    /** What is frozen is not handed out. */
    readonly freezes: Pick<FreezeGate, 'isCurrent' | 'ready' | 'check'>
  }
  /** Mints, and learns how long the tokens live. */
  readonly life: LifeLearner
  readonly degraded: DegradedMode
  readonly due: Pick<DueIndex, 'mark'>
  /** Remembers what degraded mode needs. */
  readonly prepare: (integration: Integration) => Promise<void>
  readonly now: () => number
  /** Called if a used lease could not be marked, or its integration not be prepared. */
  readonly onTrouble: (error: unknown) => void
}

/** A name that no integration has. */
const NOWHERE = 'nowhere-5f1d2c6a-valetkey-looks-for-what-is-not-there'

const USUAL_MIN_TTL_MS = 30_000
/** How long a caller without `min_ttl` waits for the replacement of a valid lease. */
const REPLACEMENT_WAIT_MS = 250
/** The same for a caller with `isLasting`. Some clients ask a second time after 3 s. */
const LASTING_WAIT_MS = 2_000
/** The replacement of a lease for callers with `isLasting` begins so long before they would wait for it. */
const EARLY_MS = 30_000
const EARLY: Actor = { ...NOBODY, requestId: 'refresh-ahead' }

/** Number of integrations whose use is remembered. */
const REMEMBERED = 100_000

export function createBroker(dependencies: BrokerDependencies) {
  const { reader, life, degraded, due, prepare, now, onTrouble } = dependencies
  const { freezes } = reader
  /** Leases that this replica marked as used. */
  const marked = new WeakSet<Lease>()
  /** Valid leases whose replacement is slow. */
  const overdue = new WeakSet<Lease>()
  /** Leases whose replacement began early. */
  const early = new WeakSet<Lease>()
  /** By integration: the mint time of the last lease that was handed out. The lease object may be another one after a read. */
  const handedOut = new Map<string, number>()

  const note = ({ integration, mintedAt }: Lease) => {
    if (handedOut.size > REMEMBERED) handedOut.clear()
    handedOut.set(integration, mintedAt)
  }

  /** Runs in the background, once for each lease. Unused leases are not refreshed. */
  const markUsed = ({ integration }: Entry, lease: Lease) => {
    if (marked.has(lease)) return
    marked.add(lease)
    note(lease)
    const work = [due.mark(integration.name, lease.refreshAt), prepare(integration)]
    Promise.all(work).catch((error: unknown) => {
      marked.delete(lease)
      onTrouble(error)
    })
  }

  const hit = (entry: Entry, lease: Lease, isDegraded: boolean): Served => {
    if (!isDegraded || reader.isSlow()) markUsed(entry, lease)
    if (lease.learnBy !== undefined) life.read(lease)
    return { lease, via: 'hit', isDegraded }
  }

  /** Runs in the background, once for each lease. */
  const replaceEarly = (entry: Entry, lease: Lease) => {
    if (early.has(lease) || lastsLong(lease, now(), EARLY_MS)) return
    early.add(lease)
    const { mintedAt } = lease
    const { result } = life.coordinator.run(entry, { kind: 'replace', mintedAt }, EARLY)
    // The audit has the refusal, and a caller that gets too little tries again.
    result.catch(() => undefined)
  }

  /** Whether the replacement of a valid lease ends within the wait. After one caller waited in vain, no other waits. */
  const isSoon = async (
    replacement: Promise<unknown>,
    lease: Lease,
    ms: number,
  ): Promise<boolean> => {
    const settled = replacement.then(
      () => true,
      () => true,
    )
    if (overdue.has(lease)) return false
    if (await waitFor(settled, { ms, late: () => false })) return true
    overdue.add(lease)
    return false
  }

  const miss = async (
    entry: Entry,
    requirement: TokenRequirement,
    { isDegraded, waitMs, by }: Missed,
  ): Promise<Served> => {
    const { result, joined } = isDegraded
      ? degraded.mint(entry, requirement, by)
      : life.coordinator.run(entry, requirement, by)
    const living = () => livingIn(entry, requirement, now())
    const spare = waitMs === undefined ? undefined : living()
    try {
      if (spare && waitMs !== undefined && !(await isSoon(result, spare, waitMs)) && living()) {
        return hit(entry, spare, isDegraded)
      }
      const minted = await waitFor(result, MINT_WAIT)
      const { lease, isFresh, isSaved } = minted
      note(lease)
      return { lease, via: isFresh && !joined ? 'miss' : 'collapsed', isDegraded: !isSaved }
    } catch (error) {
      const lease = living()
      if (lease) return hit(entry, lease, isDegraded)
      throw error
    }
  }

  const serve = (
    { entry, isDegraded }: LeaseReading,
    name: string,
    principal: Principal,
    request: LeaseRequest,
    isLast = false,
  ): Served | Promise<Served> => {
    const { requestId } = request
    const known = servable(entry, name, principal)
    freezes.check(known.integration, known.lease)
    const requirement = requirementOf(request)
    const lease = answerWithLease(known, requirement, isDegraded)
    if (lease) {
      if (request.isLasting && !isDegraded) replaceEarly(known, lease)
      return hit(known, lease, isDegraded)
    }
    const by = { principal: principal.id, requestId }
    const waitMs = waitMsOf(request)
    const minted = miss(known, requirement, { isDegraded, waitMs, by }).then((served) => {
      // It may have been frozen during the mint.
      freezes.check(known.integration, served.lease)
      return served
    })
    if (isDegraded || isLast) return minted
    return minted.catch(async (error: unknown) => {
      if (!isStoreTrouble(error)) throw error
      // The store became unavailable during the mint.
      const reading = await reader.read(name, answersFromMemory(requirement))
      return serve(reading, name, principal, request, true)
    })
  }

  const answerWithLease = (
    entry: Entry,
    requirement: TokenRequirement,
    isDegraded: boolean,
  ): Lease | undefined => {
    if (isDegraded) {
      const own = degraded.lease(entry)
      const isNewest = own && own.mintedAt > (entry.lease?.mintedAt ?? 0)
      if (isNewest && satisfies(own, requirement, now())) return own
    }
    try {
      return answerIn(entry, requirement, now())
    } catch (error) {
      const lease = livingIn(entry, requirement, now())
      if (lease) return lease
      throw error
    }
  }

  /** Whether a lease or a problem answers, without a mint. */
  const answersFromMemory = (requirement: TokenRequirement) => (entry: Entry) => {
    try {
      return answerWithLease(entry, requirement, true) !== undefined
    } catch {
      return true
    }
  }

  const find = (
    name: string,
    principal: Principal,
    request: LeaseRequest,
  ): Served | Promise<Served> => {
    const entry = reader.trusted(name)
    const isSeen = entry !== undefined && maySee(entry, name, principal)
    if (isSeen && freezes.isCurrent()) {
      return serve({ entry, isDegraded: false }, name, principal, request)
    }
    if (!mightAllow(principal, 'tokens:read', name)) throw refusalFor(principal, name)
    // Labels forbid this integration. A missing one takes a read, so this one must take as long.
    if (entry && !isSeen) {
      return reader
        .read(NOWHERE, () => false)
        .then(() => {
          throw forbidden()
        })
    }
    return reader
      .read(name, answersFromMemory(requirementOf(request)))
      .catch((error: unknown) => {
        // The labels are unknown, so a principal with a label limit learns nothing.
        throw isUnusable(error) && !maySee(undefined, name, principal) ? forbidden() : error
      })
      .then(async (reading) => {
        if (!reading.isDegraded) await freezes.ready()
        return serve(reading, name, principal, request)
      })
  }

  return {
    /** A hit returns at once, without a promise. */
    lease: find,
    /** Throws what `lease` would throw now. For a principal whose permission may have changed while it waited. */
    requireStill(name: string, principal: Principal): void {
      const entry = reader.trusted(name)
      if (entry) {
        const { integration, lease } = servable(entry, name, principal)
        freezes.check(integration, lease)
      }
      // Without the store, only remembered data decides.
      else if (!mightAllow(principal, 'tokens:read', name)) throw refusalFor(principal, name)
    },
    /** This replica handed it out, so it is refreshed before its end. */
    isInUse: ({ integration, mintedAt }: Lease): boolean => handedOut.get(integration) === mintedAt,
  }
}

const requirementOf = ({
  minTtlMs = USUAL_MIN_TTL_MS,
  rejected,
  isLasting = false,
}: LeaseRequest): TokenRequirement =>
  rejected === undefined
    ? { kind: 'need', minTtlMs, isLasting }
    : { kind: 'rejected', tokenId: rejected }

function waitMsOf({ minTtlMs, isLasting }: LeaseRequest): number | undefined {
  if (isLasting) return LASTING_WAIT_MS
  return minTtlMs === undefined ? REPLACEMENT_WAIT_MS : undefined
}

/** The request ends, but the mint continues and serves the next request. */
const MINT_WAIT = {
  ms: DEADLINE_MS,
  late: () => {
    throw tooLate()
  },
}
