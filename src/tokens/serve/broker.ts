/** Hands out leases: a hit from memory without waiting for anything, a miss by one mint for the whole fleet. */
import type { Actor } from '../../audit/event.ts'
import { allows, mightAllow, type Principal } from '../../callers/policy.ts'
import { NAMED_IN_ANSWERS } from '../../callers/reference-table.ts'
import { BrokerError, isStoreTrouble } from '../../errors/errors.ts'
import { draftError, type Integration, missingIn } from '../../integrations/integration.ts'
import { waitFor } from '../../runtime/timeout.ts'
import { isUnusable } from '../../store/integrity/record-schema.ts'
import type { DueIndex } from '../../store/store.ts'
import { DEADLINE_MS, type MintCoordinator, tooLate } from '../mint/mint-coordinator.ts'
import type { DegradedMode } from './degraded-mode.ts'
import type { Lease } from './lease.ts'
import type { Entry } from './lease-cache.ts'
import type { LeaseReader, LeaseReading } from './lease-reader.ts'
import { answerIn, satisfies, type TokenRequirement } from './token-requirement.ts'

export interface Served {
  readonly lease: Lease
  /** `collapsed`: waited for a mint that another began. */
  readonly via: 'hit' | 'miss' | 'collapsed'
  /** Without word from the store. */
  readonly isDegraded: boolean
}

interface LeaseRequest {
  /** How long the token must be good for. 0 to 3,600,000. */
  readonly minTtlMs: number
  /** Salesforce answered 401 to this token: another one is wanted. */
  readonly rejected?: string
  readonly requestId: string
}

export type Broker = ReturnType<typeof createBroker>

export interface BrokerDependencies {
  readonly reader: LeaseReader
  readonly coordinator: MintCoordinator
  readonly degraded: DegradedMode
  readonly due: Pick<DueIndex, 'mark'>
  /** Makes ready for a time without the store. */
  readonly prepare: (integration: Integration) => Promise<void>
  readonly now: () => number
  /** A lease in use could not be marked for its refresh, or its integration not be made ready. */
  readonly onTrouble: (error: unknown) => void
}

/** A name that nobody gives to an integration. */
const NOWHERE = 'nowhere-5f1d2c6a-valetkey-looks-for-what-is-not-there'

/** How many integrations it remembers the use of. */
const REMEMBERED = 100_000

export function createBroker(dependencies: BrokerDependencies) {
  const { reader, coordinator, degraded, due, prepare, now, onTrouble } = dependencies
  /** Leases that this replica has marked as used. */
  const marked = new WeakSet<Lease>()
  /** By integration, when the lease was minted that was handed out last: it may be read from the store again. */
  const handedOut = new Map<string, number>()

  const note = ({ integration, mintedAt }: Lease) => {
    if (handedOut.size > REMEMBERED) handedOut.clear()
    handedOut.set(integration, mintedAt)
  }

  /** In the background, once for each lease: what nobody reads is not refreshed. */
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
    return { lease, via: 'hit', isDegraded }
  }

  const miss = async (
    entry: Entry,
    requirement: TokenRequirement,
    isDegraded: boolean,
    by: Actor,
  ): Promise<Served> => {
    const { result, joined } = isDegraded
      ? degraded.mint(entry, requirement, by)
      : coordinator.run(entry, requirement, by)
    try {
      const { lease, isFresh, isSaved } = await waitFor(result, MINT_WAIT)
      note(lease)
      return { lease, via: isFresh && !joined ? 'miss' : 'collapsed', isDegraded: !isSaved }
    } catch (error) {
      // A lease that is still good wins over every refusal, even if it is shorter than asked for.
      const { lease } = entry
      if (requirement.kind === 'need' && lease && lease.expiresAt > now()) {
        return hit(entry, lease, isDegraded)
      }
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
    const minted = miss(known, requirement, isDegraded, by)
    if (isDegraded || isLast) return minted
    return minted.catch(async (error: unknown) => {
      if (!isStoreTrouble(error)) throw error
      // The store went away under the mint, for long or for a moment.
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
    const { lease } = entry
    try {
      return answerIn(entry, requirement, now())
    } catch (error) {
      if (requirement.kind === 'need' && lease && lease.expiresAt > now()) return lease
      throw error
    }
  }

  /** With a lease or with a problem; anything but a mint. */
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
    if (!mightAllow(principal, 'tokens:read', name)) throw forbidden()
    // One that there is not would be looked for: what is there, and forbidden by its labels, takes as long.
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
        // Its labels are not known, so that nothing is said to those whom they may hide it from.
        throw isUnusable(error) && !maySee(undefined, name, principal) ? forbidden() : error
      })
      .then((reading) => serve(reading, name, principal, request))
  }

  return {
    /** A hit is answered at once, without a promise. */
    lease(name: string, principal: Principal, request: LeaseRequest): Served | Promise<Served> {
      try {
        const found = find(name, principal, request)
        return found instanceof Promise
          ? found.catch((error: unknown) => {
              throw shownTo(principal, error)
            })
          : found
      } catch (error) {
        throw shownTo(principal, error)
      }
    },
    /** For who had to wait for a lease, and may have lost it meanwhile: throws what `lease` would. */
    requireStill(name: string, principal: Principal): void {
      const entry = reader.trusted(name)
      if (entry) servable(entry, name, principal)
      // Without word from the store, nothing newer is known of it.
      else if (!mightAllow(principal, 'tokens:read', name)) throw forbidden()
    },
    /** This replica handed it out, so it is to be replaced before its end. */
    isInUse: ({ integration, mintedAt }: Lease): boolean => handedOut.get(integration) === mintedAt,
  }
}

const requirementOf = ({ minTtlMs, rejected }: LeaseRequest): TokenRequirement =>
  rejected === undefined ? { kind: 'need', minTtlMs } : { kind: 'rejected', tokenId: rejected }

const maySee = (entry: Entry | undefined, name: string, principal: Principal): boolean =>
  allows(principal, 'tokens:read', entry ? { name, labels: entry.integration.labels } : { name })

const forbidden = () =>
  new BrokerError('caller_forbidden', 'You may not read tokens of this integration')

/** The integration, if its tokens may be handed to this principal. */
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

/** The name of the source of a token stands in a problem for those who may see that integration, whatever its labels. */
function shownTo(principal: Principal, error: unknown): unknown {
  if (!(error instanceof BrokerError)) return error
  const { code, detail, status, retryAfterMs, remedy, members } = error
  const { source, ...others } = members
  if (typeof source !== 'string' || allows(principal, NAMED_IN_ANSWERS, { name: source })) {
    return error
  }
  return new BrokerError(code, detail, {
    ...{ cause: error, status, members: others },
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(remedy !== undefined && { remedy }),
  })
}

/** The request ends; the mint continues, and its result serves the next request. */
const MINT_WAIT = {
  ms: DEADLINE_MS,
  late: () => {
    throw tooLate()
  },
}
