/** Time limits that always hold: work is aborted at its limit, and abandoned if it does not end. */
import { BrokerError } from '../errors/errors.ts'

interface Limit<Result> {
  /** Ends the time earlier. */
  readonly signal?: AbortSignal | undefined
  /** Result for late work: a value, or an error that it throws. Default: throws `salesforce_timeout`. */
  readonly late?: () => Result
}

interface WaitLimit<Result> extends Limit<Result> {
  /** Longest wait, in milliseconds. Default: until the signal. */
  readonly ms?: number | undefined
}

interface WorkLimit<Result> extends Limit<Result> {
  /** Gets the result of abandoned work. Must not throw. Default: it is dropped. */
  readonly dispose?: (result: Result) => void
}

/** How long aborted work may take to end by itself, in milliseconds. */
const GRACE_MS = 100

const ABANDONED = Symbol('abandoned')
const abandoned = { total: 0, running: 0 }

/** Counts work of this process that continued after it was aborted. `total`: since the start. `running`: now. */
export const abandonedWork = (): { readonly total: number; readonly running: number } => ({
  ...abandoned,
})

/** Runs work that is aborted after `ms` milliseconds, and waits at most a tenth of a second longer. Unlike `AbortSignal.timeout`, keeps nothing in memory after the work. */
export async function within<Result>(
  ms: number,
  work: (deadline: AbortSignal) => Promise<Result>,
  { signal, late = tooLate, dispose }: WorkLimit<Result> = {},
): Promise<Result> {
  const deadline = new AbortController()
  const { promise: given, resolve: giveUp } = Promise.withResolvers<typeof ABANDONED>()
  let grace: NodeJS.Timeout | undefined
  const end = () => {
    // Aborts inner work first, so that its grace period ends before that of outer work.
    deadline.abort()
    grace ??= setTimeout(giveUp, GRACE_MS, ABANDONED)
  }
  const forget = onEnd(ms, signal, end)
  try {
    const running = work(deadline.signal)
    const first = await Promise.race([running, given])
    if (first !== ABANDONED) return first
    abandon(running, dispose)
    return late()
  } finally {
    forget()
    clearTimeout(grace)
  }
}

/** Waits for shared work, which is not aborted. Only throws its failure during the wait. */
export async function waitFor<Result>(
  work: Promise<Result>,
  { ms, signal, late = tooLate }: WaitLimit<Result>,
): Promise<Result> {
  const { promise: over, resolve: giveUp } = Promise.withResolvers<typeof ABANDONED>()
  const forget = onEnd(ms, signal, () => giveUp(ABANDONED))
  try {
    const first = await Promise.race([work, over])
    return first === ABANDONED ? late() : first
  } finally {
    forget()
  }
}

/** Calls `end` once or twice: when the time is over, and when the signal aborts. Returns a function that cancels it. */
function onEnd(ms: number | undefined, signal: AbortSignal | undefined, end: () => void) {
  const timer = ms === undefined ? undefined : setTimeout(end, ms)
  signal?.addEventListener('abort', end, { once: true })
  if (signal?.aborted) end()
  return () => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', end)
  }
}

/** A failure of aborted work is expected. */
function abandon<Result>(work: Promise<Result>, dispose?: (result: Result) => void): void {
  abandoned.total += 1
  abandoned.running += 1
  const over = () => {
    abandoned.running -= 1
  }
  work
    .then(
      (result) => dispose?.(result),
      () => undefined,
    )
    .finally(over)
}

function tooLate(): never {
  throw new BrokerError('salesforce_timeout', 'Salesforce did not answer in time.')
}
