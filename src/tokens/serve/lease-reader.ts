/** Reads the lease of an integration: from trusted memory, otherwise from the store, otherwise from memory in degraded mode. */
import { BrokerError } from '../../errors/errors.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { ChangeSubscription } from '../../store/change-subscription.ts'
import type { Outcomes } from '../../store/store.ts'
import type { StoreReads } from '../mint/retry.ts'
import type { SingleFlight } from '../mint/single-flight.ts'
import type { Entry, LeaseCache } from './lease-cache.ts'

export interface LeaseReading {
  /** Undefined: the integration does not exist. */
  readonly entry: Entry | undefined
  /** Whether it is from memory because the store is unreachable or slow. */
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
  readonly subscription: Pick<ChangeSubscription, 'onceChanged'>
  /** Whether the store answers too slowly for callers to wait. */
  readonly isSlow: () => boolean
  readonly runtime: Pick<Runtime, 'random'>
  /** Tries a read of the store again. */
  readonly untilRead: StoreReads
}

/** Longest time of retries for a read while the change stream is read. */
const READ_MS = 1_000
/** Interval of reads while waiting for a change, in case the stream loses it. */
const POLL_MS = 250

export function createLeaseReader(dependencies: LeaseReaderDependencies) {
  const { cache, outcomes, flights, subscription, isSlow, runtime, untilRead } = dependencies

  const look = async (name: string): Promise<Entry | undefined> => {
    const ticket = cache.begin()
    const found = await outcomes.look(name)
    cache.answered()
    return found && cache.fill(ticket, found)
  }

  const lookAgain = (name: string): Promise<Entry | undefined> =>
    untilRead(() => look(name), READ_MS)

  /** A request after an acknowledged change never joins a read that began before the change. */
  const sharedLook = (name: string): Promise<Entry | undefined> =>
    flights.join(`look:${name}:${cache.floor(name)}`, () => lookAgain(name)).result

  /** The current entry in memory. Undefined: there is none, or a newer one that is not enough. */
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
    /** Reads memory while the change stream is read. */
    trusted: cache.trusted,
    /** Reads the store only. Throws `store_unavailable`. */
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
    /** Whether the store answers slowly. Requests do not wait for it if memory is enough. */
    isSlow,
    /** Reads the store once for all callers. If it is late or slow, reads memory: at once if memory is enough, otherwise after the store is known to be unavailable. Throws `store_unavailable`. */
    async read(name: string, isEnough: (known: Entry) => boolean): Promise<LeaseReading> {
      const known = cache.known(name)
      if (!known) return fromStore(name)
      // A slow store does not justify a mint without it.
      const answer = await cache.inTime(sharedLook(name), !isEnough(known))
      if (answer) return { entry: answer.value, isDegraded: false }
      // A change arrived meanwhile, so the store is available and must be read.
      return fromMemory(known, isEnough) ?? fromStore(name)
    },
  }
}

const unreachable = () =>
  new BrokerError('store_unavailable', 'The store has not been heard from for too long', {
    retryAfterMs: 1_000,
  })
