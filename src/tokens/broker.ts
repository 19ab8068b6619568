/** Hands out leases, and mints at most one at a time for each integration over the whole fleet. */
import type { Actor } from '../audit/event.ts'
import { allows, type Principal } from '../callers/policy.ts'
import { BrokerError } from '../errors.ts'
import { isDraft } from '../integrations/integration.ts'
import type { Look, Outcomes } from '../store/store.ts'
import type { Hearing } from './hearing.ts'
import { isUsable, type Lease } from './lease.ts'
import type { Entry, LeaseCache } from './lease-cache.ts'
import type { LeaseStore } from './lease-store.ts'
import type { Minter } from './mint.ts'
import type { SingleFlight } from './single-flight.ts'

export interface Served {
  readonly lease: Lease
  /** `collapsed`: waited for a mint that another began. */
  readonly via: 'hit' | 'miss' | 'collapsed'
}

export interface LeaseRequest {
  /** How long the token must be good for. 0 to 3,600,000. */
  readonly minTtlMs: number
  readonly requestId: string
}

export interface Broker {
  /** A hit is answered at once, without a promise. */
  lease(name: string, principal: Principal, request: LeaseRequest): Served | Promise<Served>
}

export interface BrokerDependencies {
  readonly cache: LeaseCache
  readonly outcomes: Pick<Outcomes, 'look'>
  readonly leases: LeaseStore
  readonly flights: SingleFlight
  readonly minter: Minter
  readonly hearing: Pick<Hearing, 'onceChanged'>
  readonly now: () => number
  readonly random: () => number
  /** Called after a new lease was saved; must not throw. */
  readonly onMinted: (entry: Entry, lease: Lease, by: Actor) => void
  /** Called after a mint that brought no token; must not throw. */
  readonly onRefused: (name: string, error: unknown, by: Actor) => void
}

/** The longest that a request waits for a token. */
const DEADLINE_MS = 10_000
/** Those who wait for another replica's mint look by themselves this often, should an announcement be lost. */
const POLL_MS = 250
/** How often a mint is tried whose result the store refused, because the integration changed under it. */
const SAVE_ATTEMPTS = 3

export function createBroker(dependencies: BrokerDependencies): Broker {
  const { cache, outcomes, leases, flights, minter, hearing, now, random } = dependencies
  const { onMinted, onRefused } = dependencies

  const look = async (name: string): Promise<Entry | undefined> => {
    const ticket = cache.begin()
    const found: Look | undefined = await outcomes.look(name)
    return found && cache.fill(ticket, found)
  }

  /** A request that comes after an acknowledged change never joins a read that began before it. */
  const sharedLook = (name: string) =>
    flights.join(`look:${name}:${cache.floor(name)}`, () => look(name)).result

  /** Somebody minted, or was refused, since the caller asked. */
  const answerIn = (entry: Entry, minTtlMs: number): Lease | undefined => {
    const { lease, refusal, integration } = entry
    if (lease && isUsable(lease, now(), minTtlMs)) return lease
    if (refusal && refusal.version === integration.version && refusal.until > now()) {
      throw refusedAgain(refusal.body)
    }
    return undefined
  }

  const mint = async (name: string, by: Actor): Promise<Lease> => {
    try {
      return await minter.mint(name)
    } catch (error) {
      onRefused(name, error, by)
      throw error
    }
  }

  const mintAndSave = async (name: string, minTtlMs: number, by: Actor): Promise<Lease> => {
    for (let tries = 0; tries < SAVE_ATTEMPTS; tries += 1) {
      const entry = await look(name)
      if (!entry)
        throw new BrokerError('integration_not_found', 'There is no integration of this name')
      const answer = answerIn(entry, minTtlMs)
      if (answer) return answer
      const lease = await mint(name, by)
      const saved = await leases.save(lease, { orev: entry.orev }, null)
      if (saved.saved) {
        onMinted(entry, lease, by)
        await look(name)
        return lease
      }
    }
    throw new BrokerError(
      'conflict',
      'The integration was changed three times while a token was minted',
    )
  }

  const fly = async (name: string, minTtlMs: number, by: Actor): Promise<Lease> => {
    const deadline = now() + DEADLINE_MS
    while (now() < deadline) {
      const held = await flights.underLock(name, () => mintAndSave(name, minTtlMs, by))
      if (held) return held.result
      await changed(name)
      const entry = await look(name)
      const answer = entry && answerIn(entry, minTtlMs)
      if (answer) return answer
    }
    throw tooLate()
  }

  /** Wakes at the next change of the integration, or after the poll interval. */
  const changed = (name: string): Promise<void> =>
    new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        stop()
        resolve()
      }
      const timer = setTimeout(done, POLL_MS * (0.5 + random()))
      const stop = hearing.onceChanged(name, done)
    })

  const miss = async (entry: Entry, minTtlMs: number, by: Actor): Promise<Served> => {
    const { name, uid, version } = entry.integration
    const key = `mint:${name}:${uid}:${version}`
    const { result, joined } = flights.join(key, () => fly(name, minTtlMs, by))
    const lease = await withDeadline(result)
    return { lease, via: joined ? 'collapsed' : 'miss' }
  }

  const serve = (
    entry: Entry | undefined,
    name: string,
    principal: Principal,
    { minTtlMs, requestId }: LeaseRequest,
  ): Served | Promise<Served> => {
    const { integration } = authorised(entry, name, principal)
    if (!integration.enabled) {
      throw new BrokerError('integration_disabled', 'The integration is disabled')
    }
    if (isDraft(integration)) {
      throw new BrokerError(
        'integration_draft',
        'The integration has no client id or no credential yet',
      )
    }
    const known = entry as Entry
    const lease = answerIn(known, minTtlMs)
    if (lease) return { lease, via: 'hit' }
    return miss(known, minTtlMs, { principal: principal.id, requestId })
  }

  return {
    lease(name, principal, request) {
      const entry = cache.trusted(name)
      if (entry) return serve(entry, name, principal, request)
      return sharedLook(name).then((found) => serve(found, name, principal, request))
    },
  }
}

function authorised(entry: Entry | undefined, name: string, principal: Principal): Entry {
  const target = entry ? { name, labels: entry.integration.labels } : { name }
  if (!allows(principal, 'tokens:read', target)) {
    throw new BrokerError('caller_forbidden', 'You may not read tokens of this integration')
  }
  if (!entry) throw new BrokerError('integration_not_found', 'There is no integration of this name')
  if (!entry.integration.serveTokens) {
    throw new BrokerError(
      'caller_forbidden',
      'The token of this integration stays inside the broker',
    )
  }
  return entry
}

const tooLate = () =>
  new BrokerError('salesforce_timeout', 'No token came within 10 seconds', { retryAfterMs: 1_000 })

/** The waiter gives up; the mint goes on, and its result serves the next request. */
function withDeadline<Result>(result: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(tooLate()), DEADLINE_MS)
  })
  return Promise.race([result, late]).finally(() => clearTimeout(timer))
}

function refusedAgain(body: string): BrokerError {
  const { detail, members, status, retryAfterMs } = JSON.parse(body)
  return new BrokerError('grant_refused', detail, { members, status, retryAfterMs })
}
