import { integrationName, type Keys } from '../keys.ts'
import type { Claim } from '../records.ts'
import type { RedisConnection } from '../redis-connection/connection.ts'
import type { DueIndex } from '../store.ts'
import type { Script } from './calls.ts'
import { NOW, toArray, toNumber, toText } from './script.ts'

/** Field of the hash `meta` that counts the marks. */
export const DUE_MARKS = 'due_marks'

/** Invariant: a new entry is counted, so that the replicas that wait for the index look at it. */
const MARK: Script = {
  name: 'vkMark',
  lua: `
if redis.call('ZADD', KEYS[1], 'NX', ARGV[1], ARGV[2]) == 0 then return 0 end
return redis.call('HINCRBY', KEYS[2], '${DUE_MARKS}', 1)`,
}

/** CLAIM. Invariant: a name is claimed only once until its postponed time, and is never lost if the claimer dies. */
const CLAIM: Script = {
  name: 'vkClaim',
  lua: `${NOW}
local time = now()
local names = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', time, 'LIMIT', 0, ARGV[1])
for _, name in ipairs(names) do redis.call('ZADD', KEYS[1], time + ARGV[2], name) end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {names, first[2] and tostring(math.max(0, first[2] - time)) or false}`,
}

/** Claims in an index of due times. */
export async function claimInIndex(
  redis: Pick<RedisConnection, 'run'>,
  index: string,
  limit: number,
  postponeMs: number,
): Promise<Claim> {
  const [names, next] = toArray(await redis.run(CLAIM, [index], [limit, postponeMs]))
  return {
    names: toArray(names).map(toText),
    nextInMs: next === null ? Number.POSITIVE_INFINITY : toNumber(next),
  }
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
      await redis.run(MARK, [keys.due, keys.meta], [dueAt, integrationName(name)])
    },
    claim: (limit, postponeMs) => claimInIndex(redis, keys.due, limit, postponeMs),
    async unmark(name) {
      await redis.call('zrem', keys.due, integrationName(name))
    },
    async size() {
      const [count, earliest] = toArray(await redis.run(SIZE, [keys.due], []))
      return { count: toNumber(count), earliest: earliest === null ? null : toNumber(earliest) }
    },
  }
}
