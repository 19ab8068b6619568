/** Which integrations hold a token. */
import type { Keys } from '../keys.ts'
import { pageLimit } from '../keys.ts'
import type { RedisConnection } from '../redis-connection/connection.ts'
import type { Outcomes } from '../store.ts'
import type { Script } from './calls.ts'
import { NOW, toArray, toNumber, toText } from './script.ts'

/** Integrations that currently hold a token. The set may contain former holders. */
export const HOLDERS_OF = `
local function holders_of(holders, token, base, time)
  local names = {}
  for _, name in ipairs(redis.call('ZRANGE', holders, 0, -1)) do
    local lease = redis.call('HMGET', base .. 'o:' .. name, 'lease_token', 'lease_ends')
    if lease[1] == token and tonumber(lease[2]) > time then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end
`

const HOLDERS: Script = {
  name: 'vkHolders',
  lua: `${NOW}${HOLDERS_OF}
return holders_of(KEYS[1], ARGV[1], ARGV[2], now())`,
}

/** The score is the end of the lease. A holder whose lease was replaced or cleared is no longer in the set. */
const SHARERS: Script = {
  name: 'vkSharers',
  lua: `${NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now())
return {redis.call('ZCARD', KEYS[1]), redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1)}`,
}

export const createRedisHolders = (
  redis: Pick<RedisConnection, 'run'>,
  keys: Keys,
): Pick<Outcomes, 'holders' | 'sharers'> => ({
  async holders(tokenId) {
    const names = await redis.run(HOLDERS, [keys.holders(tokenId)], [tokenId, keys.base])
    return toArray(names).map(toText)
  },

  async sharers(tokenId, limit) {
    const reply = await redis.run(SHARERS, [keys.holders(tokenId)], [pageLimit(limit)])
    const [count, names] = toArray(reply)
    return { count: toNumber(count), names: toArray(names).map(toText).sort() }
  },
})
