/** Says that something is in trouble when it begins and when it ends, and not each time in between. */

export interface OutageLogger {
  report(error: unknown): void
  /** It works again. */
  over(): void
}

export interface OutageLog {
  warn(bindings: object, message: string): void
  info(bindings: object, message: string): void
}

/** `monotonic`: milliseconds of a clock that never steps. */
export function createOutageLogger(
  log: OutageLog,
  what: string,
  monotonic: () => number,
): OutageLogger {
  let count = 0
  let since = 0
  return {
    report(error) {
      count += 1
      if (count > 1) return
      since = monotonic()
      log.warn({ err: error }, what)
    },
    over() {
      if (count === 0) return
      log.info({ count, seconds: Math.round((monotonic() - since) / 1000) }, `over: ${what}`)
      count = 0
    },
  }
}
