/** A time limit for an answer of a server, which an event loop that was blocked does not use up. */

/** A timer that is so late was held up by something that blocked the loop. */
const BLOCKED_MS = 50

/**
 * Calls `expire` when `ms` are over, and never before what has arrived by then was read: the loop
 * runs timers first, and sockets after. Where it was blocked when they were over, the server gets as
 * much time once more. `clearTimeout` clears it; one that is cleared in its last turn still expires,
 * so `expire` has to check whether it is still wanted.
 */
export function fairTimeout(expire: () => void, ms: number): NodeJS.Timeout {
  const dueAt = performance.now() + ms
  let wasBlocked = false
  const timer = setTimeout(() => {
    if (!wasBlocked && performance.now() - dueAt > BLOCKED_MS) {
      wasBlocked = true
      timer.refresh()
    } else setImmediate(expire)
  }, ms)
  return timer
}
