/** Hands out leases. A hit comes from memory without a wait. A miss is one mint for all replicas. */
import type { Actor } from '../../audit/event.ts'
import { allows, isLimited, mightAllow, type Principal } from '../../callers/policy.ts'
import { BrokerError, isStoreTrouble } from '../../errors/errors.ts'
import { draftError, type Integration, missingIn } from '../../integrations/integration.ts'
import { waitFor } from '../../runtime/timeout.ts'
import { isUnusable } from '../../store/integrity/record-schema.ts'
import type { DueIndex } from '../../store/store.ts'
import type { LifeLearner } from '../mint/life-learner.ts'
import { DEADLINE_MS, tooLate } from '../mint/mint-coordinator.ts'
import type { DegradedMode } from './degraded-mode.ts'
import type { Lease } from './lease.ts'
import type { Entry } from './lease-cache.ts'
import type { LeaseReader, LeaseReading } from './lease-reader.ts'
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
  readonly requestId: string
}

interface Missed {
  /** Without word from the store. */
  readonly isDegraded: boolean
  /** Whether a lease that ends soon is better than a long wait. */
  readonly takesLess: boolean
  readonly by: Actor
}

export type Broker = ReturnType<typeof createBroker>

export interface BrokerDependencies {
  readonly reader: LeaseReader
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

/** Number of integrations whose use is remembered. */
const REMEMBERED = 100_000

export function createBroker(dependencies: BrokerDependencies) {
  const { reader, life, degraded, due, prepare, now, onTrouble } = dependencies
  /** Leases that this replica marked as used. */
  const marked = new WeakSet<Lease>()
  /** Valid leases whose replacement is slow. */
  const overdue = new WeakSet<Lease>()
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

  /** Whether the replacement of a valid lease ends within the wait. After one caller waited in vain, no other waits. */
  const isSoon = async (replacement: Promise<unknown>, lease: Lease): Promise<boolean> => {
    const settled = replacement.then(
      () => true,
      () => true,
    )
    if (overdue.has(lease)) return false
    if (await waitFor(settled, { ms: REPLACEMENT_WAIT_MS, late: () => false })) return true
    overdue.add(lease)
    return false
  }

  const miss = async (
    entry: Entry,
    requirement: TokenRequirement,
    { isDegraded, takesLess, by }: Missed,
  ): Promise<Served> => {
    const { result, joined } = isDegraded
      ? degraded.mint(entry, requirement, by)
      : life.coordinator.run(entry, requirement, by)
    const living = () => livingIn(entry, requirement, now())
    const spare = takesLess ? living() : undefined
    try {
      if (spare && !(await isSoon(result, spare)) && living()) return hit(entry, spare, isDegraded)
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
    const requirement = requirementOf(request)
    const lease = answerWithLease(known, requirement, isDegraded)
    if (lease) return hit(known, lease, isDegraded)
    const by = { principal: principal.id, requestId }
    const takesLess = request.minTtlMs === undefined
    const minted = miss(known, requirement, { isDegraded, takesLess, by })
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
    if (entry && maySee(entry, name, principal)) {
      return serve({ entry, isDegraded: false }, name, principal, request)
    }
    if (!mightAllow(principal, 'tokens:read', name)) throw refusalOf(principal, name)
    // Labels forbid this integration. A missing one takes a read, so this one must take as long.
    if (entry) {
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
      .then((reading) => serve(reading, name, principal, request))
  }

  return {
    /** A hit returns at once, without a promise. */
    lease: find,
    /** Throws what `lease` would throw now. For a principal whose permission may have changed while it waited. */
    requireStill(name: string, principal: Principal): void {
      const entry = reader.trusted(name)
      if (entry) servable(entry, name, principal)
      // Without the store, only remembered data decides.
      else if (!mightAllow(principal, 'tokens:read', name)) throw refusalOf(principal, name)
    },
    /** This replica handed it out, so it is refreshed before its end. */
    isInUse: ({ integration, mintedAt }: Lease): boolean => handedOut.get(integration) === mintedAt,
  }
}

const requirementOf = ({
  minTtlMs = USUAL_MIN_TTL_MS,
  rejected,
}: LeaseRequest): TokenRequirement =>
  rejected === undefined ? { kind: 'need', minTtlMs } : { kind: 'rejected', tokenId: rejected }

const maySee = (entry: Entry | undefined, name: string, principal: Principal): boolean =>
  allows(principal, 'tokens:read', entry ? { name, labels: entry.integration.labels } : { name })

/** Decided without a lookup, so that it does not tell whether the integration exists. */
const refusalOf = (principal: Principal, name: string): BrokerError =>
  isLimited(principal, 'tokens:read', name)
    ? new BrokerError(
        'request_not_allowed',
        'You may read tokens of this integration for other requests than this one',
      )
    : forbidden()

const forbidden = () =>
  new BrokerError('caller_forbidden', 'You may not read tokens of this integration')

/** The integration, if this principal may get its tokens. */
function servable(entry: Entry | undefined, name: string, principal: Principal): Entry {
  if (!maySee(entry, name, principal)) throw forbidden()
  if (!entry) {
    throw new BrokerError('integration_not_found', 'No integration has this name')
  }
  const { integration } = entry
  if (!integration.serveTokens) {
    throw new BrokerError(
      'caller_forbidden',
      'The token of this integration stays inside the broker',
    )
  }
  if (!integration.enabled) {
    throw new BrokerError('integration_disabled', 'The integration is disabled')
  }
  const missing = missingIn(integration)
  if (missing.length > 0) throw draftError(missing)
  return entry
}

/** The request ends, but the mint continues and serves the next request. */
const MINT_WAIT = {
  ms: DEADLINE_MS,
  late: () => {
    throw tooLate()
  },
}
