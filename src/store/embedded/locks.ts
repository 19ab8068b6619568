import { text } from '../keys.ts'
import type { Locks } from '../store.ts'

interface Held {
  readonly owner: string
  readonly endsAt: number
}

interface EmbeddedLocks extends Locks {
  /** Frees a lock of any holder. */
  forget(name: string): void
}

/** Locks in memory, because only this process uses the store. */
export function createEmbeddedLocks({
  monotonic,
}: {
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
}): EmbeddedLocks {
  const locks = new Map<string, Held>()

  function isHeld(name: string): boolean {
    const held = locks.get(text(name))
    return held !== undefined && held.endsAt > monotonic()
  }

  function isHeldBy(name: string, owner: string): boolean {
    return isHeld(name) && locks.get(name)?.owner === owner
  }

  return {
    async acquire(name, owner, ttlMs) {
      if (isHeld(name)) return false
      locks.set(name, { owner, endsAt: monotonic() + ttlMs })
      return true
    },
    async renew(name, owner, ttlMs) {
      if (!isHeldBy(name, owner)) return false
      locks.set(name, { owner, endsAt: monotonic() + ttlMs })
      return true
    },
    async release(name, owner) {
      return isHeldBy(name, owner) && locks.delete(name)
    },
    forget(name) {
      locks.delete(name)
    },
  }
}
