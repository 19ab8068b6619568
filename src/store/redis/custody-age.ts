import { randomUUID } from 'node:crypto'
import {
  type CustodyAge,
  type CustodyAges,
  DOUBTED_PREFIX,
  UNANSWERED_SUFFIX,
} from '../custody-age.ts'
import type { Keys } from '../keys.ts'
import type { Script } from './calls.ts'
import { IDENTIFY } from './changes.ts'
import type { DurableRedis } from './durable.ts'
import { ANNOUNCE, NOW, toArray, toNumber, toText } from './script.ts'

/** Id of the server process; empty if INFO is forbidden or does not contain it. */
export const RUN = `
local function run_id()
  local info = redis.pcall('INFO', 'server')
  return type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
end
`

/** Invariant: two different histories never have the same point, because each doubt starts a branch. */
export const POINT = `
local function point_of(meta)
  local found = redis.call('HMGET', meta, 'branch', 'noted')
  return (found[1] or '') .. '/' .. (found[2] or '0')
end
`

const AGE: Script = {
  name: 'vkCustodyAge',
  lua: `${NOW}${RUN}${POINT}${IDENTIFY}
local meta = KEYS[1]
local time, run = now(), run_id()
local id = identify(meta, ARGV[1])
local found = redis.call('HMGET', meta, 'run', 'run_at', 'known_run', 'noted', 'doubt', 'doubt_point')
if found[1] ~= run then
  redis.call('HSET', meta, 'run', run, 'run_at', time)
  found[2] = time
end
return {id, run, found[2], found[3], found[4] or 0, point_of(meta), found[5], found[6], time}`,
}

/** Common code of scripts that change all custodies; requires \`base\`. */
const ALL = `${NOW}${ANNOUNCE}${RUN}${POINT}
local index, meta, changes = unpack(KEYS)
local base = ARGV[1]
local function is_doubted(state, id)
  return state == 'spend' and string.sub(id, 1, ${DOUBTED_PREFIX.length}) == '${DOUBTED_PREFIX}'
end
local function is_unanswered(id)
  return string.sub(id, -${UNANSWERED_SUFFIX.length}) == '${UNANSWERED_SUFFIX}'
end
local function each(work)
  for _, name in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    local custody = base .. 'c:' .. name
    local found = redis.call('HMGET', custody, 'st', 'id')
    if found[1] then work(name, custody, found[1], found[2]) end
  end
end
local function changed(name, look)
  redis.call('ZADD', index, look, name)
  announce(meta, changes, 'type', 'custody', 'name', name)
end
`

/** Invariant: a rewound store is never vouched for, and the voucher knows the current count. */
const VOUCH: Script = {
  name: 'vkCustodyVouch',
  lua: `${ALL}
local run, point, look = unpack(ARGV, 2)
local found = redis.call('HMGET', meta, 'doubt', 'doubt_point')
if run_id() ~= run or found[1] == 'rewound' then return 0 end
if point ~= '' and (found[1] and found[2] or point_of(meta)) ~= point then return 0 end
redis.call('HSET', meta, 'known_run', run)
redis.call('HDEL', meta, 'doubt', 'doubt_point')
local time = now()
each(function(name, custody, state, id)
  if not is_doubted(state, id) then return end
  id = string.sub(id, ${DOUBTED_PREFIX.length + 1})
  redis.call('HSET', custody, 'st', is_unanswered(id) and 'spend' or 'idle', 'id', id, 'at', time)
  changed(name, time + look)
end)
return 1`,
}

