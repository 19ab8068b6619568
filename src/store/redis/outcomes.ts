import type { Keys } from '../keys.ts'
import { integrationName } from '../keys.ts'
import { liveOutcome, type StoredOutcome } from '../outcome.ts'
import type { DocumentWrite } from '../records.ts'
import { ofRecord } from '../redis-connection/errors.ts'
import type { OutcomeChange, Outcomes, SaveResult } from '../store.ts'
import type { Argument, Script } from './calls.ts'
import { documentPlaces, PUT_DOCUMENT } from './documents.ts'
import { forEach, type GatheringRedis } from './gathered.ts'
import { createRedisHolders, HOLDERS_OF } from './holders.ts'
import { integrationRecord, PUBLIC_FIELDS } from './integrations.ts'
import { ANNOUNCE, IS_DEAD, NOW, toArray, toNumber, toText } from './script.ts'

const OUTCOME_FIELDS = [
  ...['lease_body', 'lease_digest', 'lease_token', 'lease_ends'],
  ...['refusal_body', 'refusal_version', 'refusal_ends'],
  ...['live_token', 'live_ends', 'live_count'],
]

const quoted = (fields: readonly string[]) => fields.map((field) => `'${field}'`).join(', ')

/** Invariant: integration, outcome and tombstone are read atomically. */
const EACH_LOOK = `${NOW}${IS_DEAD}
local function each(keys)
  local record = redis.call('HMGET', keys[1], ${quoted(PUBLIC_FIELDS)})
  if not record[1] then return false end
  local outcome = redis.call('HMGET', keys[2], ${quoted(OUTCOME_FIELDS)})
  local time = now()
  local dead = outcome[3] and is_dead(keys[3], outcome[3], time)
  return {time, record, outcome, dead and 1 or 0}
end`

const LOOK: Script = { name: 'vkLook', lua: `${EACH_LOOK}\nreturn each(KEYS)` }
const LOOKS = forEach('vkLooks', EACH_LOOK)

/**
 * SAVE. Invariant: the write succeeds only if the outcome, the integration and its digests are as
 * the writer saw them, the token was not revoked, and the guard has its version. So an outdated mint changes nothing.
 */
