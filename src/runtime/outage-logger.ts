/** Logs the begin and the end of an outage, and each new kind of failure once. */
import { BrokerError } from '../errors/errors.ts'
import type { Log, Runtime } from './runtime.ts'

export interface OutageLogger {
  /** An error that another line tells already (`isTold`) is neither logged nor counted. */
  report(error: unknown): void
  /** Ends the outage. */
  over(): void
}

export function createOutageLogger(
  log: Pick<Log, 'info' | 'warn'>,
  what: string,
  { monotonic }: Pick<Runtime, 'monotonic'>,
): OutageLogger {
  let count = 0
  let since = 0
  /** Codes of the failures that were logged in this outage; an error without one has `undefined`. */
  const logged = new Set<unknown>()
  return {
    report(error) {
      if (error instanceof BrokerError && error.isTold) return
      if (count === 0) since = monotonic()
      count += 1
      const code = codeOf(error)
      if (logged.has(code)) return
      logged.add(code)
      log.warn({ err: error }, what)
    },
    over() {
      if (count === 0) return
      log.info({ count, seconds: Math.round((monotonic() - since) / 1000) }, `over: ${what}`)
      count = 0
      logged.clear()
    },
  }
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined
