import type { Archive, ArchivedCustody, ArchivedDocument, ArchivedIntegration } from '../archive.ts'
import { checkSchema, readRecord, SCHEMA, usablePageOf } from '../integrity/record-schema.ts'
import { integrationName, type Keys, pageLimit, text } from '../keys.ts'
import { readDigests } from '../record-body.ts'
import type { Argument, Script } from './calls.ts'
import type { DurableRedis } from './durable.ts'
import { macField } from './integrations.ts'
import { ANNOUNCE, FORGET_HOLDER, NOW, toArray, toNumber, toText } from './script.ts'

/** One more name than the limit shows that there is another page. */
const LIST_INTEGRATIONS: Script = {
  name: 'vkArchiveIntegrations',
  lua: `
local names = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2] + 1)
local rows = {}
for position, name in ipairs(names) do
  local fields = redis.pcall('HMGET', ARGV[3] .. 'i:' .. name, 'uid', 'version', 'digests',
    'definition', 'secrets', 'schema', 'mac')
  local custody = redis.pcall('HMGET', ARGV[3] .. 'c:' .. name, 'family', 'g', 'token', 'st', 'kept',
    'reason', 'body', 'schema')
  if fields.err or custody.err then
    rows[position] = {name, {}}
  else
    fields[8] = custody[1] and custody or false
    rows[position] = {name, fields}
  end
end
return rows`,
}

/** Continues until the page is full, because the index may contain expired ids. */
const LIST_DOCUMENTS: Script = {
  name: 'vkArchiveDocuments',
  lua: `
local index, ends_index = KEYS[1], KEYS[2]
local from, limit, base = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local items = {}
while #items <= limit do
  local ids = redis.call('ZRANGEBYLEX', index, from, '+', 'LIMIT', 0, limit + 1 - #items)
  if #ids == 0 then break end
  for _, id in ipairs(ids) do
    local fields = redis.pcall('HMGET', base .. id, 'version', 'body', 'schema', 'mac')
    if fields.err or fields[1] then
      items[#items + 1] = {id, redis.call('ZSCORE', ends_index, id), fields.err and {} or fields}
    end
  end
  from = '(' .. ids[#ids]
end
return items`,
}

/** Invariant: readers, lists and caches see each record as created or changed, and the newest known refresh token is kept. */
const PUT_INTEGRATIONS: Script = {
  name: 'vkArchivePutIntegrations',
  lua: `${NOW}${ANNOUNCE}${FORGET_HOLDER}
local index, due, meta, changes, custodies = unpack(KEYS)
local base, schema, id, look = unpack(ARGV)
local time = now()

local function put_custody(name, uid, given)
  local custody = base .. 'c:' .. name
  local former = redis.call('HMGET', custody, 'uid', 'st', 'kept')
  if former[1] == uid and former[2] ~= 'dead' and tonumber(former[3]) >= tonumber(given[5]) then
    return
  end
  redis.call('DEL', custody)
  redis.call('ZREM', custodies, name)
  if given[1] == '' then return end
  local dead = given[4] == '1'
  redis.call('HSET', custody, 'uid', uid, 'family', given[1], 'g', given[2], 'token', given[3],
    'st', dead and 'dead' or 'spend', 'id', id, 'at', time, 'kept', given[5], 'final', 0,
    'reason', given[6], 'body', given[7], 'schema', schema)
  if not dead then redis.call('ZADD', custodies, time + look, name) end
end

local function version_of(at)
  local former = tonumber(redis.call('HGET', base .. 'i:' .. ARGV[at], 'version') or '0')
  return math.max(former, tonumber(ARGV[at + 2])) + 1
end
for at = 5, #ARGV, 15 do
  if ARGV[at + 13] ~= '' and tonumber(ARGV[at + 13]) ~= version_of(at) then return 0 end
end

for at = 5, #ARGV, 15 do
  local name, uid, _, digests, definition, secrets = unpack(ARGV, at, at + 5)
  local record = base .. 'i:' .. name
  local version = version_of(at)
  local orev = redis.call('HGET', record, 'orev')
  local rev = tonumber(redis.call('HGET', meta, 'seq') or '0') + 1
  forget_holder(base, name)
  redis.call('DEL', base .. 'o:' .. name)
  redis.call('ZREM', due, name)
  redis.call('HSET', record, 'uid', uid, 'version', version, 'rev', rev,
    'orev', tonumber(orev or '0') + 1, 'digests', digests, 'definition', definition,
    'secrets', secrets, 'schema', schema, 'mac', ARGV[at + 14])
  redis.call('ZADD', index, 0, name)
  put_custody(name, uid, {unpack(ARGV, at + 6, at + 12)})
  announce(meta, changes, 'type', 'integration', 'name', name, 'rev', rev)
end
return 1`,
}

