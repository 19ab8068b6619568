/** Clocks, pauses, randomness and the log, which every part gets from the process. */
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { createStoreClock, type StoreClock } from './store-clock.ts'

export interface Runtime {
  /** Time of the store, which all replicas share, in whole epoch milliseconds. */
  readonly now: () => number
  /** Epoch milliseconds of this machine. */
  readonly wall: () => number
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
  /** Resolves early, without an error, when the signal aborts. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>
  /** At least 0, less than 1. */
  readonly random: () => number
  readonly uniqueId: () => string
}

/** `clock` learns the time of the store, which `now` returns. */
export interface ProcessRuntime extends Runtime {
  readonly clock: StoreClock
}

export interface Log {
  info(bindings: object, message: string): void
  warn(bindings: object, message: string): void
  error(bindings: object, message: string): void
}

interface RuntimeOptions {
  readonly log: Pick<Log, 'warn'>
  /** For tests: replaces all wall clocks. Default: this machine's. */
  readonly now?: (() => number) | undefined
  /** For tests: replaces the monotonic clock. */
  readonly monotonic?: (() => number) | undefined
  readonly random?: (() => number) | undefined
}

export const monotonic = (): number => performance.now()

/** The longest delay of a timer. With a longer one, a timer fires at once. */
const TIMER_MAX_MS = 2 ** 31 - 1

export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    for (let leftMs = ms; leftMs > TIMER_MAX_MS; leftMs -= TIMER_MAX_MS) {
      await setTimeout(TIMER_MAX_MS, undefined, signal && { signal })
    }
    await setTimeout(ms > TIMER_MAX_MS ? ms % TIMER_MAX_MS : ms, undefined, signal && { signal })
  } catch (error) {
    if (!signal?.aborted) throw error
  }
}

export function createRuntime(options: RuntimeOptions): ProcessRuntime {
  const { log, now } = options
  const wall = now ?? Date.now
  const steady = options.monotonic ?? monotonic
  const clock = createStoreClock({
    wall,
    monotonic: now ?? steady,
    onSkew: (aheadMs) =>
      log.warn(
        { aheadSeconds: Math.round(aheadMs / 1000) },
        "this machine's clock differs from the store's",
      ),
  })
  return {
    now: clock.now,
    wall,
    monotonic: steady,
    sleep,
    random: options.random ?? Math.random,
    uniqueId: randomUUID,
    clock,
  }
}
