/** Runs work once for each key: callers of this process share a promise, replicas share a lock. */
import type { Log } from '../../runtime/runtime.ts'
import type { Locks } from '../../store/store.ts'

export type SingleFlight = ReturnType<typeof createSingleFlight>

interface SingleFlightDependencies {
  readonly locks: Locks
  readonly uniqueId: () => string
  readonly log: Pick<Log, 'warn'>
}

/** False: another owner has the lock. */
export type TakeLock = (owner: string, ttlMs: number) => Promise<boolean>

/** The holder renews its lock each second, so the lock of a dead holder ends within three seconds. */
const LOCK_MS = 3_000
const RENEW_MS = 1_000
/** Most remembered orphans. Their locks expire anyway. */
const ORPHANS = 10_000

export function createSingleFlight({ locks, uniqueId, log }: SingleFlightDependencies) {
  const flights = new Map<string, Promise<unknown>>()
  /** Owners of locks whose request was not answered, by name. The store may hold such a lock for nobody. */
  const orphans = new Map<string, string>()
  const releases = new Set<Promise<unknown>>()

  const releaseOrphan = async (name: string, orphan: string) => {
    await locks.release(name, orphan)
    orphans.delete(name)
  }

  const acquire = async (name: string, owner: string, take: TakeLock): Promise<boolean> => {
    try {
      return await take(owner, LOCK_MS)
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
    take: TakeLock = (owner, ttlMs) => locks.acquire(name, owner, ttlMs),
  ): Promise<{ readonly result: Result } | undefined> => {
    const owner = uniqueId()
    const orphan = orphans.get(name)
    if (orphan !== undefined) await releaseOrphan(name, orphan)
    const taking = acquire(name, owner, take)
    const reading = read()
    // It is awaited after the lock is acquired. Without the lock, its result is not needed.
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
      // Not awaited: the connection sends later commands of this replica after it.
      const release = locks
        .release(name, owner)
        .catch(failed)
        .finally(() => releases.delete(release))
      releases.add(release)
    }
  }

  return {
    /** Runs `work`, or shares the result of a running `work` with the same key. Aborting a caller does not abort the work. */
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

    /** The same for work that begins with a read of the store. The read is sent directly after the lock on the same connection, so that both take one round trip. `take` takes the lock together with something else. Default: the lock only. */
    readUnderLock,
    /** Runs `work` under the lock of all replicas, and renews it. Undefined: another replica holds it. */
    async underLock<Result>(
      name: string,
      work: () => Promise<Result>,
    ): Promise<{ readonly result: Result } | undefined> {
      try {
        return await readUnderLock(name, async () => undefined, work)
      } finally {
        // Such work is rare, and the process may end after it.
        await Promise.all(releases)
      }
    },

    /** Resolves when no work is running. */
    async settled(): Promise<void> {
      await Promise.allSettled(flights.values())
      await Promise.all(releases)
    },
  }
}