/** Invariant: writers that expect a former version are refused. */
const PUT_DOCUMENTS: Script = {
  name: 'vkArchivePutDocuments',
  lua: `${NOW}${ANNOUNCE}
local index, ends_index, meta, changes = unpack(KEYS)
local base, kind, schema = ARGV[1], ARGV[2], ARGV[3]
local function version_of(at)
  local former = tonumber(redis.call('HGET', base .. ARGV[at], 'version') or '0')
  return math.max(former, tonumber(ARGV[at + 3])) + 1
end
for at = 4, #ARGV, 6 do
  if ARGV[at + 4] ~= '' and tonumber(ARGV[at + 4]) ~= version_of(at) then return 0 end
end

for at = 4, #ARGV, 6 do
  local id, body, ends = unpack(ARGV, at, at + 2)
  if ends == '' or tonumber(ends) > now() then
    local document = base .. id
    redis.call('HSET', document, 'version', version_of(at), 'body', body, 'schema', schema,
      'mac', ARGV[at + 5])
    redis.call('ZADD', index, 0, id)
    if ends == '' then
      redis.call('PERSIST', document)
      redis.call('ZREM', ends_index, id)
    else
      redis.call('PEXPIREAT', document, ends)
      redis.call('ZADD', ends_index, ends, id)
    end
    announce(meta, changes, 'type', 'document', 'kind', kind, 'id', id)
  end
end
return 1`,
}

/** Invariant: nothing of the record remains, whatever its type; the rev is above every announced rev. */
const ERASE_INTEGRATION: Script = {
  name: 'vkArchiveEraseIntegration',
  lua: `${ANNOUNCE}
local record, outcome, lock, index, due, meta, changes, custody, custodies = unpack(KEYS)
local name, base = unpack(ARGV)
local indexed = redis.call('ZREM', index, name)
local token = redis.pcall('HGET', outcome, 'lease_token')
if type(token) == 'string' then redis.call('ZREM', base .. 't:' .. token, name) end
if redis.call('DEL', record) + indexed == 0 then return 0 end
redis.call('DEL', outcome, lock, custody)
redis.call('ZREM', custodies, name)
redis.call('ZREM', due, name)
local rev = tonumber(redis.call('HGET', meta, 'seq') or '0') + 1
announce(meta, changes, 'type', 'integration', 'name', name, 'rev', rev)
return 1`,
}

const ERASE_DOCUMENT: Script = {
  name: 'vkArchiveEraseDocument',
  lua: `${ANNOUNCE}
local document, index, ends_index, meta, changes = unpack(KEYS)
local kind, id = unpack(ARGV)
local indexed = redis.call('ZREM', index, id)
redis.call('ZREM', ends_index, id)
if redis.call('DEL', document) + indexed == 0 then return 0 end
announce(meta, changes, 'type', 'document', 'kind', kind, 'id', id)
return 1`,
}

