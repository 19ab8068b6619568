/** A mint that an operator watches: nothing that is remembered keeps it back, and what comes of it is remembered. */

import type { Actor } from '../../audit/event.ts'
import { isAtSource } from '../../grants/refusals/refusals.ts'
import type { TokenSubject } from '../../identity/subject.ts'
import { type Integration, presentsRefreshToken } from '../../integrations/integration.ts'
import type { Log } from '../../runtime/runtime.ts'
import { within } from '../../runtime/timeout.ts'
import type { Outcomes } from '../../store/store.ts'
import type { Lease } from '../serve/lease.ts'
import type { Entry } from '../serve/lease-cache.ts'
import type { Breaker } from './breaker.ts'
import type { LoginBudget } from './login-budget.ts'
import type { Minter } from './mint.ts'
import { isNotConnected } from './mint-coordinator.ts'
import { inItsTime, isTransient, remember } from './refusal-memory.ts'
import type { SingleFlight } from './single-flight.ts'

export interface DoctorMint {
  /** One login of those that the doctor may make. Throws `login_budget_exhausted`. */
  charge(integration: Integration): Promise<void>
  /** One round over the credentials, without a retry. Its token may become the lease. `charge` comes before each request. Throws what a mint throws. */
  mint(integration: Integration, charge: () => Promise<void>, by: Actor): Promise<Lease>
}

export interface DoctorMintDependencies {
  readonly look: (name: string) => Promise<Entry | undefined>
  readonly outcomes: Pick<Outcomes, 'save' | 'forgetRefusal'>
  readonly minter: Pick<Minter, 'mint'>
  readonly budget: LoginBudget
  readonly flights: Pick<SingleFlight, 'join' | 'underLock'>
  readonly breaker: Pick<Breaker, 'succeeded'>
  readonly subjectOf: (integration: Integration) => Promise<TokenSubject | undefined>
  /** Makes the token the lease, where it is another one. Never throws. */
  readonly adopt: (lease: Lease, by: Actor) => Promise<void>
  /** Must not throw. */
  readonly onRefused: (name: string, error: unknown, by: Actor) => void
  readonly now: () => number
  /** Milliseconds of a clock that never steps. */
  readonly monotonic: () => number
  readonly sleep: (ms: number) => Promise<void>
  readonly log: Pick<Log, 'warn'>
}

/** No further credential is tried after it. */
const DEADLINE_MS = 5_000
/** For so long another mint is let go first; one that hangs is just what an operator wants to know. */
const PATIENCE_MS = 1_000
const POLL_MS = 100

export function createDoctorMint(dependencies: DoctorMintDependencies): DoctorMint {
  const { look, outcomes, minter, budget, flights, breaker, subjectOf } = dependencies
  const { adopt, onRefused, now, monotonic, sleep, log } = dependencies

  /** So that callers are told what the doctor found, and do not ask Salesforce the same again. */
  const keep = async ({ name, uid }: Integration, error: unknown): Promise<void> => {
    try {
      const entry = await look(name)
      if (entry?.integration.uid !== uid) return
      const refusal = remember(error, entry.integration.version, entry.refusal, now())
      if (refusal) await outcomes.save(name, { uid, orev: entry.orev }, { refusal })
    } catch (trouble) {
      log.warn({ err: trouble, integration: name }, 'what the doctor found could not be kept')
    }
  }

  /** With the lock, if it can be had: then those who need a token wait for this one. */
  const inTurn = async (name: string, work: () => Promise<Lease>): Promise<Lease> => {
    const until = monotonic() + PATIENCE_MS
    do {
      const held = await flights.underLock(name, work)
      if (held) return held.result
      await sleep(POLL_MS)
    } while (monotonic() < until)
    return work()
  }

  const attempt = async (
    integration: Integration,
    charge: () => Promise<void>,
    by: Actor,
  ): Promise<Lease> => {
    const { name, loginUrl, updatedAt } = integration
    const { host } = new URL(loginUrl)
    let hasAsked = false
    const chargeAndForget = async () => {
      await charge()
      // Not before: without a login nothing new would take its place.
      if (!hasAsked) await outcomes.forgetRefusal(name)
      hasAsked = true
    }
    try {
      const deadlineAt = monotonic() + DEADLINE_MS
      const options = { charge: chargeAndForget, deadlineAt, hasWorked: async () => false }
      const mint = (signal: AbortSignal) => minter.mint(name, { ...options, signal })
      const dispose = (late: Lease) => void adopt(late, by)
      const lease = presentsRefreshToken(integration)
        ? await minter.mint(name, options)
        : await within(DEADLINE_MS, mint, { dispose })
      breaker.succeeded(host)
      await adopt(lease, by)
      return lease
    } catch (thrown) {
      const error = inItsTime(thrown, updatedAt, now())
      if (!hasAsked) throw error
      if (!isTransient(error) && !isAtSource(error)) breaker.succeeded(host)
      if (!isNotConnected(error)) onRefused(name, error, by)
      await keep(integration, error)
      throw error
    }
  }

  return {
    async charge(integration) {
      await budget.charge(integration, await subjectOf(integration), 'doctor')
    },
    mint(integration, charge, by) {
      const { name, uid, version } = integration
      const work = () => inTurn(name, () => attempt(integration, charge, by))
      return flights.join(`doctor:${uid}:${version}`, work).result
    },
  }
}
