/**
 * What a miss tries again, how often, and after which pause. ARCHITECTURE.md shows these rows, from
 * the outermost to the innermost: a new try of a row restarts the rows within it.
 */
import { BrokerError, isStoreAway } from '../../errors/errors.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { StreamState } from '../../store/replica-cache.ts'
import { isSignatureRefusal } from './candidates.ts'
import { isCuredByRetry, isTransient, saysNothing } from './refusal-memory.ts'

/** An error that names the row of its retry. */
class TryAgain extends Error {
  override readonly name = 'TryAgain'
  readonly row: 'save' | 'deadToken'

  constructor(row: TryAgain['row']) {
    super(row)
    this.row = row
  }
}

const isOf =
  (row: TryAgain['row']) =>
  (error: unknown): boolean =>
    error instanceof BrokerError && error.cause instanceof TryAgain && error.cause.row === row

/** The store refused a lease, because the integration was changed or the token revoked. */
export const saveRefused = (): BrokerError =>
  new BrokerError('conflict', 'The integration was changed three times while a token was minted', {
    cause: new TryAgain('save'),
  })

/** Salesforce returns the same token until it is revoked, even a dead one. */
export const deadToken = (): BrokerError =>
  new BrokerError('token_response_invalid', 'Salesforce issued a token that is already invalid', {
    cause: new TryAgain('deadToken'),
  })

export interface RetryRow {
  readonly isFor: (error: unknown) => boolean
  /** Most tries, the first one included. */
  readonly tries: number
  /** A number, or full jitter: a random part of `least`, doubled with each try up to `most`. */
  readonly pauseMs: number | { readonly least: number; readonly most: number }
  /** Time before the deadline in which no try begins. */
  readonly leastMs?: number
  /** Whether there are retries while the process stops. Default true. */
  readonly whileStopping?: boolean
}

export const RETRIES = {
  /** If the change stream is read on one connection, the other connection soon works again. */
  storeRead: {
    isFor: isStoreAway,
    tries: Number.POSITIVE_INFINITY,
    pauseMs: 50,
    whileStopping: false,
  },
  save: { isFor: isOf('save'), tries: 3, pauseMs: 0 },
  /** The second try has a fresh assertion. */
  assertion: { isFor: isCuredByRetry, tries: 2, pauseMs: 0 },
  transient: {
    isFor: (error: unknown) => isTransient(error) && !saysNothing(error),
    tries: 4,
    pauseMs: { least: 200, most: 2_000 },
    leastMs: 1_000,
    whileStopping: false,
  },
  /** Tries other credentials, and the same ones again during propagation. See {@link triesOf}. */
  credential: { isFor: isSignatureRefusal, tries: 12, pauseMs: 100 },
  deadToken: { isFor: isOf('deadToken'), tries: 2, pauseMs: 0 },
} as const satisfies Readonly<Record<string, RetryRow>>

interface RetryLimits {
  /** Time of the monotonic clock. Default: none. */
  readonly deadlineAt?: number
  /** Aborted when the process ends. */
  readonly stopping?: AbortSignal | undefined
}

/** Repeats the attempt until it succeeds, or until no row allows another try before the deadline. Throws the last error. `attempt` gets the number of the try, from 1. */
export async function tryAgain<Result>(
  runtime: Pick<Runtime, 'monotonic' | 'random' | 'sleep'>,
  rows: readonly RetryRow[],
  attempt: (tries: number) => Promise<Result>,
  { deadlineAt = Number.POSITIVE_INFINITY, stopping }: RetryLimits = {},
): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt(tries)
    } catch (error) {
      const row = rows.find(({ isFor }) => isFor(error))
      if (!row || tries >= row.tries) throw error
      if (stopping?.aborted && row.whileStopping === false) throw error
      const pauseMs = pauseMsOf(row, tries, error, runtime.random)
      const isLate = (aheadMs: number) =>
        runtime.monotonic() + aheadMs + (row.leastMs ?? 0) > deadlineAt
      if (isLate(pauseMs)) throw error
      if (pauseMs > 0) await runtime.sleep(pauseMs)
      // The pause took longer. A try without time would say that the host does not answer.
      if (isLate(0)) throw error
    }
  }
}

function pauseMsOf(
  { pauseMs }: RetryRow,
  tries: number,
  error: unknown,
  random: () => number,
): number {
  if (typeof pauseMs === 'number') return pauseMs
  const drawn = random() * Math.min(pauseMs.most, pauseMs.least * 2 ** (tries - 1))
  return Math.max(drawn, askedPauseMs(error))
}

/** The pause that `Retry-After` asked for. In refusals, `retryAfterMs` is this service's advice to callers. */
export const askedPauseMs = (error: unknown): number =>
  error instanceof BrokerError && error.code === 'salesforce_unavailable'
    ? (error.retryAfterMs ?? 0)
    : 0

/** Number of tries of a mint. A single credential is tried once. During propagation, each server of Salesforce may answer differently, so several credentials are tried up to the limit of the row if the last mint worked, and otherwise once each. */
export const triesOf = (credentials: readonly unknown[], hasWorked: boolean): number =>
  credentials.length > 1 && hasWorked ? RETRIES.credential.tries : credentials.length

/** Number of tries for a credential that is about to become active. */
export const proofTriesOf = (hasWorked: boolean): number =>
  hasWorked ? RETRIES.credential.tries : PROOF_TRIES

const PROOF_TRIES = 2

export type StoreReads = ReturnType<typeof createStoreReads>

interface StoreReadsDependencies {
  readonly stream: Pick<StreamState, 'isCurrent'>
  /** Its pauses end when the process stops. */
  readonly runtime: Pick<Runtime, 'monotonic' | 'random' | 'sleep'>
  /** The process stops. */
  readonly stopping: AbortSignal
}

/** Retries reads of the store while the change stream is read, until the process stops. `forMs`: the longest time of retries; default: no limit. */
export function createStoreReads({ stream, runtime, stopping }: StoreReadsDependencies) {
  const row: RetryRow = {
    ...RETRIES.storeRead,
    isFor: (error) => RETRIES.storeRead.isFor(error) && stream.isCurrent(),
  }
  return <Result>(read: () => Promise<Result>, forMs = Number.POSITIVE_INFINITY): Promise<Result> =>
    tryAgain(runtime, [row], read, { deadlineAt: runtime.monotonic() + forMs, stopping })
}
