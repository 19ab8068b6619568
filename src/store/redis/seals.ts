import { usablePageOf } from '../integrity/record-schema.ts'
import { type Keys, pageLimit } from '../keys.ts'
import type { MacPlace, Seals } from '../seals.ts'
import type { Script } from './calls.ts'
import type { DurableRedis } from './durable.ts'
import { NOW, toArray, toNumber, toText } from './script.ts'

/** Returns only the heads, so that a hundred thousand records take about a second. A key that is not a hash has none. */
const LIST: Script = {
  name: 'vkSealsList',
  lua: `${NOW}
local names = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2] + 1)
local base, time = ARGV[3], now()
local function head(sealed) return string.match(sealed, '^[^.]*') end
local function fields_of(key, ...)
  local fields = redis.pcall('HMGET', key, ...)
  return fields.err and {} or fields
end
local heads = {}
for position, name in ipairs(names) do
  local secrets = fields_of(base .. 'i:' .. name, 'secrets')[1]
  local lease = fields_of(base .. 'o:' .. name, 'lease_ends', 'lease_body')
  local lives = lease[2] and (tonumber(lease[1] or '') or 0) > time
  local token = fields_of(base .. 'c:' .. name, 'token')[1]
  heads[position] = {name, head(secrets or ''), lives and head(lease[2]) or false,
    token and token ~= '' and head(token) or false}
end
return heads`,
}

/** Invariant: a value that was written after the read is not overwritten. */
const SWAP: Script = {
  name: 'vkSealsSwap',
  lua: `
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1`,
}

/** Omits keys that are not hashes or have no version, because no code can be created for them. */
const MACS: Script = {
  name: 'vkSealsMacs',
  lua: `
local ids = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2] + 1)
local rows = {}
for position, id in ipairs(ids) do
  local fields = redis.pcall('HMGET', ARGV[3] .. id, 'uid', 'version', 'mac')
  if fields.err or not tonumber(fields[2] or '') then fields = {'', '', ''} end
  rows[position] = {id, fields[1] or '', fields[2], fields[3] or ''}
end
return rows`,
}

/** Invariant: a code is stored only beside the record for which it was created. */
const SWAP_MAC: Script = {
  name: 'vkSealsSwapMac',
  lua: `
local uid, version, former, mac = unpack(ARGV)
local fields = redis.call('HMGET', KEYS[1], 'uid', 'version', 'mac')
if (fields[1] or '') ~= uid or fields[2] ~= version or (fields[3] or '') ~= former then return 0 end
redis.call('HSET', KEYS[1], 'mac', mac)
return 1`,
}

export function createRedisSeals(redis: DurableRedis, keys: Keys): Seals {
  const recordKey = (place: MacPlace, id: string) =>
    place === 'integrations' ? keys.integration(id) : keys.document(place.kind, id)

  return {
    async list({ limit, after }) {
      const from = after === undefined ? '-' : `(${after}`
      const args = [from, pageLimit(limit), keys.base]
      const found = toArray(await redis.run(LIST, [keys.integrations], args)).map((reply) => {
        const [name, secrets, lease, refreshToken] = toArray(reply)
        return {
          name: toText(name),
          secrets: toText(secrets),
          lease: lease === null ? null : toText(lease),
          refreshToken: refreshToken === null ? null : toText(refreshToken),
        }
      })
      const items = found.slice(0, limit)
      return { items, next: found.length > limit ? (items.at(-1)?.name ?? null) : null }
    },
    async macs(place, { limit, after }) {
      const [index, base] =
        place === 'integrations'
          ? [keys.integrations, `${keys.base}i:`]
          : [keys.documents(place.kind), `${keys.base}d:${place.kind}:`]
      const from = after === undefined ? '-' : `(${after}`
      const rows = toArray(await redis.run(MACS, [index], [from, pageLimit(limit), base]))
      const { items, next } = usablePageOf(rows.map(toArray), limit, {
        idOf: ([id]) => toText(id),
        parse: ([, uid, version, mac], id) =>
          version === ''
            ? []
            : [{ id, uid: toText(uid), version: toNumber(version), mac: toText(mac) }],
      })
      return { items: items.flat(), next }
    },
    async swapMac(place, { id, uid, version, mac: former }, mac) {
      const args = [uid, version, former, mac]
      return (await redis.runDurably(SWAP_MAC, [recordKey(place, id)], args)) === 1
    },
    async swapSecrets(name, former, sealed) {
      const args = ['secrets', former, sealed]
      return (await redis.runDurably(SWAP, [keys.integration(name)], args)) === 1
    },
    async swapRefreshToken(name, former, sealed) {
      const args = ['token', former, sealed]
      return (await redis.runDurably(SWAP, [keys.custody(name)], args)) === 1
    },
    async swapLease(name, former, sealed) {
      return (await redis.run(SWAP, [keys.outcome(name)], ['lease_body', former, sealed])) === 1
    },
  }
}
