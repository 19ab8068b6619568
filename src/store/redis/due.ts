import { integrationName, type Keys } from '../keys.ts'
import type { RedisConnection } from '../redis-connection/connection.ts'
import type { DueIndex } from '../store.ts'
import type { Script } from './calls.ts'
import { NOW, toArray, toNumber, toText } from './script.ts'

/** CLAIM. Invariant: a name is claimed only once until its postponed time, and is never lost if the claimer dies. */
const CLAIM: Script = {
  name: 'vkClaim',
  lua: `${NOW}
local time = now()
local names = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', time, 'LIMIT', 0, ARGV[1])
for _, name in ipairs(names) do redis.call('ZADD', KEYS[1], time + ARGV[2], name) end
return names`,
}

const SIZE: Script = {
  name: 'vkDueSize',
  lua: `
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {redis.call('ZCARD', KEYS[1]), first[2] or false}`,
}

export function createRedisDue(redis: Pick<RedisConnection, 'run' | 'call'>, keys: Keys): DueIndex {
  return {
    async mark(name, dueAt) {
      await redis.call('zadd', keys.due, 'NX', dueAt, integrationName(name))
    },
    async claim(limit, postponeMs) {
      return toArray(await redis.run(CLAIM, [keys.due], [limit, postponeMs])).map(toText)
    },
    async unmark(name) {
      await redis.call('zrem', keys.due, integrationName(name))
    },
    async size() {
      const [count, earliest] = toArray(await redis.run(SIZE, [keys.due], []))
      return { count: toNumber(count), earliest: earliest === null ? null : toNumber(earliest) }
    },
  }
}
