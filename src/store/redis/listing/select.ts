/** The query of the listing index. */
import { EXAMINED_MAX, STALE_MAX } from '../../listing/listing-index.ts'
import type { Script } from '../calls.ts'
import { WHOLE } from './build.ts'

/**
 * Invariant: a name between the bounds that is not in the answer, and not stale, is not in all groups.
 * Lua compares texts by the locale of the server, so the caller puts names in order: those by the end
 * of the certificate, which are not cut to the bounds either, and the stale ones.
 */
export const SELECT: Script = {
  name: 'vkListingSelect',
  lua: `${WHOLE}
local meta, changes, integrations = unpack(KEYS)
local prefix, from, limit, before = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
if not index_is_whole(meta, changes) then return false end
local marked = redis.call('ZRANGE', index_place(meta, 'stale'), 0, ${STALE_MAX})
if #marked > ${STALE_MAX} then return false end

local to = prefix == '' and '+' or '(' .. prefix .. '~'
local driver, least, others = integrations, nil, {}
for at = 5, #ARGV do
  local place = index_place(meta, 'group:' .. ARGV[at])
  local count = redis.call('ZCARD', place)
  if not least or count < least then
    if least then others[#others + 1] = driver end
    driver, least = place, count
  else
    others[#others + 1] = place
  end
end
local ends = index_place(meta, 'ends')
local function is_in_others(name)
  for _, place in ipairs(others) do
    if not redis.call('ZSCORE', place, name) then return false end
  end
  return true
end

local names, next_name = {}, false
local ended = {}
if before ~= '' then
  ended = redis.call('ZRANGEBYSCORE', ends, '-inf', '(' .. before, 'LIMIT', 0, ${EXAMINED_MAX} + 1)
end
if before ~= '' and #ended <= ${EXAMINED_MAX} then
  if least then others[#others + 1] = driver end
  for _, name in ipairs(ended) do
    if string.sub(name, 1, #prefix) == prefix and is_in_others(name) then names[#names + 1] = name end
  end
  return {names, false, marked}
else
  local examined = 0
  while true do
    local some = redis.call('ZRANGEBYLEX', driver, from, to, 'LIMIT', 0, 500)
    for _, name in ipairs(some) do
      examined = examined + 1
      local ending = before ~= '' and redis.call('ZSCORE', ends, name)
      if (before == '' or (ending and tonumber(ending) < tonumber(before))) and is_in_others(name) then
        names[#names + 1] = name
      end
      if #names == limit or examined == ${EXAMINED_MAX} then
        next_name = name
        break
      end
    end
    if next_name or #some < 500 then break end
    from = '(' .. some[#some]
  end
end
return {names, next_name, marked}`,
}
