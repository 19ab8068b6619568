/** Logs failed refreshes. */

import { isStoreTrouble } from '../../errors/errors.ts'
import type { Log } from '../../runtime/runtime.ts'
import { isTransient } from '../mint/refusal-memory.ts'
import type { Refreshed } from './refresher.ts'

/** Logs one warning at the first failure and the count at the end. An unavailable store or login host has its own warning. */
export function logRefreshed(refreshed: Refreshed, log: Pick<Log, 'info' | 'warn'>): void {
  const { name: integration, failures: count } = refreshed
  if (refreshed.outcome === 'replaced') {
    if (count > 0) log.info({ integration, count }, 'over: a lease could not be refreshed ahead')
  } else if (count === 1 && !isTransient(refreshed.error) && !isStoreTrouble(refreshed.error)) {
    log.warn({ integration, err: refreshed.error }, 'a lease could not be refreshed ahead')
  }
}
