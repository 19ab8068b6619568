/** Time limits that hold: work is told to end when its time is over, and is abandoned if it does not. */
import { BrokerError } from '../errors/errors.ts'

interface Limit<Result> {
  /** Ends the time earlier. */
  readonly signal?: AbortSignal | undefined
  /** What stands in for the result of work that did not come to one: a value, or what it throws. Default: throws `salesforce_timeout`. */
  readonly late?: () => Result
}

interface WaitLimit<Result> extends Limit<Result> {
  /** Longest wait, in milliseconds. Default: as long as the signal lets it. */
  readonly ms?: number | undefined
}

interface WorkLimit<Result> extends Limit<Result> {
  /** What came of the work after all, when nobody waited for it any more. Must not throw. Default: it is dropped. */
  readonly dispose?: (result: Result) => void
}

/** How long work that was told to end has to say itself what comes of that, in milliseconds. */
const GRACE_MS = 100

const LEFT = Symbol('left behind')
const left = { total: 0, running: 0 }

/**
 * Of the whole process, as memory and open files are: work that went on past its deadline though it
 * was told to end. `total`: since the start; `running`: now.
 */
export const workLeftBehind = (): { readonly total: number; readonly running: number } => ({
  ...left,
})

/**
 * Runs work that is told to end after `ms` milliseconds, and takes a tenth of a second more at most.
 * Unlike `AbortSignal.timeout` this keeps nothing of it in memory once it is done.
 */
export async function within<Result>(
  ms: number,
  work: (deadline: AbortSignal) => Promise<Result>,
  { signal, late = tooLate, dispose }: WorkLimit<Result> = {},
): Promise<Result> {
  const deadline = new AbortController()
  const { promise: given, resolve: giveUp } = Promise.withResolvers<typeof LEFT>()
  let grace: NodeJS.Timeout | undefined
  const end = () => {
    // What is inside is told first, so that its grace is over before that of what is around it.
    deadline.abort()
    grace ??= setTimeout(giveUp, GRACE_MS, LEFT)
  }
  const forget = onEnd(ms, signal, end)
  try {
    const running = work(deadline.signal)
    const first = await Promise.race([running, given])
    if (first !== LEFT) return first
    leaveBehind(running, dispose)
    return late()
  } finally {
    forget()
    clearTimeout(grace)
  }
}

/** Waits for work that others wait for, too: it goes on, and is told nothing. Its failure is thrown only while it is waited for. */
export async function waitFor<Result>(
  work: Promise<Result>,
  { ms, signal, late = tooLate }: WaitLimit<Result>,
): Promise<Result> {
  const { promise: over, resolve: giveUp } = Promise.withResolvers<typeof LEFT>()
  const forget = onEnd(ms, signal, () => giveUp(LEFT))
  try {
    const first = await Promise.race([work, over])
    return first === LEFT ? late() : first
  } finally {
    forget()
  }
}

/** Calls `end` once or twice, when the time is over and when the signal ends it. Gives what forgets it. */
function onEnd(ms: number | undefined, signal: AbortSignal | undefined, end: () => void) {
  const timer = ms === undefined ? undefined : setTimeout(end, ms)
  signal?.addEventListener('abort', end, { once: true })
  if (signal?.aborted) end()
  return () => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', end)
  }
}

/** Its failure is no news: it was told to end. */
function leaveBehind<Result>(work: Promise<Result>, dispose?: (result: Result) => void): void {
  left.total += 1
  left.running += 1
  const over = () => {
    left.running -= 1
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
