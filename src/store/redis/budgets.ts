import type { Budgets, Charge, ChargeResult } from '../budgets.ts'
import type { Keys } from '../keys.ts'
import type { Script } from './calls.ts'
import { forEach, type GatheringRedis } from './gathered.ts'
import { NOW, toArray, toNumber } from './script.ts'

/** Amounts by bucket, oldest first. A bucket counts until it has left the window completely, so that no window exceeds the limit. */
const SPENT = `
local function spent(key, width, time)
  local oldest = math.floor(time / width) - 60
  local buckets, sum, over = {}, 0, {}
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local bucket, amount = tonumber(fields[i]), tonumber(fields[i + 1])
    if bucket < oldest then
      over[#over + 1] = fields[i]
    else
      buckets[#buckets + 1] = {bucket = bucket, amount = amount}
      sum = sum + amount
    end
  end
  table.sort(buckets, function(a, b) return a.bucket < b.bucket end)
  return sum, buckets, over
end
`

/** BUDGET. Invariant: all charges are made or none, and no window exceeds its limit. */
const CHARGE = `
local function charge(keys, args)
  local time = now()
  local pending, overdue = {}, {}
  for i, key in ipairs(keys) do
    local limit, window, amount = tonumber(args[3*i - 2]), tonumber(args[3*i - 1]), tonumber(args[3*i])
    local width = window / 60
    local sum, buckets, over = spent(key, width, time)
    overdue[key] = over
    local excess = sum + (pending[key] or 0) + math.max(amount, 1) - limit
    if excess > 0 then
      local retry_at = time + window + width
      for _, entry in ipairs(buckets) do
        excess = excess - entry.amount
        if excess <= 0 then
          retry_at = (entry.bucket + 61) * width
          break
        end
      end
      return {i, string.format('%.0f', math.ceil(retry_at))}
    end
    pending[key] = (pending[key] or 0) + amount
  end
  for i, key in ipairs(keys) do
    local window, amount = tonumber(args[3*i - 1]), tonumber(args[3*i])
    local width = window / 60
    for _, field in ipairs(overdue[key]) do redis.call('HDEL', key, field) end
    if amount > 0 then
      redis.call('HINCRBY', key, string.format('%.0f', math.floor(time / width)), amount)
      redis.call('PEXPIRE', key, math.ceil(window + 2 * width))
    end
  end
  return false
end
`

const TAKE: Script = {
  name: 'vkBudgetTake',
  lua: `${NOW}${SPENT}${CHARGE}
return charge(KEYS, ARGV)`,
}

/** Invariant: nothing is charged without the lock, nor for another state of the integration. */
const TAKE_UNDER_LOCK: Script = {
  name: 'vkBudgetTakeUnderLock',
  lua: `${NOW}${SPENT}${CHARGE}
local owner, ttl, uid, version, orev = unpack(ARGV)
if not redis.call('SET', KEYS[1], owner, 'PX', ttl, 'NX') then return 'locked' end
local current = redis.call('HMGET', KEYS[2], 'uid', 'version', 'orev')
if current[1] ~= uid or current[2] ~= version or current[3] ~= orev then return 'changed' end
return charge({unpack(KEYS, 3)}, {unpack(ARGV, 6)})`,
}

const EACH_USED = `${NOW}${SPENT}
local function each(keys, args)
  local sum = spent(keys[1], args[1] / 60, now())
  return sum
end`

const USED: Script = { name: 'vkBudgetUsed', lua: `${EACH_USED}\nreturn each(KEYS, ARGV)` }
const USED_OF_EACH = forEach('vkBudgetUsedOfEach', EACH_USED)

export function createRedisBudgets(
  redis: Pick<GatheringRedis, 'run' | 'read'>,
  keys: Keys,
): Budgets {
  const placesOf = (charges: readonly Charge[]) =>
    charges.map(({ key, windowMs }) => keys.budget(key, windowMs))

  return {
    async take(charges) {
      return resultOf(charges, await redis.run(TAKE, placesOf(charges), argumentsOf(charges)))
    },
    async takeUnderLock(charges, { name, owner, ttlMs, uid, version, orev }) {
      const reply = await redis.run(
        TAKE_UNDER_LOCK,
        [keys.lock(name), keys.integration(name), ...placesOf(charges)],
        [owner, ttlMs, uid, version, orev, ...argumentsOf(charges)],
      )
      return reply === 'locked' || reply === 'changed' ? reply : resultOf(charges, reply)
    },
    async used(key, windowMs) {
      const of = { keys: [keys.budget(key, windowMs)], args: [windowMs] }
      const alone = () => redis.run(USED, of.keys, of.args)
      return toNumber(await redis.read(USED_OF_EACH, { ...of, alone }))
    },
  }
}

const argumentsOf = (charges: readonly Charge[]) =>
  charges.flatMap(({ limit, windowMs, amount = 1 }) => [limit, windowMs, amount])

function resultOf(charges: readonly Charge[], refused: unknown): ChargeResult {
  if (refused === null) return { granted: true }
  const [position, retryAt] = toArray(refused)
  const key = charges[toNumber(position) - 1]?.key ?? ''
  return { granted: false, key, retryAt: toNumber(retryAt) }
}
