/** One producer for each key: a shared promise in this process, a lock across replicas. */
import type { Log } from '../../runtime/runtime.ts'
import type { Locks } from '../../store/store.ts'

export type SingleFlight = ReturnType<typeof createSingleFlight>

interface SingleFlightDependencies {
  readonly locks: Locks
  readonly uniqueId: () => string
  readonly log: Pick<Log, 'warn'>
}

/** A live holder renews each second, so a dead one is replaced within three. */
const LOCK_MS = 3_000
const RENEW_MS = 1_000
/** Remembered at most; they end by themselves. */
const ORPHANS = 10_000

export function createSingleFlight({ locks, uniqueId, log }: SingleFlightDependencies) {
  const flights = new Map<string, Promise<unknown>>()
  /** By name, the owner of a lock that was asked for without an answer: it may have been taken all the same, for nobody. */
  const orphans = new Map<string, string>()
  const releases = new Set<Promise<unknown>>()

  const releaseOrphan = async (name: string, orphan: string) => {
    await locks.release(name, orphan)
    orphans.delete(name)
  }

  const acquire = async (name: string, owner: string): Promise<boolean> => {
    try {
      return await locks.acquire(name, owner, LOCK_MS)
    } catch (error) {
      if (orphans.size >= ORPHANS) orphans.clear()
      orphans.set(name, owner)
      throw error
    }
  }

  const readUnderLock = async <Read, Result>(
    name: string,
    read: () => Promise<Read>,
    work: (read: Read) => Promise<Result>,
  ): Promise<{ readonly result: Result } | undefined> => {
    const owner = uniqueId()
    const orphan = orphans.get(name)
    if (orphan !== undefined) await releaseOrphan(name, orphan)
    const taking = acquire(name, owner)
    const reading = read()
    // It is waited for once the lock is ours; otherwise nobody wants to know.
    reading.catch(() => undefined)
    if (!(await taking)) return undefined
    const failed = (error: unknown) =>
      log.warn({ err: error, lock: name }, 'a lock could not be renewed or released')
    const renewal = setInterval(() => {
      locks.renew(name, owner, LOCK_MS).catch(failed)
    }, RENEW_MS)
    try {
      return { result: await work(await reading) }
    } finally {
      clearInterval(renewal)
      // Nobody waits for it: what this replica asks the store for next comes behind it.
      const release = locks
        .release(name, owner)
        .catch(failed)
        .finally(() => releases.delete(release))
      releases.add(release)
    }
  }

  return {
    /** Runs `work` unless a run for this key is under way here; then that run's result is shared. It never inherits a caller's abort. */
    join<Result>(
      key: string,
      work: () => Promise<Result>,
    ): { readonly result: Promise<Result>; readonly joined: boolean } {
      const current = flights.get(key) as Promise<Result> | undefined
      if (current) return { result: current, joined: true }
      const result = work().finally(() => flights.delete(key))
      flights.set(key, result)
      return { result, joined: false }
    },

    /** The same for work that begins with a read of the store: it is asked for right behind the lock, on the same connection, so that one round trip brings both. */
    readUnderLock,
    /** Runs `work` under the lock across replicas, renewed while it runs. `undefined`: another holds it. */
    async underLock<Result>(
      name: string,
      work: () => Promise<Result>,
    ): Promise<{ readonly result: Result } | undefined> {
      try {
        return await readUnderLock(name, async () => undefined, work)
      } finally {
        // Such work is rare, and its process may end with it.
        await Promise.all(releases)
      }
    },

    /** Resolves when nothing is in flight. */
    async settled(): Promise<void> {
      await Promise.allSettled(flights.values())
      await Promise.all(releases)
    },
  }
}
