import { checkSchema, readRecord, SCHEMA, usablePageOf } from '../integrity/record-schema.ts'
import { type Keys, pageLimit } from '../keys.ts'
import { ofRecord } from '../redis-connection/errors.ts'
import type { DocumentRecord, Documents } from '../store.ts'
import type { Script } from './calls.ts'
import type { DurableRedis } from './durable.ts'
import { eachHash, forEach } from './gathered.ts'
import { macField } from './integrations.ts'
import { ANNOUNCE, NOW, toArray, toNumber, toText } from './script.ts'

/** Writes a document that does not expire, and announces it. Needs {@link ANNOUNCE}. */
export const PUT_DOCUMENT = `
local function put_document(document, index, ends_index, meta, changes, put)
  redis.call('HSET', document, 'version', put.version, 'body', put.body, 'schema', '${SCHEMA}',
    'mac', put.mac)
  redis.call('ZADD', index, 0, put.id)
  if put.version > 1 then redis.call('PERSIST', document) end
  redis.call('ZREM', ends_index, put.id)
  announce(meta, changes, 'type', 'document', 'kind', put.kind, 'id', put.id, 'version', put.version)
end
`

/** Invariant: one of all writes that expect the same version succeeds. The index contains the id of every existing document; later writes and lists remove expired ids. */
const WRITE: Script = {
  name: 'vkDocumentWrite',
  lua: `${NOW}${ANNOUNCE}
local document, index, ends_index, meta, changes = unpack(KEYS)
local kind, id, body, expected, ends, schema, mac = unpack(ARGV)
local version = redis.call('HGET', document, 'version')
if expected == 'absent' then
  if version then return false end
elseif expected ~= 'any' and version ~= expected then
  return false
end
version = tonumber(version or '0') + 1
redis.call('HSET', document, 'version', version, 'body', body, 'schema', schema, 'mac', mac)
redis.call('ZADD', index, 0, id)
if ends == '' then
  redis.call('PERSIST', document)
  redis.call('ZREM', ends_index, id)
else
  redis.call('PEXPIREAT', document, ends)
  redis.call('ZADD', ends_index, ends, id)
end
for _, over in ipairs(redis.call('ZRANGEBYSCORE', ends_index, '-inf', now(), 'LIMIT', 0, 100)) do
  redis.call('ZREM', index, over)
  redis.call('ZREM', ends_index, over)
end
announce(meta, changes, 'type', 'document', 'kind', kind, 'id', id, 'version', version)
return version`,
}

/** Invariant: a changed document is not removed by a caller that expects the former version. */
const REMOVE: Script = {
  name: 'vkDocumentRemove',
  lua: `${ANNOUNCE}
local document, index, ends_index, meta, changes = unpack(KEYS)
local kind, id, expected = unpack(ARGV)
local version = redis.call('HGET', document, 'version')
if not version or (expected ~= 'any' and version ~= expected) then return 0 end
redis.call('DEL', document)
redis.call('ZREM', index, id)
redis.call('ZREM', ends_index, id)
announce(meta, changes, 'type', 'document', 'kind', kind, 'id', id)
return 1`,
}

const FIELDS = ['version', 'body', 'schema', 'mac']

const READ_EACH = forEach('vkDocumentReadEach', eachHash(FIELDS))

/** Continues until the page is full and removes ids of expired documents. A key that is not a hash has an empty entry. */
const LIST: Script = {
  name: 'vkDocumentList',
  lua: `
local index, ends_index = KEYS[1], KEYS[2]
local from, limit, base = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local items = {}
while #items <= limit do
  local ids = redis.call('ZRANGEBYLEX', index, from, '+', 'LIMIT', 0, limit + 1 - #items)
  if #ids == 0 then break end
  for _, id in ipairs(ids) do
    local fields = redis.pcall('HMGET', base .. id, ${FIELDS.map((field) => `'${field}'`).join(', ')})
    if fields.err then
      items[#items + 1] = {id, {}}
    elseif fields[1] then
      items[#items + 1] = {id, fields}
    else
      redis.call('ZREM', index, id)
      redis.call('ZREM', ends_index, id)
    end
  end
  from = '(' .. ids[#ids]
end
return items`,
}

export function createRedisDocuments(redis: DurableRedis, keys: Keys): Documents {
  const places = (kind: string, id: string): string[] => [
    ...documentPlaces(keys, kind, id),
    keys.meta,
    keys.changes,
  ]

  return {
    async read(kind, id) {
      const key = keys.document(kind, id)
      const alone = () => redis.call('hmget', key, ...FIELDS)
      const read = redis.read(READ_EACH, { alone, keys: [key], args: [] })
      const reply = toArray(await ofRecord(id, read))
      return reply[0] === null ? undefined : documentRecord(id, reply)
    },

    async list(kind, { limit, after }) {
      const from = after === undefined ? '-' : `(${after}`
      const reply = await redis.run(
        LIST,
        [keys.documents(kind), keys.documentEnds(kind)],
        [from, pageLimit(limit), `${keys.base}d:${kind}:`],
      )
      return usablePageOf(toArray(reply).map(toArray), limit, {
        idOf: ([id]) => toText(id),
        parse: ([, fields], id) => documentRecord(id, fields),
      })
    },

    async write(kind, id, body, { expected, expiresAt, mac }) {
      const reply = await redis.change(WRITE, places(kind, id), [
        kind,
        id,
        body,
        expected,
        expiresAt ?? '',
        SCHEMA,
        mac ?? '',
      ])
      return reply === null ? undefined : { id, version: toNumber(reply), body, ...macField(mac) }
    },

    async remove(kind, id, expected) {
      return (await redis.change(REMOVE, places(kind, id), [kind, id, expected])) === 1
    },
  }
}

/** A document and the indexes of its kind. */
export const documentPlaces = (keys: Keys, kind: string, id: string): string[] => [
  keys.document(kind, id),
  keys.documents(kind),
  keys.documentEnds(kind),
]

/** Parses the reply to HMGET of {@link FIELDS}. Throws `record_corrupt`. */
function documentRecord(id: string, reply: unknown): DocumentRecord {
  const [version, body, schema, mac] = toArray(reply)
  return readRecord(id, () => {
    checkSchema(toNumber(schema))
    return { id, version: toNumber(version), body: toText(body), ...macField(mac) }
  })
}
