/** What is known of an integration's lease: memory while it may be trusted, else the store, else memory for a while. */
import { BrokerError } from '../../errors/errors.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { ChangeSubscription } from '../../store/change-subscription.ts'
import type { Outcomes } from '../../store/store.ts'
import { storeReadOver, tryAgain } from '../mint/retry.ts'
import type { SingleFlight } from '../mint/single-flight.ts'
import type { Entry, LeaseCache } from './lease-cache.ts'

export interface LeaseReading {
  /** Undefined: there is no such integration. */
  readonly entry: Entry | undefined
  /** From memory, since the store cannot be reached, or is slow. */
  readonly isDegraded: boolean
}

export type LeaseReader = ReturnType<typeof createLeaseReader>

interface LeaseReaderDependencies {
  readonly cache: Pick<
    LeaseCache,
    'trusted' | 'known' | 'servable' | 'inTime' | 'answered' | 'begin' | 'fill' | 'floor'
  >
  readonly outcomes: Pick<Outcomes, 'look'>
  readonly flights: Pick<SingleFlight, 'join'>
  readonly subscription: Pick<ChangeSubscription, 'isCurrent' | 'onceChanged'>
  /** The store answers, and too late for callers to wait. */
  readonly isSlow: () => boolean
  readonly runtime: Pick<Runtime, 'monotonic' | 'random' | 'sleep'>
}

/** How long a read is tried again while the change stream is read. */
const READ_MS = 1_000
/** How often those who wait for a change look by themselves, should the stream lose it. */
const POLL_MS = 250

export function createLeaseReader(dependencies: LeaseReaderDependencies) {
  const { cache, outcomes, flights, subscription, isSlow, runtime } = dependencies

  const look = async (name: string): Promise<Entry | undefined> => {
    const ticket = cache.begin()
    const found = await outcomes.look(name)
    cache.answered()
    return found && cache.fill(ticket, found)
  }

  const lookAgain = (name: string): Promise<Entry | undefined> =>
    tryAgain(runtime, [storeReadOver(subscription)], () => look(name), {
      deadlineAt: runtime.monotonic() + READ_MS,
    })

  /** A request that comes after an acknowledged change never joins a read that began before it. */
  const sharedLook = (name: string): Promise<Entry | undefined> =>
    flights.join(`look:${name}:${cache.floor(name)}`, () => lookAgain(name)).result

  /** As it is now, not as it was when the wait began. Undefined where something else is there that is not enough. */
  const fromMemory = (
    was: Entry,
    isEnough: (known: Entry) => boolean,
  ): LeaseReading | undefined => {
    const { name } = was.integration
    const known = cache.known(name)
    if (!known || (known.ticket !== was.ticket && !isEnough(known))) return undefined
    if (cache.servable(name)) return { entry: known, isDegraded: true }
    if (isSlow()) return undefined
    throw unreachable()
  }

  const fromStore = async (name: string): Promise<LeaseReading> => ({
    entry: await sharedLook(name),
    isDegraded: false,
  })

  return {
    /** From memory, while this replica hears the store. */
    trusted: cache.trusted,
    /** From the store and from nowhere else. Throws `store_unavailable`. */
    look,
    /** Resolves at the next change of the integration, or after the poll interval. */
    changed: (name: string): Promise<void> =>
      new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer)
          stop()
          resolve()
        }
        const timer = setTimeout(done, POLL_MS * (0.5 + runtime.random()))
        const stop = subscription.onceChanged(name, done)
      }),
    /** The store is there, though nobody waits for it where memory is enough. */
    isSlow,
    /** One shared read of the store; memory, where the store does not answer in time or is slow: at once where memory is enough, else once the store is known to be gone. Throws `store_unavailable`. */
    async read(name: string, isEnough: (known: Entry) => boolean): Promise<LeaseReading> {
      const known = cache.known(name)
      if (!known) return fromStore(name)
      // A store that is merely slow is no reason to mint without it.
      const answer = await cache.inTime(sharedLook(name), !isEnough(known))
      if (answer) return { entry: answer.value, isDegraded: false }
      // A change of it was heard meanwhile, so the store is there, and nothing else knows more.
      return fromMemory(known, isEnough) ?? fromStore(name)
    },
  }
}

const unreachable = () =>
  new BrokerError('store_unavailable', 'The store has not been heard from for too long', {
    retryAfterMs: 1_000,
  })
