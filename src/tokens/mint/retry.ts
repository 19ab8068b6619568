/**
 * What a miss tries again, how often, and after which pause. ARCHITECTURE.md shows these rows, from
 * the outermost to the innermost: a new try of one row begins the rows within it anew.
 */
import { BrokerError, isStoreAway } from '../../errors/errors.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { StreamState } from '../../store/replica-cache.ts'
import { isSignatureRefusal } from './candidates.ts'
import { isCuredByRetry, isTransient, saysNothing } from './refusal-memory.ts'

/** An error that says itself by which row its work is tried again. */
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

/** The store did not take a lease: the integration was changed, or the token revoked. */
export const saveRefused = (): BrokerError =>
  new BrokerError('conflict', 'The integration was changed three times while a token was minted', {
    cause: new TryAgain('save'),
  })

/** Salesforce repeats a token until it is revoked, even one that does not work. */
export const deadToken = (): BrokerError =>
  new BrokerError('token_response_invalid', 'Salesforce issued a token that is already invalid', {
    cause: new TryAgain('deadToken'),
  })

interface RetryRow {
  readonly isFor: (error: unknown) => boolean
  /** At most, with the first one. */
  readonly tries: number
  /** A number, or full jitter: a random part of `least`, doubled with each try up to `most`. */
  readonly pauseMs: number | { readonly least: number; readonly most: number }
  /** No try begins so shortly before the deadline. */
  readonly leastMs?: number
  /** Whether it is tried again while the process stops. Default true. */
  readonly whileStopping?: boolean
}

export const RETRIES = {
  /** A store that is heard on one connection is soon reached on the other. */
  storeRead: { isFor: isStoreAway, tries: Number.POSITIVE_INFINITY, pauseMs: 50 },
  save: { isFor: isOf('save'), tries: 3, pauseMs: 0 },
  transient: {
    isFor: (error: unknown) => isTransient(error) && !saysNothing(error),
    tries: 4,
    pauseMs: { least: 200, most: 2_000 },
    leastMs: 1_000,
    whileStopping: false,
  },
  /** A fresh assertion is made for the second try. */
  assertion: { isFor: isCuredByRetry, tries: 2, pauseMs: 0 },
  /** Other credentials, or the same ones while a change spreads at Salesforce. */
  credential: { isFor: isSignatureRefusal, tries: 12, pauseMs: 100 },
  deadToken: { isFor: isOf('deadToken'), tries: 2, pauseMs: 0 },
} as const satisfies Readonly<Record<string, RetryRow>>

interface RetryLimits {
  /** By the monotonic clock. Default: none. */
  readonly deadlineAt?: number
  /** The process ends. */
  readonly stopping?: AbortSignal | undefined
}

/** Tries until it succeeds, or no row says to try again before the deadline. Throws the last error. `attempt` gets the number of the try, from 1. */
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
      if (runtime.monotonic() + pauseMs + (row.leastMs ?? 0) > deadlineAt) throw error
      if (pauseMs > 0) await runtime.sleep(pauseMs)
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

/** What `Retry-After` asked for. In refusals, `retryAfterMs` is the advice of the broker to callers. */
export const askedPauseMs = (error: unknown): number =>
  error instanceof BrokerError && error.code === 'salesforce_unavailable'
    ? (error.retryAfterMs ?? 0)
    : 0

/** A read of the store, as long as the change stream is read. */
export const storeReadOver = (stream: Pick<StreamState, 'isCurrent'>): RetryRow => ({
  ...RETRIES.storeRead,
  isFor: (error) => isStoreAway(error) && stream.isCurrent(),
})
