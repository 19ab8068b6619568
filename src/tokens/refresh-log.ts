/** What the log says of refreshes that fail. */

import type { Refreshed } from './refresher.ts'
import { isTransient } from './refusal-memory.ts'
import { isUnavailable } from './storeless.ts'
import type { TroubleLog } from './trouble.ts'

/** One warning when it begins, and their count when it is over. A store or a login host that is down has a warning of its own. */
export function logRefreshed(refreshed: Refreshed, log: TroubleLog): void {
  const { name: integration, failures: count } = refreshed
  if (refreshed.outcome === 'replaced') {
    if (count > 0) log.info({ integration, count }, 'over: a lease could not be refreshed ahead')
  } else if (count === 1 && !isTransient(refreshed.error) && !isUnavailable(refreshed.error)) {
    log.warn({ integration, err: refreshed.error }, 'a lease could not be refreshed ahead')
  }
}