const SAVE: Script = {
  name: 'vkSave',
  lua: `${NOW}${ANNOUNCE}${IS_DEAD}${PUT_DOCUMENT}
local record, outcome, dead, due, meta, changes, guard = unpack(KEYS)
local name, uid, orev, base = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local lease = {act = ARGV[5], body = ARGV[6], digest = ARGV[7], token = ARGV[8], ends = ARGV[9]}
local refusal = {act = ARGV[10], body = ARGV[11], version = ARGV[12], ends = ARGV[13]}
local live = {act = ARGV[14], token = ARGV[15], ends = ARGV[16], count = ARGV[17]}
local due_act, due_at, guarded = ARGV[18], ARGV[19], ARGV[20]
local puts = {}
for at = 21, #ARGV, 5 do
  local kind, id, expected, body, mac = unpack(ARGV, at, at + 4)
  puts[#puts + 1] = {kind = kind, id = id, expected = expected, body = body, mac = mac}
end
local time = now()

local current = redis.call('HMGET', record, 'uid', 'orev', 'version', 'digests', 'rev')
if not current[1] then return 'gone' end
if current[1] ~= uid or current[2] ~= orev then return 'changed' end
if refusal.act == 'set' and refusal.version ~= current[3] then return 'changed' end
if lease.act == 'set' then
  local valid = false
  for _, digest in ipairs(cjson.decode(current[4])) do valid = valid or digest == lease.digest end
  if not valid then return 'changed' end
  if is_dead(dead, lease.token, time) then return 'dead' end
end
if guarded ~= '' and (redis.call('HGET', guard, 'version') or 'absent') ~= guarded then
  return 'guard'
end
for position, put in ipairs(puts) do
  local version = redis.call('HGET', KEYS[3*position + 5], 'version')
  if (version or 'absent') ~= put.expected then return 'document' end
  put.version = tonumber(version or '0') + 1
end

local token, lease_ends, refusal_ends, live_ends = unpack(
  redis.call('HMGET', outcome, 'lease_token', 'lease_ends', 'refusal_ends', 'live_ends'))
if token and lease.act ~= 'keep' and lease.token ~= token then
  redis.call('ZREM', base .. 't:' .. token, name)
end
if lease.act == 'set' then
  redis.call('HSET', outcome, 'lease_body', lease.body, 'lease_digest', lease.digest,
    'lease_token', lease.token, 'lease_ends', lease.ends)
  local holders = base .. 't:' .. lease.token
  redis.call('ZADD', holders, lease.ends, name)
  redis.call('PEXPIREAT', holders, redis.call('ZREVRANGE', holders, 0, 0, 'WITHSCORES')[2])
elseif lease.act == 'clear' and token then
  redis.call('HDEL', outcome, 'lease_body', 'lease_digest', 'lease_token', 'lease_ends')
end
if refusal.act == 'set' then
  redis.call('HSET', outcome, 'refusal_body', refusal.body, 'refusal_version', refusal.version,
    'refusal_ends', refusal.ends)
elseif refusal.act == 'clear' and refusal_ends then
  redis.call('HDEL', outcome, 'refusal_body', 'refusal_version', 'refusal_ends')
end
if live.act == 'set' then
  redis.call('HSET', outcome, 'live_token', live.token, 'live_ends', live.ends,
    'live_count', live.count)
elseif live.act == 'clear' and live_ends then
  redis.call('HDEL', outcome, 'live_token', 'live_ends', 'live_count')
end

local function ends_of(member, former)
  if member.act == 'keep' then return tonumber(former or '0') end
  return tonumber(member.ends) or 0
end
redis.call('PEXPIREAT', outcome, math.max(ends_of(lease, lease_ends),
  ends_of(refusal, refusal_ends), ends_of(live, live_ends)))
if due_act == 'set' then redis.call('ZADD', due, due_at, name) end
if due_act == 'move' then redis.call('ZADD', due, 'XX', due_at, name) end
if due_act == 'clear' then redis.call('ZREM', due, name) end

for position, put in ipairs(puts) do
  local document, index, ends_index = unpack(KEYS, 3*position + 5, 3*position + 7)
  put_document(document, index, ends_index, meta, changes, put)
end

orev = tonumber(orev) + 1
local rev = tonumber(current[5]) + 1
redis.call('HSET', record, 'orev', orev, 'rev', rev)
if refusal.act == 'set' then index_mark(meta, name) end
if lease.act == 'clear' then
  announce(meta, changes, 'type', 'integration', 'name', name, 'rev', rev)
else
  announce(meta, changes, 'type', 'integration', 'name', name, 'rev', rev, 'newer', 1)
end
return {orev, rev}`,
}

/** Invariant: afterwards the integration has no refusal. */
const FORGET_REFUSAL: Script = {
  name: 'vkForgetRefusal',
  lua: `${NOW}${ANNOUNCE}
local record, outcome, meta, changes = unpack(KEYS)
local ends = redis.call('HGET', outcome, 'refusal_ends')
if not ends or tonumber(ends) <= now() or redis.call('EXISTS', record) == 0 then return 0 end
redis.call('HDEL', outcome, 'refusal_body', 'refusal_version', 'refusal_ends')
redis.call('HINCRBY', record, 'orev', 1)
local rev = redis.call('HINCRBY', record, 'rev', 1)
announce(meta, changes, 'type', 'integration', 'name', ARGV[1], 'rev', rev, 'newer', 1)
return rev`,
}

/** REVOKE. Invariant: no later SAVE accepts the token, no outcome contains it, and no tombstone is shortened. */
const REVOKE: Script = {
  name: 'vkRevoke',
  lua: `${NOW}${ANNOUNCE}${HOLDERS_OF}
local dead, holders, meta, changes = unpack(KEYS)
local token, ends, base = unpack(ARGV)
local time = now()
redis.call('ZREMRANGEBYSCORE', dead, '-inf', time)
local former = redis.call('ZSCORE', dead, token)
if not former or tonumber(former) < tonumber(ends) then redis.call('ZADD', dead, ends, token) end
local names = holders_of(holders, token, base, time)
for _, name in ipairs(names) do
  redis.call('HDEL', base .. 'o:' .. name, 'lease_body', 'lease_digest', 'lease_token', 'lease_ends')
  redis.call('HINCRBY', base .. 'i:' .. name, 'orev', 1)
  redis.call('HINCRBY', base .. 'i:' .. name, 'rev', 1)
end
redis.call('DEL', holders)
-- So many that share one token are not named: readers take it for any.
if #names > 1000 then
  index_heard(meta, {'type', 'dead', 'names', table.concat(names, ' ')}, true)
  announce(meta, changes, 'type', 'dead', 'token', token)
else
  announce(meta, changes, 'type', 'dead', 'token', token, 'names', table.concat(names, ' '))
end
return names`,
}

