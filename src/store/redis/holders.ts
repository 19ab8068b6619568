/** Which integrations hold a token. */
import type { Keys } from '../keys.ts'
import { pageLimit } from '../keys.ts'
import type { Outcomes } from '../store.ts'
import type { Script } from './calls.ts'
import { forEach, type GatheringRedis } from './gathered.ts'
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
const EACH_SHARERS = `${NOW}
local function each(keys, args)
  redis.call('ZREMRANGEBYSCORE', keys[1], '-inf', now())
  return {redis.call('ZCARD', keys[1]), redis.call('ZRANGE', keys[1], 0, args[1] - 1)}
end`

const SHARERS: Script = { name: 'vkSharers', lua: `${EACH_SHARERS}\nreturn each(KEYS, ARGV)` }
const SHARERS_OF_EACH = forEach('vkSharersOfEach', EACH_SHARERS)

export const createRedisHolders = (
  redis: Pick<GatheringRedis, 'run' | 'read'>,
  keys: Keys,
): Pick<Outcomes, 'holders' | 'sharers'> => ({
  async holders(tokenId) {
    const names = await redis.run(HOLDERS, [keys.holders(tokenId)], [tokenId, keys.base])
    return toArray(names).map(toText)
  },

  async sharers(tokenId, limit) {
    const of = { keys: [keys.holders(tokenId)], args: [pageLimit(limit)] }
    const alone = () => redis.run(SHARERS, of.keys, of.args)
    const reply = await redis.read(SHARERS_OF_EACH, { ...of, alone })
    const [count, names] = toArray(reply)
    return { count: toNumber(count), names: toArray(names).map(toText).sort() }
  },
})
