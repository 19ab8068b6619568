/** Logs the begin and the end of an outage, and nothing in between. */
import type { Log, Runtime } from './runtime.ts'

export interface OutageLogger {
  report(error: unknown): void
  /** It works again. */
  over(): void
}

export function createOutageLogger(
  log: Pick<Log, 'info' | 'warn'>,
  what: string,
  { monotonic }: Pick<Runtime, 'monotonic'>,
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
