/** A mint for the doctor. It ignores remembered refusals, and its result is remembered. */
import type { Actor } from '../../audit/event.ts'
import { isAtSource } from '../../grants/refusals/refusals.ts'
import type { Integration } from '../../integrations/integration.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import type { Lease } from '../serve/lease.ts'
import type { LeaseRecords } from './lease-records.ts'
import type { Logins } from './logins.ts'
import type { SigningClient } from './mint.ts'
import type { MintAudit } from './mint-event.ts'
import { inItsTime, isTransient } from './refusal-memory.ts'
import type { SingleFlight } from './single-flight.ts'

export interface DoctorMint {
  /** Charges one login to the budget of the doctor. Throws `login_budget_exhausted`. */
  charge(integration: Integration): Promise<void>
  /** The current integration with the client that a mint would try first. Throws what a mint throws before its request. */
  client(name: string): Promise<SigningClient>
  /** The lease that is there, without a mint. Undefined: there is none, or it is over. */
  held(name: string): Promise<Lease | undefined>
  /** Tries each credential once, without retries. The token may become the lease. Calls `charge` before each request. Throws what a mint throws. */
  mint(integration: Integration, charge: () => Promise<void>, by: Actor): Promise<Lease>
}

interface DoctorMintDependencies {
  readonly records: LeaseRecords
  readonly logins: Logins
  readonly flights: Pick<SingleFlight, 'join' | 'underLock'>
  readonly audit: MintAudit
  readonly runtime: Pick<Runtime, 'now' | 'monotonic' | 'sleep'>
  readonly log: Pick<Log, 'warn'>
}

/** After this time, no further credential is tried. */
const DEADLINE_MS = 5_000
/** Longest wait for the lock of another mint. The doctor must also work while that mint hangs. */
const LOCK_WAIT_MS = 1_000
const POLL_MS = 100

export function createDoctorMint(dependencies: DoctorMintDependencies): DoctorMint {
  const { records, logins, flights, audit, runtime, log } = dependencies
  const { now, monotonic, sleep } = runtime

  /** Remembers the refusal, so that callers get this result without another request to Salesforce. */
  const keep = async ({ name, uid }: Integration, error: unknown): Promise<void> => {
    try {
      const entry = await records.look(name)
      if (entry?.integration.uid === uid) await records.saveRefusal(entry, error)
    } catch (err) {
      log.warn({ err, integration: name }, 'the result of the doctor could not be stored')
    }
  }

  /** Runs under the lock if possible. Then other requests for a token wait for this mint. */
  const inTurn = async (name: string, work: () => Promise<Lease>): Promise<Lease> => {
    const until = monotonic() + LOCK_WAIT_MS
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
    const { name, updatedAt } = integration
    let hasAsked = false
    const chargeAndForget = async () => {
      await charge()
      // Only after a login: otherwise the refusal is deleted and nothing replaces it.
      if (!hasAsked) await records.forgetRefusal(name)
      hasAsked = true
    }
    try {
      const lease = await logins.once(integration, {
        charge: chargeAndForget,
        deadlineAt: monotonic() + DEADLINE_MS,
        hasWorked: async () => false,
        onLate: (late) => void records.adopt(late, by),
      })
      logins.answered(integration)
      await records.adopt(lease, by)
      return lease
    } catch (thrown) {
      const error = inItsTime(thrown, updatedAt, now())
      if (!hasAsked) throw error
      if (!isTransient(error) && !isAtSource(error)) logins.answered(integration)
      audit.refused(name, error, by)
      await keep(integration, error)
      throw error
    }
  }

  return {
    async charge(integration) {
      await logins.charge(integration, await logins.subjectOf(integration), 'doctor')
    },
    client: logins.client,
    async held(name) {
      const lease = (await records.look(name))?.lease
      return lease && lease.expiresAt > now() ? lease : undefined
    },
    mint(integration, charge, by) {
      const { name, uid, version } = integration
      const work = () => inTurn(name, () => attempt(integration, charge, by))
      return flights.join(`doctor:${uid}:${version}`, work).result
    },
  }
}