export function createRedisOutcomes(
  redis: Pick<GatheringRedis, 'run' | 'read'>,
  keys: Keys,
): Outcomes {
  return {
    async look(name) {
      const places = [keys.integration(name), keys.outcome(name), keys.dead]
      const alone = () => redis.run(LOOK, places, [])
      const reply = await ofRecord(name, redis.read(LOOKS, { alone, keys: places, args: [] }))
      if (reply === null) return undefined
      const [time, record, outcome, dead] = toArray(reply)
      const integration = integrationRecord(name, record)
      const now = toNumber(time)
      if (integration === undefined) return undefined
      return { integration, outcome: liveOutcome(storedOutcome(outcome), dead === 1, now), now }
    },

    async save(name, expected, change) {
      const { documents = [], guard } = change
      const places = [keys.integration(name), keys.outcome(name), keys.dead, keys.due]
      const guarded = guard ? keys.document(guard.kind, guard.id) : keys.meta
      const reply = await redis.run(
        SAVE,
        [
          ...[...places, keys.meta, keys.changes, guarded],
          ...documents.flatMap(({ kind, id }) => documentPlaces(keys, kind, id)),
        ],
        [name, expected.uid, expected.orev, keys.base, ...changeArguments(change)],
      )
      return saveResult(reply)
    },

    async forgetRefusal(name) {
      const rev = toNumber(
        await redis.run(
          FORGET_REFUSAL,
          [keys.integration(name), keys.outcome(name), keys.meta, keys.changes],
          [integrationName(name)],
        ),
      )
      return rev === 0 ? undefined : rev
    },

    async revoke(tokenId, until) {
      const names = await redis.run(
        REVOKE,
        [keys.dead, keys.holders(tokenId), keys.meta, keys.changes],
        [tokenId, until, keys.base],
      )
      return toArray(names).map(toText)
    },

    ...createRedisHolders(redis, keys),
  }
}

/** The action of SAVE for a member. */
const act = (member: unknown) => (member === undefined ? 'keep' : member === null ? 'clear' : 'set')

function changeArguments(change: OutcomeChange): Argument[] {
  const { lease, refusal, stillLive, dueAt, documents = [], guard } = change
  return [
    act(lease),
    ...(lease ? [lease.body, lease.digest, lease.tokenId, lease.expiresAt] : ['', '', '', '']),
    act(refusal),
    ...(refusal ? [refusal.body, refusal.version, refusal.until] : ['', '', '']),
    act(stillLive),
    ...(stillLive ? [stillLive.tokenId, stillLive.until, stillLive.count] : ['', '', '']),
    ...dueArguments(dueAt),
    guard?.version ?? '',
    ...documents.flatMap(documentArguments),
  ]
}

const documentArguments = ({ kind, id, expected, body, mac }: DocumentWrite): Argument[] => [
  ...[kind, id, expected, body, mac ?? ''],
]

function dueArguments(dueAt: OutcomeChange['dueAt']): Argument[] {
  return typeof dueAt === 'object' && dueAt !== null
    ? ['move', dueAt.moveTo]
    : [act(dueAt), dueAt ?? '']
}

const REFUSALS_TO_SAVE = ['gone', 'changed', 'dead', 'guard', 'document'] as const

function saveResult(reply: unknown): SaveResult {
  const refusal = REFUSALS_TO_SAVE.find((reason) => reason === reply)
  if (refusal) return { saved: false, reason: refusal }
  const [orev, rev] = toArray(reply)
  return { saved: true, orev: toNumber(orev), rev: toNumber(rev) }
}

/** Parses the reply to HMGET of {@link OUTCOME_FIELDS}. */
function storedOutcome(reply: unknown): StoredOutcome {
  const fields = toArray(reply)
  const as =
    <Value>(convert: (field: unknown) => Value) =>
    (position: number) => {
      const field = fields[position] ?? null
      return field === null ? null : convert(field)
    }
  const text = as(toText)
  const number = as(toNumber)
  return {
    lease_body: text(0),
    lease_digest: text(1),
    lease_token: text(2),
    lease_ends: number(3),
    refusal_body: text(4),
    refusal_version: number(5),
    refusal_ends: number(6),
    live_token: text(7),
    live_ends: number(8),
    live_count: number(9),
  }
}
