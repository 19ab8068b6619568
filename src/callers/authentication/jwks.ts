/** The signing keys of one issuer. They are fetched ahead, kept while the issuer is unavailable, and fetched again at a limited rate. */

import {
  type CryptoKey,
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWSHeaderParameters,
} from 'jose'
import type { Runtime } from '../../runtime/runtime.ts'
import { createTask } from '../../runtime/tasks.ts'
import { refusedBearer } from './authenticator.ts'

export interface SigningKeys {
  /** Returns the one key that fits the header. Throws `caller_unauthenticated`. */
  find(header: JWSHeaderParameters): Promise<CryptoKey>
  /** Whether the last attempt succeeded. Undefined: there was none. */
  isFresh(): boolean | undefined
  start(): void
  stop(): Promise<void>
}

/** Shortest time between two attempts. */
const COOL_DOWN_MS = 30_000
const REFRESH_MS = 300_000
/** Random change of the intervals of refresh and retry, up and down, so that replicas do not fetch at the same time. */
const JITTER = 0.2
/** If no attempt was made for this time, the process was suspended. Then keys are refreshed before use. */
const OVERDUE_MS = 2 * REFRESH_MS
/** How long keys stay valid while the issuer is unavailable, including the time to the next refresh. */
const STALE_MS = 24 * 3_600_000 + REFRESH_MS * (1 + JITTER)

const NEVER = { at: Number.NEGATIVE_INFINITY, wall: Number.NEGATIVE_INFINITY }

interface Held {
  readonly find: (header: JWSHeaderParameters) => Promise<CryptoKey>
  /** Time of the monotonic clock. */
  readonly at: number
}

export function createSigningKeys(dependencies: {
  readonly fetch: (stop: AbortSignal) => Promise<JSONWebKeySet>
  readonly runtime: Runtime
  readonly onTrouble: (error: unknown) => void
}): SigningKeys {
  const { fetch, runtime, onTrouble } = dependencies
  // The monotonic clock may stand still while the machine sleeps.
  const { wall, monotonic, random } = runtime
  let held: Held | undefined
  let isFresh: boolean | undefined
  let attempted = NEVER
  let attempt: Promise<void> | undefined

  const load = async (): Promise<void> => {
    attempted = { at: monotonic(), wall: wall() }
    try {
      held = { find: createLocalJWKSet(await fetch(task.stopped)), at: attempted.at }
      isFresh = true
    } catch (error) {
      if (task.stopped.aborted) return
      isFresh = false
      onTrouble(error)
    }
  }

  const isOverdue = () => Math.max(monotonic() - attempted.at, wall() - attempted.wall) > OVERDUE_MS

  /** Joins a running attempt, or begins one after the cool-down. Never rejects. */
  const refresh = (): Promise<void> => {
    if (attempt) return attempt
    if (!isOverdue() && monotonic() - attempted.at < COOL_DOWN_MS) return Promise.resolve()
    attempt = load().finally(() => {
      attempt = undefined
    })
    return attempt
  }

  const spread = (ms: number) => Math.round(ms * (1 - JITTER + 2 * JITTER * random()))

  const task = createTask({
    runtime,
    async work() {
      await refresh()
      return isFresh ? spread(REFRESH_MS) : COOL_DOWN_MS * (1 + JITTER * random())
    },
  })

  const age = () => (held ? monotonic() - held.at : Number.POSITIVE_INFINITY)

  const lookUp = async (header: JWSHeaderParameters): Promise<CryptoKey | undefined> => {
    if (!held || age() > STALE_MS) return undefined
    try {
      return await held.find(header)
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return undefined
      throw error
    }
  }

  return {
    async find(header) {
      if (isOverdue()) await refresh()
      const known = await lookUp(header)
      if (known) return known
      await refresh()
      const found = await lookUp(header)
      if (found) return found
      const hasKeys = held !== undefined && age() <= STALE_MS
      throw refusedBearer(hasKeys ? 'TOKEN_SIGNING_KEY_UNKNOWN' : 'TOKEN_SIGNING_KEYS_UNAVAILABLE')
    },
    isFresh: () => isFresh,
    start: task.start,
    async stop() {
      await task.stop()
      await attempt
    },
  }
}
