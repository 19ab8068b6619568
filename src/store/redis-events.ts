import { BrokerError } from '../errors.ts'
import { type Keys, pageLimit } from './keys.ts'
import type { RedisConnection, Script } from './redis-connection.ts'
import { toArray, toText } from './redis-script.ts'
import type { EventLog } from './store.ts'

/** Invariant: all of a batch or nothing; the newest `keep` entries stay, and not many more. */
const APPEND: Script = {
  name: 'vkEventsAppend',
  lua: `
for i = 2, #ARGV do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'body', ARGV[i])
end
return #ARGV - 1`,
}

const EVENT_ID = /^\d{1,19}-\d{1,19}$/

export function createRedisEvents(
  redis: Pick<RedisConnection, 'run' | 'call'>,
  keys: Keys,
): EventLog {
  return {
    async append(bodies, keep) {
      if (bodies.length > 0) await redis.run(APPEND, [keys.events], [keep, ...bodies])
    },
    async read({ limit, before }) {
      if (before !== undefined && !EVENT_ID.test(before)) {
        throw new BrokerError('request_invalid', 'The cursor is not one of this list')
      }
      const from = before === undefined ? '+' : `(${before}`
      const count = pageLimit(limit)
      const entries = await redis.call('xrevrange', keys.events, from, '-', 'COUNT', count)
      return toArray(entries).map((entry) => {
        const [id, fields] = toArray(entry)
        return { id: toText(id), body: toText(toArray(fields)[1]) }
      })
    },
  }
}
