/** Marks in the listing index, for every script that announces a change. */
import { INDEXED_KINDS } from '../../listing/listing-index.ts'

/** Fields of the hash `meta`. */
export const LISTING = {
  /** Counts the marks. */
  marks: 'listing_marks',
  /** The sequence number of the last change of which the index knows. */
  seq: 'listing_seq',
  /** How far a rebuild is. Absent: the index is whole. */
  build: 'listing_build',
} as const

/** All keys of the index begin with it. The hash `meta` has the same beginning. */
const LISTING_KEY = 'listing:'

const isIndexedKind = INDEXED_KINDS.map((kind) => `kind == '${kind}'`).join(' or ')

/**
 * Invariant: after an announced change, the entry of each integration that it may concern is right
 * or marked. `listing_seq` follows the sequence number only while every change was announced by a
 * script with this code, so that a difference shows changes by an older release.
 *
 * `knows_entry`: the entry is right now, so that a lease alone does not change a steady one.
 */
export const INDEX_HEARD = `
local function index_place(meta, name) return string.sub(meta, 1, -5) .. '${LISTING_KEY}' .. name end
local function index_mark(meta, name)
  redis.call('ZADD', index_place(meta, 'stale'), redis.call('HINCRBY', meta, '${LISTING.marks}', 1), name)
end
local function index_is_steady(meta, name)
  local entry = redis.call('HGET', index_place(meta, 'entries'), name)
  return entry and string.sub(entry, 1, 1) == '+'
end
local function index_heard(meta, change, knows_entry)
  local fields = {}
  for at = 1, #change, 2 do fields[change[at]] = change[at + 1] end
  local kind = fields.kind
  if fields.type == 'integration' or fields.type == 'custody' then
    local is_lease = fields.newer or fields.type == 'custody'
    if not (knows_entry and is_lease and index_is_steady(meta, fields.name)) then
      index_mark(meta, fields.name)
    end
  elseif fields.type == 'document' and (${isIndexedKind}) then
    index_mark(meta, fields.id)
  elseif fields.type == 'dead' and fields.names then
    for name in string.gmatch(fields.names, '%S+') do
      if not (knows_entry and index_is_steady(meta, name)) then index_mark(meta, name) end
    end
  elseif fields.type == 'dead' then
    return false
  end
  return true
end
local function index_follow(meta, seq)
  local known = tonumber(redis.call('HGET', meta, '${LISTING.seq}') or '0')
  if known == seq - 1 and (known > 0 or seq == 1) then redis.call('HSET', meta, '${LISTING.seq}', seq) end
end
`
