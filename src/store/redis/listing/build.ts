/** Whether the listing index knows of every change, and how it is built again. */
import { FAMILIES } from '../../listing/listing-index.ts'
import type { Script } from '../calls.ts'
import { NOW } from '../script.ts'
import { INDEX_HEARD, LISTING } from './marks.ts'

/** Entries for which one script looks at the time, and names that one step of a rebuild marks. */
const TURNS_MAX = 1_000
const BUILD_STEP = 2_000
/** More missed changes begin a rebuild. */
const MISSED_MAX = 1_000
/** Position of a rebuild: the phase, and the last name. First the records, then the entries, whose records may be gone. */
const BUILD_START = 'r:'

/**
 * Marks what changed without a mark, by an older release or by time. Invariant: if `index_is_whole`
 * returns true, each integration has an entry that is right now, or a mark.
 */
export const WHOLE = `${NOW}${INDEX_HEARD}
local function index_rebuild(meta)
  redis.call('HSET', meta, '${LISTING.build}', '${BUILD_START}', '${LISTING.seq}',
    redis.call('HGET', meta, 'seq') or '0')
end
local function index_missed(meta, changes, known, seq)
  local count = seq - known
  if known == 0 or count < 0 or count > ${MISSED_MAX} then return index_rebuild(meta) end
  local entries = redis.call('XREVRANGE', changes, '+', '-', 'COUNT', count)
  local last = entries[#entries]
  if #entries ~= count or tonumber(last[2][2]) ~= known + 1 then return index_rebuild(meta) end
  for _, entry in ipairs(entries) do
    if not index_heard(meta, entry[2], false) then return index_rebuild(meta) end
  end
  redis.call('HSET', meta, '${LISTING.seq}', seq)
end
local function index_turned(meta)
  local turns = index_place(meta, 'turns')
  local names = redis.call('ZRANGEBYSCORE', turns, '-inf', now(), 'LIMIT', 0, ${TURNS_MAX})
  for _, name in ipairs(names) do
    index_mark(meta, name)
    redis.call('ZREM', turns, name)
  end
end
local function index_is_whole(meta, changes)
  local known, seq = unpack(redis.call('HMGET', meta, '${LISTING.seq}', 'seq'))
  known, seq = tonumber(known or '0'), tonumber(seq or '0')
  if known ~= seq then index_missed(meta, changes, known, seq) end
  index_turned(meta)
  return not redis.call('HGET', meta, '${LISTING.build}')
end
`

/** Whatever the index says, nothing of it stays. */
export const REBUILD: Script = {
  name: 'vkListingRebuild',
  lua: `${WHOLE}
local meta = KEYS[1]
for _, family in ipairs({${FAMILIES.map((family) => `'${family}'`).join(', ')}}) do
  local counts = index_place(meta, 'counts:' .. family)
  for _, group in ipairs(redis.call('ZRANGE', counts, 0, -1)) do
    redis.call('DEL', index_place(meta, 'group:' .. group))
  end
  redis.call('DEL', counts)
end
for _, part in ipairs({'entries', 'turns', 'ends'}) do redis.call('DEL', index_place(meta, part)) end
index_rebuild(meta)
return 1`,
}

/** Invariant: when it ends, every name that has a record or an entry was marked since it began. */
export const BUILD: Script = {
  name: 'vkListingBuild',
  lua: `${WHOLE}
local meta, changes, integrations = unpack(KEYS)
if index_is_whole(meta, changes) then return 1 end
local phase, after = string.match(redis.call('HGET', meta, '${LISTING.build}'), '^([^:]*):(.*)$')
local states = redis.call('ZRANGE', index_place(meta, 'counts:state'), 0, -1)
table.sort(states)
local place, following = integrations, states[1]
if phase ~= 'r' then
  place, following = index_place(meta, 'group:' .. phase), nil
  for _, state in ipairs(states) do
    if state > phase then
      following = state
      break
    end
  end
end
local from = after == '' and '-' or '(' .. after
local names = redis.call('ZRANGEBYLEX', place, from, '+', 'LIMIT', 0, ${BUILD_STEP})
for _, name in ipairs(names) do index_mark(meta, name) end
if #names == ${BUILD_STEP} then
  redis.call('HSET', meta, '${LISTING.build}', phase .. ':' .. names[#names])
elseif following then
  redis.call('HSET', meta, '${LISTING.build}', following .. ':')
else
  redis.call('HDEL', meta, '${LISTING.build}')
  return 1
end
return 0`,
}
