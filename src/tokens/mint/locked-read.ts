/** Takes the lock of an integration and reads what its mint needs, in one round trip to the store. */
import type { StoredSubject } from '../../identity/subject.ts'
import type { Integration } from '../../integrations/integration.ts'
import type { Entry } from '../serve/lease-cache.ts'
import type { LeaseRecords } from './lease-records.ts'
import type { TakenLock } from './login-budget.ts'
import type { Logins } from './logins.ts'
import type { MintRecords } from './opened-integration.ts'
import type { SingleFlight, TakeLock } from './single-flight.ts'

/** Read under the lock. A retry reads it again. A failure is thrown where it is used. */
interface ReadParts {
  readonly records?: Promise<MintRecords>
  readonly subject?: Promise<StoredSubject | undefined>
}

/** Input of a mint under the lock. */
export interface Ready extends ReadParts {
  readonly entry: Entry
  /** Knows the login that was charged with the lock. */
  readonly taken?: TakenLock | undefined
}

interface LockedReadDependencies {
  readonly records: Pick<LeaseRecords, 'require'>
  readonly logins: Pick<Logins, 'read' | 'subjectOf' | 'userOf' | 'chargeUnderLock'>
  readonly flights: Pick<SingleFlight, 'readUnderLock'>
}

type Held<Result> = { readonly result: Result } | undefined

export function createLockedRead({ records, logins, flights }: LockedReadDependencies) {
  const readParts = (integration: Integration): ReadParts => {
    const read = logins.read(integration)
    const subject = logins.subjectOf(integration)
    for (const asked of [read, subject]) asked.catch(() => undefined)
    return { records: read, subject }
  }

  /** Another integration may have this name now. */
  const readyWith = (entry: Entry, { uid }: Integration, parts: ReadParts): Ready =>
    entry.integration.uid === uid ? { entry, ...parts } : { entry }

  const read = async (integration: Integration): Promise<Ready> => {
    const looking = records.require(integration.name)
    const parts = readParts(integration)
    return readyWith(await looking, integration, parts)
  }

  return {
    /** What a mint needs, without the lock. */
    read,
    /** Runs `work` under the lock. Undefined: another replica holds it. */
    underLock<Result>(
      integration: Integration,
      work: (ready: Ready) => Promise<Result>,
    ): Promise<Held<Result>> {
      return flights.readUnderLock(integration.name, () => read(integration), work)
    },
    /** The same, and charges a login together with the lock. The store compares the outcome with `known` then, so it is not read again if it is the same. */
    underPaidLock<Result>(
      known: Entry,
      work: (ready: Ready) => Promise<Result>,
    ): Promise<Held<Result>> {
      const { integration, orev } = known
      const { name } = integration
      const user = logins.userOf(known)
      let taken: TakenLock | undefined
      const take: TakeLock = async (owner, ttlMs) => {
        taken = await logins.chargeUnderLock(integration, user, { owner, ttlMs, orev })
        return taken !== undefined
      }
      const ready = async (parts: ReadParts): Promise<Ready> => {
        const entry = taken?.isUnchanged ? known : await records.require(name)
        return { ...readyWith(entry, integration, parts), taken }
      }
      return flights.readUnderLock(
        name,
        async () => readParts(integration),
        async (parts) => work(await ready(parts)),
        take,
      )
    },
  }
}
