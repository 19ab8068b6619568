/** What happens between this process and Redis, in the log: one line for each trouble, with what to do. */
import { anchorOf, type RedisEvent, remedyOf, troubleText } from '../store/redis.ts'

export interface EventLog {
  info(bindings: object, message: string): void
  warn(bindings: object, message: string): void
}

export function redisEventLog(log: EventLog): (event: RedisEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'error': {
        const { cause, code, command, place } = event.error
        log.warn(
          {
            connection: event.connection,
            ...{ cause, code, command, node: place.kind, host: place.host, port: place.port },
            ...{ remedy: remedyOf(event.error), see: anchorOf(cause) },
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
          'whether Redis evicts keys when its memory is full cannot be known: INFO cannot be run',
        )
        break
      default:
        log.info({ connection: event.connection, state: event.type }, 'Redis connection')
    }
  }
}
