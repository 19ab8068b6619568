/** Tries a mint again where that may help: with full jitter, inside the deadline, and behind the breaker. */
import { isUnsettled } from '../../custody/connection.ts'
import { BrokerError, isStoreTrouble } from '../../errors/errors.ts'
import { isAtSource } from '../../grants/refusals/refusals.ts'
import { within } from '../../runtime/timeout.ts'
import type { Breaker } from './breaker.ts'
import { isCuredByRetry, isTransient } from './refusal-memory.ts'

export interface Attempts {
  /** Runs `attempt` until it succeeds, until trying makes no sense, or until the deadline is too near. Throws its last error. */
  run<Result>(
    host: string,
    /** By the clock that never steps. */
    deadlineAt: number,
    /** `deadline`: it is not waited for any longer. */
    attempt: (deadline?: AbortSignal) => Promise<Result>,
    options?: AttemptOptions<Result>,
  ): Promise<Result>
}

export interface AttemptOptions<Result> {
  /** Once, and to its end: what it sends may not be sent again, and what comes back must not be lost. Default false. */
  readonly isSingle?: boolean
  /** What a try brought after the deadline. Must not throw. */
  readonly onLate?: (result: Result) => void
}

export interface AttemptsDependencies {
  readonly breaker: Breaker
  /** Milliseconds of a clock that never steps. */
  readonly monotonic: () => number
  readonly random: () => number
  readonly sleep: (ms: number) => Promise<void>
  /** The process ends: nothing is tried again. Default: never. */
  readonly stopping?: AbortSignal | undefined
}

/** After the first try. */
const RETRIES = 3
/** The pause is drawn from 0 to this, doubled with each try. */
const PAUSE_MS = { least: 200, most: 2_000 }
/** A try that could not even begin to be answered makes no sense. */
const SHORTEST_TRY_MS = 1_000

export function createAttempts({
  breaker,
  monotonic,
  random,
  sleep,
  stopping,
}: AttemptsDependencies): Attempts {
  /** `undefined`: no more. */
  const pauseAfter = (error: unknown, tries: number, deadlineAt: number): number | undefined => {
    if (isCuredByRetry(error)) return tries === 1 ? 0 : undefined
    if (!isTransient(error) || tries > RETRIES || stopping?.aborted) return undefined
    const drawn = random() * Math.min(PAUSE_MS.most, PAUSE_MS.least * 2 ** (tries - 1))
    const asked = error instanceof BrokerError ? askedPause(error) : 0
    const pauseMs = Math.max(drawn, asked)
    return monotonic() + pauseMs + SHORTEST_TRY_MS <= deadlineAt ? pauseMs : undefined
  }

  return {
    async run(host, deadlineAt, attempt, { isSingle = false, onLate } = {}) {
      breaker.check(host)
      const inTime = () =>
        within(deadlineAt - monotonic(), attempt, { ...(onLate && { dispose: onLate }) })
      for (let tries = 1; ; tries += 1) {
        try {
          const result = await (isSingle ? attempt() : inTime())
          breaker.succeeded(host)
          return result
        } catch (error) {
          if (saysNothing(error)) throw error
          const pauseMs = isSingle ? undefined : pauseAfter(error, tries, deadlineAt)
          if (pauseMs === undefined) {
            if (isAtSource(error)) throw error
            if (isTransient(error)) breaker.failed(host, error, askedPause(error as BrokerError))
            else breaker.succeeded(host)
            throw error
          }
          await sleep(pauseMs)
        }
      }
    },
  }
}

/** Of the host: nobody asked it, or nobody knows what it answered. */
const saysNothing = (error: unknown): boolean =>
  isUnsettled(error) ||
  isStoreTrouble(error) ||
  (error instanceof BrokerError && error.code === 'login_budget_exhausted')

/** What `Retry-After` asked for; refusals carry our own advice to callers instead. */
const askedPause = ({ code, retryAfterMs = 0 }: BrokerError): number =>
  code === 'salesforce_unavailable' ? retryAfterMs : 0
