/** Returns to the system the memory that only the start of the process needed. */
import { performance } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

interface StartGarbageDependencies {
  /** Share of the time since its last call in which the event loop worked, from 0 to 1. Default: what Node measures. */
  readonly utilization?: () => number
  /** Default: {@link collectAll}. */
  readonly collect?: () => void
}

const LOOK_EVERY_MS = 1_000
/** Above it, the process is busy. */
const REST_UTILIZATION = 0.1

/**
 * Collects once, in the first second in which the process has almost nothing to do, so that hardly any
 * caller waits for it. V8 collects when it needs memory, so a replica that nobody asks would keep a
 * fifth more than it uses. A process that never rests uses its memory, and collects nothing here.
 */
export function collectAtRest(dependencies: StartGarbageDependencies = {}): void {
  const { utilization = loopUtilization(), collect = collectAll } = dependencies
  const timer = setInterval(() => {
    if (utilization() > REST_UTILIZATION) return
    clearInterval(timer)
    collect()
  }, LOOK_EVERY_MS).unref()
}

/** Collects all garbage, and the code of functions that do not run. The process does nothing else meanwhile. Without effect if V8 takes no flags any more. */
export function collectAll(): void {
  setFlagsFromString('--expose-gc')
  const collect: typeof globalThis.gc = runInNewContext('globalThis.gc')
  // V8 reuses stored code only under the flags that it was compiled with.
  setFlagsFromString('--no-expose-gc')
  collect?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}

function loopUtilization(): () => number {
  let last = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, last)
    last = now
    return utilization
  }
}
