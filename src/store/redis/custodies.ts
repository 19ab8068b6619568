import type { Custodies, CustodyRecord, CustodyState } from '../custody.ts'
import { checkSchema, SCHEMA } from '../integrity/record-schema.ts'
import { integrationName, type Keys } from '../keys.ts'
import type { Script } from './calls.ts'
import { createRedisCustodyAge, POINT, RUN } from './custody-age.ts'
import { claimInIndex } from './due.ts'
import type { DurableRedis } from './durable.ts'
import { forEach } from './gathered.ts'
import { ANNOUNCE, NOW, toArray, toNumber, toText } from './script.ts'

const FIELDS = [
  'uid',
  'family',
  'g',
  'token',
  'st',
  'id',
  'at',
  'kept',
  'final',
  'reason',
  'body',
  'schema',
]

const EACH_READ = `${NOW}
local function each(keys)
  local record = redis.call('HMGET', keys[1], ${FIELDS.map((field) => `'${field}'`).join(', ')})
  return {now(), record[1] and record or false}
end`

const READ: Script = { name: 'vkCustodyRead', lua: `${EACH_READ}\nreturn each(KEYS)` }
const READ_EACH = forEach('vkCustodyReadEach', EACH_READ)

/** Common code of scripts that change one custody. */
const CHANGE = `${NOW}${ANNOUNCE}
local custody, index, meta, changes, integration = unpack(KEYS)
local name = ARGV[1]
local function changed() announce(meta, changes, 'type', 'custody', 'name', name) end
`

/** Invariant: one of all calls that expect the same family succeeds, and none for a missing integration. */
const BEGIN: Script = {
  name: 'vkCustodyBegin',
  lua: `${CHANGE}
local uid, expected, family, token, reason, body, look, schema = unpack(ARGV, 2)
if redis.call('HGET', integration, 'uid') ~= uid then return 'gone' end
if (redis.call('HGET', custody, 'family') or '') ~= expected then return 'changed' end
local time = now()
redis.call('DEL', custody)
redis.call('HSET', custody, 'uid', uid, 'family', family, 'g', 0, 'token', token,
  'st', token == '' and 'dead' or 'idle', 'id', '', 'at', time, 'kept', time, 'final', 0,
  'reason', reason, 'body', body, 'schema', schema)
if token == '' then redis.call('ZREM', index, name) else redis.call('ZADD', index, time + look, name) end
index_mark(meta, name)
changed()
return 'begun'`,
}

/** SPEND. Invariant: one of all presentations of the same state succeeds, and none in an old copy of the store. */
const SPEND: Script = {
  name: 'vkCustodySpend',
  lua: `${CHANGE}${RUN}${POINT}
local family, g, id, next_id, final, noted, look = unpack(ARGV, 2)
local age = redis.call('HMGET', meta, 'noted', 'known_run')
if tonumber(age[1] or '0') < tonumber(noted) then return 'rewound' end
if age[2] ~= run_id() then return 'new_run' end
local stored = redis.call('HMGET', custody, 'family', 'g', 'id', 'st')
if stored[1] ~= family or stored[2] ~= g or stored[3] ~= id or stored[4] == 'dead' then
  return 'changed'
end
local time = now()
redis.call('HSET', custody, 'st', 'spend', 'id', next_id, 'at', time, 'final', final)
redis.call('ZADD', index, time + look, name)
changed()
local noted = redis.call('HINCRBY', meta, 'noted', 1)
return {noted, not redis.call('HGET', meta, 'doubt') and point_of(meta) or false}`,
}

/** UNSPEND. Invariant: only the presentation itself is undone. */
const UNSPEND: Script = {
  name: 'vkCustodyUnspend',
  lua: `${CHANGE}
local id, look = unpack(ARGV, 2)
local stored = redis.call('HMGET', custody, 'id', 'st')
if stored[1] ~= id or stored[2] ~= 'spend' then return 0 end
local time = now()
redis.call('HSET', custody, 'st', 'idle', 'at', time, 'final', 0)
redis.call('ZADD', index, time + look, name)
changed()
return 1`,
}