export function createRedisArchive(redis: DurableRedis, keys: Keys): Archive {
  const documentsOf = (kind: string) => [keys.documents(kind), keys.documentEnds(kind)]

  return {
    async integrations({ limit, after }) {
      const from = after === undefined ? '-' : `(${after}`
      const args = [from, pageLimit(limit), keys.base]
      const rows = toArray(await redis.run(LIST_INTEGRATIONS, [keys.integrations], args))
      return usablePageOf(rows.map(toArray), limit, {
        idOf: ([name]) => toText(name),
        parse: ([, fields], name) => archivedIntegration(name, fields),
      })
    },

    async documents(kind, { limit, after }) {
      const from = after === undefined ? '-' : `(${after}`
      const args = [from, pageLimit(limit), `${keys.base}d:${kind}:`]
      const rows = toArray(await redis.run(LIST_DOCUMENTS, documentsOf(kind), args))
      return usablePageOf(rows.map(toArray), limit, {
        idOf: ([id]) => toText(id),
        parse: archivedDocument,
      })
    },

    async putIntegrations(records, { id, lookInMs }) {
      const args: Argument[] = [keys.base, SCHEMA, id, lookInMs]
      for (const { name, uid, version, digests, definition, secrets, ...record } of records) {
        const content = [JSON.stringify(digests), definition, secrets]
        args.push(integrationName(name), uid, version, ...content)
        args.push(...custodyArguments(record.custody), record.becomes ?? '', record.mac ?? '')
      }
      const places = [keys.integrations, keys.due, keys.meta, keys.changes, keys.custodies]
      return (await redis.runDurably(PUT_INTEGRATIONS, places, args)) === 1
    },

    async putDocuments(kind, records) {
      const args: Argument[] = [`${keys.base}d:${kind}:`, kind, SCHEMA]
      for (const { id, body, expiresAt, version = 0, becomes, mac } of records) {
        args.push(text(id), body, expiresAt ?? '', version, becomes ?? '', mac ?? '')
      }
      const places = [...documentsOf(kind), keys.meta, keys.changes]
      return (await redis.runDurably(PUT_DOCUMENTS, places, args)) === 1
    },

    async eraseIntegration(name) {
      const own = [keys.integration(name), keys.outcome(name), keys.lock(name)]
      const shared = [keys.integrations, keys.due, keys.meta, keys.changes]
      const places = [...own, ...shared, keys.custody(name), keys.custodies]
      return (await redis.runDurably(ERASE_INTEGRATION, places, [name, keys.base])) === 1
    },

    async eraseDocument(kind, id) {
      const places = [keys.document(kind, id), ...documentsOf(kind), keys.meta, keys.changes]
      return (await redis.runDurably(ERASE_DOCUMENT, places, [kind, id])) === 1
    },
  }
}

function archivedIntegration(name: string, fields: unknown): ArchivedIntegration {
  const [uid, version, digests, definition, secrets, schema, mac, custody] = toArray(fields)
  return readRecord(name, () => {
    checkSchema(toNumber(schema))
    return {
      name,
      uid: toText(uid),
      version: toNumber(version),
      digests: readDigests(toText(digests), `of integration ${name}`),
      definition: toText(definition),
      secrets: toText(secrets),
      custody: custody === null || custody === undefined ? null : archivedCustody(custody),
      ...macField(mac),
    }
  })
}

function archivedDocument([, ends, fields]: readonly unknown[], id: string): ArchivedDocument {
  const [version, body, schema, mac] = toArray(fields)
  return readRecord(id, () => {
    checkSchema(toNumber(schema))
    const expiresAt = ends === null ? null : toNumber(ends)
    return { id, body: toText(body), expiresAt, version: toNumber(version), ...macField(mac) }
  })
}

function archivedCustody(fields: unknown): ArchivedCustody {
  const [family, g, token, state, kept, reason, body, schema] = toArray(fields)
  checkSchema(toNumber(schema))
  return {
    family: toText(family),
    g: toNumber(g),
    token: toText(token),
    isDead: state === 'dead',
    keptAt: toNumber(kept),
    reason: toText(reason),
    body: toText(body),
  }
}

/** An empty family means none. */
function custodyArguments(custody: ArchivedCustody | null): readonly Argument[] {
  if (!custody) return ['', 0, '', 0, 0, '', '']
  const { family, g, token, isDead, keptAt, reason, body } = custody
  return [family, g, token, isDead ? 1 : 0, keptAt, reason, body]
}
