import { checkSchema, readRecord, SCHEMA, usablePageOf } from '../integrity/record-schema.ts'
import type { Keys } from '../keys.ts'
import { integrationName, pageLimit } from '../keys.ts'
import { readDigests } from '../record-body.ts'
import { ofRecord } from '../redis-connection/errors.ts'
import type { IntegrationContent, IntegrationRecord, IntegrationRecords } from '../store.ts'
import type { Script } from './calls.ts'
import type { DurableRedis } from './durable.ts'
import { eachHash, forEach } from './gathered.ts'
import { ANNOUNCE, FORGET_HOLDER, toArray, toNumber, toText } from './script.ts'

/** Fields of `i:NAME` for a hit, without the secrets. Same order everywhere. */
export const PUBLIC_FIELDS = [
  'uid',
  'version',
  'rev',
  'orev',
  'digests',
  'definition',
  'schema',
  'mac',
]

const READ_EACH = forEach('vkIntegrationReadEach', eachHash(PUBLIC_FIELDS))

const PUBLIC_FIELDS_LUA = PUBLIC_FIELDS.map((field) => `'${field}'`).join(', ')

/** Invariant: the index contains a name exactly while its record exists; rev is above every rev of a former record. */
const CREATE: Script = {
  name: 'vkIntegrationCreate',
  lua: `${ANNOUNCE}
local record, index, meta, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local name, uid, digests, definition, secrets, schema, mac = unpack(ARGV)
if redis.call('EXISTS', record) == 1 then return false end
local rev = tonumber(redis.call('HGET', meta, 'seq') or '0') + 1
redis.call('HSET', record, 'uid', uid, 'version', 1, 'rev', rev, 'orev', 0, 'digests', digests,
  'definition', definition, 'secrets', secrets, 'schema', schema, 'mac', mac)
redis.call('ZADD', index, 0, name)
announce(meta, changes, 'type', 'integration', 'name', name, 'rev', rev)
return redis.call('HMGET', record, ${PUBLIC_FIELDS_LUA})`,
}

/** Invariant: one of all changes that expect the same version succeeds, and every reader is told. */
const CHANGE: Script = {
  name: 'vkIntegrationChange',
  lua: `${ANNOUNCE}
local record, meta, changes = KEYS[1], KEYS[2], KEYS[3]
local name, uid, version, digests, definition, secrets, schema, mac = unpack(ARGV)
local current = redis.call('HMGET', record, 'uid', 'version')
if current[1] ~= uid or current[2] ~= version then return false end
redis.call('HSET', record, 'digests', digests, 'definition', definition, 'secrets', secrets,
  'schema', schema, 'mac', mac)
redis.call('HINCRBY', record, 'version', 1)
local rev = redis.call('HINCRBY', record, 'rev', 1)
announce(meta, changes, 'type', 'integration', 'name', name, 'rev', rev)
return redis.call('HMGET', record, ${PUBLIC_FIELDS_LUA})`,
}

/** Invariant: nothing of the integration remains, and every reader is told. */
const REMOVE: Script = {
  name: 'vkIntegrationRemove',
  lua: `${ANNOUNCE}${FORGET_HOLDER}
local record, outcome, lock, index, due, meta, changes, custody, custodies = unpack(KEYS)
local name, uid, version, base = unpack(ARGV)
local current = redis.call('HMGET', record, 'uid', 'version', 'rev')
if current[1] ~= uid or current[2] ~= version then return 0 end
forget_holder(base, name)
redis.call('DEL', record, outcome, lock, custody)
redis.call('ZREM', custodies, name)
redis.call('ZREM', index, name)
redis.call('ZREM', due, name)
announce(meta, changes, 'type', 'integration', 'name', name, 'rev', tonumber(current[3]) + 1)
return 1`,
}

/** One more name than the limit shows another page. A key that is not a hash has an empty entry. */
const LIST: Script = {
  name: 'vkIntegrationList',
  lua: `
local names = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2] + 1)
local rows = {}
for position, name in ipairs(names) do
  local fields = redis.pcall('HMGET', ARGV[3] .. 'i:' .. name, ${PUBLIC_FIELDS_LUA})
  rows[position] = {name, fields.err and {} or fields}
end
return rows`,
}

export function createRedisIntegrations(redis: DurableRedis, keys: Keys): IntegrationRecords {
  return {
    async read(name) {
      const key = keys.integration(name)
      const alone = () => redis.call('hmget', key, ...PUBLIC_FIELDS)
      const read = redis.read(READ_EACH, { alone, keys: [key], args: [] })
      return integrationRecord(name, await ofRecord(name, read))
    },

    async readSealed(name) {
      const fields = [...PUBLIC_FIELDS, 'secrets']
      const reply = await ofRecord(name, redis.call('hmget', keys.integration(name), ...fields))
      const record = integrationRecord(name, reply)
      const secrets = toArray(reply).at(-1)
      return record && { ...record, secrets: readRecord(name, () => toText(secrets)) }
    },

    async list({ limit, after }) {
      const from = after === undefined ? '-' : `(${after}`
      const args = [from, pageLimit(limit), keys.base]
      const rows = toArray(await redis.run(LIST, [keys.integrations], args)).map(toArray)
      return usablePageOf(rows, limit, {
        idOf: ([name]) => toText(name),
        parse: ([, fields], name) => presentRecord(name, fields),
      })
    },

    async create(name, uid, content) {
      const reply = await redis.change(
        CREATE,
        [keys.integration(name), keys.integrations, keys.meta, keys.changes],
        [name, uid, ...contentArguments(content)],
      )
      return integrationRecord(name, reply)
    },

    async change(name, { uid, version }, content) {
      const reply = await redis.change(
        CHANGE,
        [keys.integration(name), keys.meta, keys.changes],
        [name, uid, version, ...contentArguments(content)],
      )
      return integrationRecord(name, reply)
    },

    async remove(name, { uid, version }) {
      const reply = await redis.change(
        REMOVE,
        [
          keys.integration(name),
          keys.outcome(name),
          keys.lock(name),
          keys.integrations,
          keys.due,
          keys.meta,
          keys.changes,
          keys.custody(name),
          keys.custodies,
        ],
        [integrationName(name), uid, version, keys.base],
      )
      return reply === 1
    },

    confirm: () => redis.confirm(keys.meta),
  }
}

function contentArguments({ digests, definition, secrets, mac }: IntegrationContent): string[] {
  return [JSON.stringify(digests), definition, secrets, String(SCHEMA), mac ?? '']
}

/** Parses the reply to HMGET of {@link PUBLIC_FIELDS}, or nil. Throws `record_corrupt`. */
export function integrationRecord(name: string, reply: unknown): IntegrationRecord | undefined {
  if (reply === null || toArray(reply)[0] === null) return undefined
  return presentRecord(name, reply)
}

function presentRecord(name: string, reply: unknown): IntegrationRecord {
  const [uid, version, rev, orev, digests, definition, schema, mac] = toArray(reply)
  return readRecord(name, () => {
    checkSchema(toNumber(schema))
    return {
      name,
      uid: toText(uid),
      version: toNumber(version),
      rev: toNumber(rev),
      orev: toNumber(orev),
      digests: readDigests(toText(digests), `of integration ${name}`),
      definition: toText(definition),
      ...macField(mac),
    }
  })
}

/** The code of a record in a reply to HMGET. */
export const macField = (mac: unknown): { readonly mac?: string } =>
  typeof mac === 'string' && mac !== '' ? { mac } : {}