/** Invariant: results of earlier reads can no longer be stored, because the id changed; each run distrusts only once. */
const DISTRUST: Script = {
  name: 'vkCustodyDistrust',
  lua: `${ALL}
local doubt_id, kind, noted, look = unpack(ARGV, 2)
local time, run = now(), run_id()
local former, former_noted = point_of(meta), redis.call('HGET', meta, 'noted') or '0'
redis.call('HSET', meta, 'noted', math.max(tonumber(noted), tonumber(former_noted)) + 1,
  'branch', doubt_id)
local once = run ~= '' and redis.call('HGET', meta, 'doubted_run') == run
local count, doubted = 0, false
each(function(name, custody, state, id)
  if is_doubted(state, id) then doubted = true end
  if once or state == 'dead' then return end
  local is_plain = state == 'idle'
    or is_doubted(state, id) and not is_unanswered(id)
  redis.call('HSET', custody, 'id', is_plain and doubt_id or doubt_id .. '${UNANSWERED_SUFFIX}',
    'st', 'spend', 'at', time)
  if is_plain then redis.call('HSET', custody, 'final', 0) end
  changed(name, time + look)
  doubted = true
  count = count + 1
end)
redis.call('HSET', meta, 'known_run', run, 'doubted_run', run)
if doubted then
  redis.call('HSETNX', meta, 'doubt_point', former)
  if redis.call('HGET', meta, 'doubt') ~= 'rewound' then redis.call('HSET', meta, 'doubt', kind) end
end
return count`,
}

const TAKE_FOR_RESTORED: Script = {
  name: 'vkCustodyRestored',
  lua: `${ALL}
local restored_id, everything, any_run, look = unpack(ARGV, 2)
local time, run, count = now(), run_id(), 0
each(function(name, custody, state, id)
  if is_doubted(state, id) then
    redis.call('HSET', custody, 'id', restored_id)
  elseif everything == '1' and state == 'idle' then
    redis.call('HSET', custody, 'st', 'spend', 'id', restored_id, 'at', time, 'final', 0)
  else
    return
  end
  changed(name, time + look)
  count = count + 1
end)
redis.call('HSET', meta, 'known_run', run, 'doubted_run', run, 'branch', restored_id)
redis.call('HDEL', meta, 'doubt', 'doubt_point')
if any_run == '1' then redis.call('HDEL', meta, 'known_run') end
return count`,
}

const DOUBTED: Script = {
  name: 'vkCustodyDoubted',
  lua: `${ALL}
local count = 0
each(function(_, _, state, id) if is_doubted(state, id) then count = count + 1 end end)
if count == 0 then redis.call('HDEL', meta, 'doubt', 'doubt_point') end
return count`,
}

/** Delay until the check of an idle token. */
const LOOK_MS = 60_000

export function createRedisCustodyAge(redis: Pick<DurableRedis, 'run'>, keys: Keys): CustodyAges {
  const places = [keys.custodies, keys.meta, keys.changes]

  return {
    async age(): Promise<CustodyAge> {
      const reply = await redis.run(AGE, [keys.meta], [randomUUID()])
      const [id, run, runAt, knownRun, noted, point, kind, doubtPoint, now] = toArray(reply)
      return {
        ...{ id: toText(id), run: toText(run), runAt: toNumber(runAt) },
        knownRun: knownRun === null ? null : toText(knownRun),
        ...{ noted: toNumber(noted), point: toText(point) },
        doubt:
          kind === 'doubted' || kind === 'rewound' ? { kind, point: toText(doubtPoint) } : null,
        now: toNumber(now),
      }
    },

    async vouch(run, point) {
      const args = [keys.base, run, point ?? '', LOOK_MS]
      return (await redis.run(VOUCH, places, args)) === 1
    },

    async distrust({ id, kind, noted, lookInMs }) {
      const args = [keys.base, id, kind, noted, lookInMs]
      return toNumber(await redis.run(DISTRUST, places, args))
    },

    async takeForRestored({ id, all, forAnyRun, lookInMs }) {
      const args = [keys.base, id, all ? 1 : 0, forAnyRun ? 1 : 0, lookInMs]
      return toNumber(await redis.run(TAKE_FOR_RESTORED, places, args))
    },

    async doubted() {
      return toNumber(await redis.run(DOUBTED, places, [keys.base]))
    },
  }
}
