/** What is known of an integration's lease: memory while it may be trusted, else the store, else memory for a while. */
import { BrokerError, isStoreAway, isStoreTrouble } from '../../errors/errors.ts'
import { waitFor } from '../../runtime/timeout.ts'
import type { ChangeSubscription } from '../../store/change-subscription.ts'
import type { Outcomes } from '../../store/store.ts'
import type { SingleFlight } from '../mint/single-flight.ts'
import type { Entry, LeaseCache } from './lease-cache.ts'

export interface LeaseReading {
  /** Undefined: there is no such integration. */
  readonly entry: Entry | undefined
  /** From memory, since the store cannot be reached, or is slow. */
  readonly isStoreless: boolean
}

export interface LeaseReader {
  /** From memory, while this replica hears the store. */
  trusted(name: string): Entry | undefined
  /** One shared read of the store; memory, where the store does not answer in time or is slow: at once where memory is enough, else once the store is known to be gone. Throws `store_unavailable`. */
  read(name: string, isEnough: (known: Entry) => boolean): Promise<LeaseReading>
  /** From the store and from nowhere else. Throws `store_unavailable`. */
  look(name: string): Promise<Entry | undefined>
  /** The store is there, though nobody waits for it where memory is enough. */
  isSlow(): boolean
}

export interface LeaseReaderDependencies {
  readonly cache: LeaseCache
  readonly outcomes: Pick<Outcomes, 'look'>
  readonly flights: Pick<SingleFlight, 'join'>
  readonly hearing: Pick<ChangeSubscription, 'isHearing'>
  /** The store answers, and too late for callers to wait. */
  readonly isSlow: () => boolean
  readonly monotonic: () => number
  readonly sleep: (ms: number) => Promise<void>
  /** How long leases in memory may serve without word from the store. */
  readonly storelessMs: number
}

/** How long a request that could be answered from memory waits for a store that is not heard. */
const WAIT_MS = 40
/** After a read that failed though the store is heard, for how long nobody waits at all: the store is asked in the background. */
const DOWN_MS = 250
/** How long a request that could be answered from memory waits for a store that is heard: with what its caller's key may wait, less than a second. */
const HEARD_WAIT_MS = 550
/** How long a read goes on with a store that is heard but cannot be asked. */
const PATIENCE_MS = 1_000
const RETRY_MS = 50

export function createLeaseReader(dependencies: LeaseReaderDependencies): LeaseReader {
  const { cache, outcomes, flights, hearing, isSlow } = dependencies
  const { monotonic, sleep, storelessMs } = dependencies
  /** When the last read proved late or failed; infinitely long ago once one was answered. */
  let failedAt = Number.NEGATIVE_INFINITY

  /** Nobody waits for a store that is slow, or that did not answer and is not heard; where it is heard, only for a moment. */
  const isDown = () => {
    if (isSlow()) return true
    if (failedAt === Number.NEGATIVE_INFINITY) return false
    return !hearing.isHearing() || monotonic() < failedAt + DOWN_MS
  }

  const look = async (name: string): Promise<Entry | undefined> => {
    const ticket = cache.begin()
    const found = await outcomes.look(name)
    failedAt = Number.NEGATIVE_INFINITY
    return found && cache.fill(ticket, found)
  }

  /** What is heard on one connection will soon be reached on the other. */
  const patientLook = async (name: string): Promise<Entry | undefined> => {
    const until = monotonic() + PATIENCE_MS
    for (;;) {
      try {
        return await look(name)
      } catch (error) {
        if (!isStoreAway(error) || !hearing.isHearing() || monotonic() > until) throw error
        await sleep(RETRY_MS)
      }
    }
  }

  /** A request that comes after an acknowledged change never joins a read that began before it. */
  const sharedLook = (name: string): Promise<Entry | undefined> =>
    flights.join(`look:${name}:${cache.floor(name)}`, () => patientLook(name)).result

  /** Whoever hears the store has no excuse for what it missed before: memory from before a gap waits for the read. */
  const waitMs = (known: Entry, isEnough: (known: Entry) => boolean): number | undefined => {
    // A store that is merely slow is no reason to mint without it.
    if (!isEnough(known)) return undefined
    if (isDown()) return 0
    return hearing.isHearing() ? HEARD_WAIT_MS : WAIT_MS
  }

  /** As it is now, not as it was when the wait began. Undefined where something else is there that is not enough. */
  const fromMemory = (
    was: Entry,
    isEnough: (known: Entry) => boolean,
  ): LeaseReading | undefined => {
    const { name } = was.integration
    const known = cache.known(name)
    if (!known || (known.ticket !== was.ticket && !isEnough(known))) return undefined
    if (cache.silentForMs(name) > storelessMs) {
      if (isSlow()) return undefined
      throw unreachable()
    }
    return { entry: known, isStoreless: true }
  }

  const fromStore = async (name: string): Promise<LeaseReading> => ({
    entry: await sharedLook(name),
    isStoreless: false,
  })

  return {
    trusted: cache.trusted,
    look,
    isSlow,
    async read(name, isEnough) {
      const known = cache.known(name)
      if (!known) return fromStore(name)
      const pending = sharedLook(name)
      const found = await outcomeOf(pending, waitMs(known, isEnough))
      if (found.state === 'answered') return { entry: found.value, isStoreless: false }
      if (found.state === 'failed' && !isStoreTrouble(found.error)) throw found.error
      failedAt = monotonic()
      // A change of it was heard meanwhile, so the store is there, and nothing else knows more.
      return fromMemory(known, isEnough) ?? fromStore(name)
    },
  }
}

const unreachable = () =>
  new BrokerError('store_unavailable', 'The store has not been heard from for too long', {
    retryAfterMs: 1_000,
  })

type Outcome<Value> =
  | { readonly state: 'answered'; readonly value: Value }
  | { readonly state: 'failed'; readonly error: unknown }
  | { readonly state: 'late' }

/** Whoever does not wait for the end leaves no rejection behind. */
function outcomeOf<Value>(
  pending: Promise<Value>,
  ms: number | undefined,
): Promise<Outcome<Value>> {
  const outcome = pending.then(
    (value): Outcome<Value> => ({ state: 'answered', value }),
    (error: unknown): Outcome<Value> => ({ state: 'failed', error }),
  )
  return waitFor(outcome, { ms, late: () => ({ state: 'late' }) })
}
