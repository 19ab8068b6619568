/** One replica's way to the store: it takes its time, can be cut, can hang, and can lose answers. */
import { BrokerError } from '../../src/errors/errors.ts'
import type { Store } from '../../src/store/store.ts'

/** `lost`: what is asked is done, and the answer does not come. `dead`: the replica is no more. */
export type LinkMode = 'up' | 'down' | 'hanging' | 'lost' | 'dead'

export interface FaultyStore {
  readonly store: Store
  mode: LinkMode
}

export interface FaultyStoreDependencies {
  readonly store: Store
  readonly random: () => number
  readonly sleep: (ms: number) => Promise<void>
}

/** As the client of Redis: a command gives up after this. */
const TIMEOUT_MS = 900
const LATENCIES_MS = [0, 0, 1, 5, 30]

type Operation = (...args: unknown[]) => unknown

export function createFaultyStore(dependencies: FaultyStoreDependencies): FaultyStore {
  const { store, random, sleep } = dependencies
  const latency = () => sleep(LATENCIES_MS[Math.floor(random() * LATENCIES_MS.length)] ?? 0)
  const never = () => new Promise<never>(() => undefined)
  const failure = () => new BrokerError('store_unavailable', 'The model says so')

  /** What becomes of it now; true: it goes through. */
  const pass = async (): Promise<true> => {
    switch (faulty.mode) {
      case 'dead':
        return never()
      case 'down':
        throw failure()
      case 'hanging':
        await sleep(TIMEOUT_MS)
        throw failure()
      default:
        return true
    }
  }

  const through = async (operation: () => unknown): Promise<unknown> => {
    await latency()
    await pass()
    const result = await operation()
    if (faulty.mode !== 'up') {
      if (faulty.mode === 'dead') return never()
      await sleep(TIMEOUT_MS)
      throw failure()
    }
    await latency()
    await pass()
    return result
  }

  const wrapped = (part: object) =>
    new Proxy(part, {
      get(target, name) {
        const operation: unknown = Reflect.get(target, name)
        if (typeof operation !== 'function') return operation
        return (...args: unknown[]) => through(() => (operation as Operation).apply(target, args))
      },
    })

  const faulty: FaultyStore = {
    mode: 'up',
    store: {
      integrations: wrapped(store.integrations) as Store['integrations'],
      outcomes: wrapped(store.outcomes) as Store['outcomes'],
      listing: wrapped(store.listing) as Store['listing'],
      locks: wrapped(store.locks) as Store['locks'],
      due: wrapped(store.due) as Store['due'],
      custody: wrapped(store.custody) as Store['custody'],
      budgets: wrapped(store.budgets) as Store['budgets'],
      documents: wrapped(store.documents) as Store['documents'],
      seals: wrapped(store.seals) as Store['seals'],
      archive: wrapped(store.archive) as Store['archive'],
      events: wrapped(store.events) as Store['events'],
      changes: wrapped(store.changes) as Store['changes'],
      identity: () => through(store.identity) as ReturnType<Store['identity']>,
      now: () => through(store.now) as ReturnType<Store['now']>,
      evictionPolicy: () => 'noeviction',
      wasReached: () => true,
      isBegunAnew: () => false,
      trouble: () => undefined,
      troubleCounts: () => new Map(),
      close: async () => undefined,
    },
  }
  return faulty
}