/** KEEP. Invariant: within a family, the newest token is never replaced by an older one and never refused, because it is the only copy. */
const KEEP: Script = {
  name: 'vkCustodyKeep',
  lua: `${CHANGE}
local family, g, token, look, doubt = unpack(ARGV, 2)
local stored = redis.call('HMGET', custody, 'family', 'g')
if stored[1] ~= family then return 0 end
if tonumber(stored[2]) >= tonumber(g) then return 1 end
local time = now()
redis.call('HSET', custody, 'g', g, 'token', token, 'st', doubt == '' and 'idle' or 'spend',
  'at', time, 'kept', time, 'final', 0, 'reason', '')
if doubt ~= '' then redis.call('HSET', custody, 'id', doubt) end
redis.call('ZADD', index, time + look, name)
changed()
return 1`,
}

/** DEAD. Invariant: only the token that was found dead is discarded. */
const KILL: Script = {
  name: 'vkCustodyKill',
  lua: `${CHANGE}
local family, g, id, reason = unpack(ARGV, 2)
local stored = redis.call('HMGET', custody, 'family', 'g', 'id', 'st')
if stored[1] ~= family or stored[2] ~= g or stored[3] ~= id or stored[4] == 'dead' then return 0 end
redis.call('HSET', custody, 'st', 'dead', 'at', now(), 'reason', reason)
redis.call('ZREM', index, name)
index_mark(meta, name)
changed()
return 1`,
}

export function createRedisCustodies(redis: DurableRedis, keys: Keys): Custodies {
  const places = (name: string) => [
    keys.custody(name),
    keys.custodies,
    keys.meta,
    keys.changes,
    keys.integration(name),
  ]

  return {
    ...createRedisCustodyAge(redis, keys),

    async read(name) {
      const places = [keys.custody(name)]
      const alone = () => redis.run(READ, places, [])
      const reply = await redis.read(READ_EACH, { alone, keys: places, args: [] })
      const [now, record] = toArray(reply)
      return {
        now: toNumber(now),
        record: record === null ? undefined : custodyRecord(record),
      }
    },

    async begin(name, beginning) {
      const { uid, expected, family, token, reason, body, lookInMs } = beginning
      const reply = await redis.runDurably(BEGIN, places(name), [
        ...[name, uid, expected ?? '', family, token, reason, body],
        ...[lookInMs, SCHEMA],
      ])
      return reply === 'gone' || reply === 'changed' ? reply : 'begun'
    },

    async spend(name, { family, g, id, next, isFinal, noted, lookInMs }) {
      const reply = await redis.runDurably(SPEND, places(name), [
        ...[name, family, g, id, next, isFinal ? 1 : 0],
        ...[noted, lookInMs],
      ])
      if (reply === 'changed' || reply === 'rewound' || reply === 'new_run') return reply
      const [count, point] = toArray(reply)
      return { noted: toNumber(count), point: point === null ? null : toText(point) }
    },

    async unspend(name, id, lookInMs) {
      return (await redis.run(UNSPEND, places(name), [name, id, lookInMs])) === 1
    },

    async keep(name, { family, g, token, lookInMs, doubt = '' }) {
      const args = [name, family, g, token, lookInMs, doubt]
      return (await redis.runDurably(KEEP, places(name), args)) === 1
    },

    async kill(name, { family, g, id, reason }) {
      return (await redis.runDurably(KILL, places(name), [name, family, g, id, reason])) === 1
    },

    claim: (limit, postponeMs) => claimInIndex(redis, keys.custodies, limit, postponeMs),

    async lookAt(name, at) {
      await redis.call('zadd', keys.custodies, 'XX', at, integrationName(name))
    },
  }
}

const STATES: ReadonlySet<unknown> = new Set<CustodyState>(['idle', 'spend', 'dead'])

/** Parses the reply to HMGET of {@link FIELDS}. */
function custodyRecord(reply: unknown): CustodyRecord {
  const [uid, family, g, token, state, id, at, kept, final, reason, body, schema] = toArray(reply)
  checkSchema(toNumber(schema))
  if (!STATES.has(state)) throw new TypeError('Redis returned an unknown state of a custody')
  return {
    uid: toText(uid),
    family: toText(family),
    g: toNumber(g),
    token: toText(token),
    state: state as CustodyState,
    id: toText(id),
    at: toNumber(at),
    keptAt: toNumber(kept),
    isFinal: toNumber(final) === 1,
    reason: toText(reason),
    body: toText(body),
  }
}
