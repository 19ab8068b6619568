/** Slows down whoever fails to authenticate too often from one address. Valid callers are never held up. */

import { BrokerError } from '../../errors/errors.ts'
import { networkOf } from '../../http/address.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import type { Budgets } from '../../store/budgets.ts'

export type Throttle = ReturnType<typeof createThrottle>

interface ThrottleDependencies {
  /** Shared over replicas while the store answers. */
  readonly budgets: Pick<Budgets, 'take'>
  readonly runtime: Runtime
  readonly log: Pick<Log, 'warn'>
}

/** Failures in a minute that are still answered with 401. */
const LIMIT = 20
const WINDOW_MS = 60_000
/** Addresses remembered in this process; the oldest are forgotten first. */
const ADDRESSES = 10_000

interface Local {
  readonly since: number
  readonly failures: number
  readonly blockedUntil: number
}

export function createThrottle({ budgets, runtime, log }: ThrottleDependencies) {
  const { now, monotonic } = runtime
  const locals = new Map<string, Local>()
  let isStoreDown = false

  const keep = (key: string, local: Local) => {
    locals.delete(key)
    locals.set(key, local)
    const [oldest] = locals.keys()
    if (locals.size > ADDRESSES && oldest !== undefined) locals.delete(oldest)
  }

  /** Counts here, beside the store, so that nothing is lost when it goes away. */
  const countHere = (key: string): Local => {
    const before = locals.get(key)
    const isOver = before === undefined || monotonic() - before.since >= WINDOW_MS
    const since = isOver ? monotonic() : before.since
    const failures = isOver ? 1 : before.failures + 1
    const blockedUntil =
      failures > LIMIT ? since + WINDOW_MS : (before?.blockedUntil ?? Number.NEGATIVE_INFINITY)
    const local = { since, failures, blockedUntil }
    keep(key, local)
    return local
  }

  /** Until when the address is blocked. */
  const countInStore = async (key: string): Promise<number> => {
    try {
      const result = await budgets.take([{ key: `auth:${key}`, limit: LIMIT, windowMs: WINDOW_MS }])
      isStoreDown = false
      return result.granted ? Number.NEGATIVE_INFINITY : monotonic() + result.retryAt - now()
    } catch (error) {
      if (!isStoreDown)
        log.warn(
          { err: error },
          'failed authentications are counted per replica, because the store is unavailable',
        )
      isStoreDown = true
      return Number.NEGATIVE_INFINITY
    }
  }

  return {
    /** Counts one failure; gives the error to answer with: the one given, or `rate_limited`. Never rejects. */
    async failed(address: string, error: BrokerError): Promise<BrokerError> {
      const key = networkOf(address)
      const known = locals.get(key)
      if (known && known.blockedUntil > monotonic()) {
        return tooMany(known.blockedUntil - monotonic())
      }
      const local = countHere(key)
      const blockedUntil = Math.max(local.blockedUntil, await countInStore(key))
      if (blockedUntil <= monotonic()) return error
      keep(key, { ...local, blockedUntil })
      return tooMany(blockedUntil - monotonic())
    },
    /** Whether failures of this address are answered with `rate_limited` now. */
    isBlocked: (address: string): boolean =>
      (locals.get(networkOf(address))?.blockedUntil ?? Number.NEGATIVE_INFINITY) > monotonic(),
  }
}

const tooMany = (retryAfterMs: number) =>
  new BrokerError('rate_limited', 'Too many failed authentications came from this address', {
    retryAfterMs,
  })
