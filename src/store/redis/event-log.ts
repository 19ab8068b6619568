/** Logs failures of Redis, each with its remedy. */

import type { Log } from '../../runtime/runtime.ts'
import { anchorOf } from '../redis-connection/cause.ts'
import type { RedisEvent } from '../redis-connection/connection.ts'
import { redisRemedyOf, troubleText } from '../redis-connection/errors.ts'

/** Shortest time between two lines about a closed connection. Each failure has its own line. */
const FLAPPING_MS = 30_000

interface Shown {
  readonly state: 'ready' | 'closed'
  /** Time of the last line about a closed connection. */
  readonly closedAt: number
}

/** `monotonic`: monotonic clock, in milliseconds. */
export function redisEventLog(
  log: Pick<Log, 'info' | 'warn'>,
  monotonic: () => number,
): (event: RedisEvent) => void {
  const shown = new Map<string, Shown>()

  const isNews = (connection: string, state: Shown['state']): boolean => {
    const { state: last, closedAt } = shown.get(connection) ?? { closedAt: -FLAPPING_MS }
    if (state === last) return false
    if (state === 'closed' && monotonic() - closedAt < FLAPPING_MS) return false
    shown.set(connection, { state, closedAt: state === 'closed' ? monotonic() : closedAt })
    return true
  }

  return (event) => {
    switch (event.type) {
      case 'error': {
        const { cause, code, command, place } = event.error
        log.warn(
          {
            connection: event.connection,
            ...{ cause, code, command, node: place.kind, host: place.host, port: place.port },
            ...{ remedy: redisRemedyOf(event.error), see: anchorOf(cause) },
          },
          troubleText(event.error),
        )
        break
      }
      case 'eviction_policy':
        log.warn(
          { policy: event.policy },
          'Redis may evict keys when its memory is full: set maxmemory-policy noeviction',
        )
        break
      case 'eviction_unknown':
        log.warn(
          { see: 'docs/redis.md#eviction' },
          'it is unknown whether Redis evicts keys when its memory is full: INFO cannot be run',
        )
        break
      default:
        if (isNews(event.connection, event.type)) {
          log.info({ connection: event.connection, state: event.type }, 'Redis connection')
        }
    }
  }
}
