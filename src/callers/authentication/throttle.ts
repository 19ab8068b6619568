/** Limits failed authentications of an address. Valid callers are never delayed. */

import { BrokerError } from '../../errors/errors.ts'
import { networkOf } from '../../http/address.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import type { Budgets } from '../../store/budgets.ts'

export type Throttle = ReturnType<typeof createThrottle>

interface ThrottleDependencies {
  /** The count is shared by all replicas while the store answers. */
  readonly budgets: Pick<Budgets, 'take'>
  readonly runtime: Runtime
  readonly log: Pick<Log, 'warn'>
}

/** Failures in a minute that get 401. */
const LIMIT = 20
const WINDOW_MS = 60_000
/** Most addresses that this process remembers. The oldest is dropped first. */
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

  /** Counts in this process too, so that the count survives an outage of the store. */
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

  /** Returns the time until which the address is blocked. */
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
    /** Counts one failure. Returns the error of the answer: the given one, or `rate_limited`. Never rejects. */
    async failed(address: string, error: BrokerError): Promise<BrokerError> {
      const key = networkOf(address)
      const known = locals.get(key)
      if (known && known.blockedUntil > monotonic()) {
        return tooMany(known.blockedUntil - monotonic(), error)
      }
      const local = countHere(key)
      const blockedUntil = Math.max(local.blockedUntil, await countInStore(key))
      if (blockedUntil <= monotonic()) return error
      keep(key, { ...local, blockedUntil })
      return tooMany(blockedUntil - monotonic(), error)
    },
    /** Whether failures of this address get `rate_limited` now. */
    isBlocked: (address: string): boolean =>
      (locals.get(networkOf(address))?.blockedUntil ?? Number.NEGATIVE_INFINITY) > monotonic(),
  }
}

/** The cause stays, so that the audit knows a stolen credential among many wrong ones. */
const tooMany = (retryAfterMs: number, { cause }: BrokerError) =>
  new BrokerError('rate_limited', 'Too many failed authentications came from this address', {
    retryAfterMs,
    cause,
  })
