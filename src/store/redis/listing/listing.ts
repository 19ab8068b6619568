import { integrationName, type Keys, pageLimit } from '../../keys.ts'
import {
  type EntryWrite,
  familyOf,
  groupName,
  groupsIn,
  type IndexEntry,
  inOrder,
  type ListingIndex,
} from '../../listing/listing-index.ts'
import type { RedisConnection } from '../../redis-connection/connection.ts'
import type { Argument, Script } from '../calls.ts'
import { toArray, toNumber, toText } from '../script.ts'
import { BUILD, REBUILD, WHOLE } from './build.ts'
import { INDEX_HEARD } from './marks.ts'
import { SELECT } from './select.ts'

/** A random part of them, so that replicas do not all do the same work. */
const STALE: Script = {
  name: 'vkListingStale',
  lua: `${WHOLE}
local meta, changes = unpack(KEYS)
local limit, random = tonumber(ARGV[1]), tonumber(ARGV[2])
local is_whole = index_is_whole(meta, changes)
local place = index_place(meta, 'stale')
local count = redis.call('ZCARD', place)
local skip = math.floor(math.max(0, count - limit) * random)
local marked = redis.call('ZRANGE', place, skip, skip + limit - 1, 'WITHSCORES')
local first = redis.call('ZRANGE', index_place(meta, 'turns'), 0, 0, 'WITHSCORES')
local wait = first[2] and tostring(math.max(0, first[2] - now())) or false
if count > limit then wait = '0' end
return {is_whole and 1 or 0, marked, wait}`,
}

/** Invariant: the entry, its groups and their counts agree, and no later mark is lost. */
const PUT: Script = {
  name: 'vkListingPut',
  lua: `${INDEX_HEARD}
local meta = KEYS[1]
local entries, stale = index_place(meta, 'entries'), index_place(meta, 'stale')
local turns, ends = index_place(meta, 'turns'), index_place(meta, 'ends')
local function counts_of(group) return index_place(meta, 'counts:' .. string.match(group, '^[^/]+')) end
local function count(group, step)
  local place = counts_of(group)
  if tonumber(redis.call('ZADD', place, 'INCR', step, group)) <= 0 then redis.call('ZREM', place, group) end
end
local function groups_of(text)
  local can_read, groups = pcall(cjson.decode, string.sub(text or '', 2))
  return can_read and type(groups) == 'table' and groups or {}
end
for at = 1, #ARGV, 5 do
  local name, mark, text, turn, ending = unpack(ARGV, at, at + 4)
  local current = redis.call('ZSCORE', stale, name)
  if current and tonumber(current) == tonumber(mark) then
    local former = redis.call('HGET', entries, name)
    if former ~= text then
      for _, group in ipairs(groups_of(former)) do
        if redis.call('ZREM', index_place(meta, 'group:' .. group), name) == 1 then count(group, -1) end
      end
      for _, group in ipairs(groups_of(text)) do
        local place = index_place(meta, 'group:' .. group)
        if redis.call('ZADD', place, 0, name) == 1 then count(group, 1)
        -- A group whose count was lost: a rebuild left it.
        else redis.call('ZADD', counts_of(group), redis.call('ZCARD', place), group) end
      end
    end
    if text == '' then redis.call('HDEL', entries, name) else redis.call('HSET', entries, name, text) end
    if turn == '' then redis.call('ZREM', turns, name) else redis.call('ZADD', turns, turn, name) end
    if ending == '' then redis.call('ZREM', ends, name) else redis.call('ZADD', ends, ending, name) end
    redis.call('ZREM', stale, name)
  end
end
return 1`,
}

const MARK: Script = {
  name: 'vkListingMark',
  lua: `${INDEX_HEARD}
for _, name in ipairs(ARGV) do index_mark(KEYS[1], name) end
return 1`,
}

const COUNTS: Script = {
  name: 'vkListingCounts',
  lua: `
return {redis.call('ZCARD', KEYS[1]), redis.call('ZREVRANGE', KEYS[1], 0, ARGV[1] - 1, 'WITHSCORES')}`,
}

interface RedisListingDependencies {
  readonly redis: Pick<RedisConnection, 'run' | 'call'>
  readonly keys: Keys
  readonly random: () => number
}

export function createRedisListing({
  redis,
  keys,
  random,
}: RedisListingDependencies): ListingIndex {
  const places = [keys.meta, keys.changes, keys.integrations]
  return {
    async select({ groups, prefix, after, certificateEndsBefore, limit }) {
      const from = after !== undefined && after >= prefix ? `(${after}` : `[${prefix}`
      const reply = await redis.run(SELECT, places, [
        ...[prefix, from === '[' ? '-' : from, pageLimit(limit)],
        ...[certificateEndsBefore ?? '', ...groups.map(groupName)],
      ])
      if (reply === null) return undefined
      const [names, end, stale] = toArray(reply)
      const range = { prefix, after, limit, end: end === null ? null : toText(end) }
      return inOrder(toArray(names).map(toText), toArray(stale).map(toText), range)
    },

    async groupsOf(names) {
      if (names.length === 0) return []
      const reply = await redis.call(
        'hmget',
        keys.listing('entries'),
        ...names.map(integrationName),
      )
      return toArray(reply).map((text) =>
        text === null ? undefined : groupsIn(toText(text).slice(1)),
      )
    },

    async counts(family, limit) {
      const place = keys.listing(`counts:${familyOf(groupName(`${family}/-`))}`)
      const [total, pairs] = toArray(await redis.run(COUNTS, [place], [pageLimit(limit)]))
      return {
        total: toNumber(total),
        groups: pairsOf(pairs).map(([group, count]) => ({ group, count })),
      }
    },

    async stale(limit) {
      const reply = await redis.run(STALE, places, [pageLimit(limit), random()])
      const [isWhole, marked, wait] = toArray(reply)
      return {
        isWhole: isWhole === 1,
        items: pairsOf(marked).map(([name, mark]) => ({ name, mark })),
        nextInMs: wait === null ? Number.POSITIVE_INFINITY : toNumber(wait),
      }
    },

    async put(writes) {
      if (writes.length > 0) await redis.run(PUT, [keys.meta], writes.flatMap(entryArguments))
    },

    async mark(names) {
      if (names.length > 0) await redis.run(MARK, [keys.meta], names.map(integrationName))
    },

    async rebuild() {
      await redis.run(REBUILD, [keys.meta], [])
    },

    build: async () => (await redis.run(BUILD, places, [])) === 1,
  }
}

/** The first character says whether the entry is steady. */
const textOf = ({ isSteady, groups }: IndexEntry): string =>
  `${isSteady ? '+' : '-'}${JSON.stringify(groups.map(groupName))}`

const entryArguments = ({ name, mark, entry }: EntryWrite): Argument[] => [
  ...[integrationName(name), mark, entry === null ? '' : textOf(entry)],
  ...[entry?.turnsAt ?? '', entry?.certificateEndsAt ?? ''],
]

/** Parses a reply with scores. */
function pairsOf(reply: unknown): readonly (readonly [string, number])[] {
  const flat = toArray(reply)
  return flat.flatMap((name, at) =>
    at % 2 === 0 ? [[toText(name), toNumber(flat[at + 1])] as const] : [],
  )
}
