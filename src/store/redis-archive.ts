import type { Archive, ArchivedCustody, ArchivedDocument, ArchivedIntegration } from './archive.ts'
import { integrationName, type Keys, pageLimit, text } from './keys.ts'
import { checkSchema, SCHEMA } from './record-schema.ts'
import type { Argument, Script } from './redis-connection.ts'
import type { DurableRedis } from './redis-durable.ts'
import { ANNOUNCE, FORGET_HOLDER, NOW, toArray, toNumber, toText } from './redis-script.ts'

/** One more name than asked for tells whether there is another page. */
const LIST_INTEGRATIONS: Script = {
  name: 'vkArchiveIntegrations',
  lua: `
local names = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2] + 1)
local records = {}
for position, name in ipairs(names) do
  records[position] = redis.call('HMGET', ARGV[3] .. 'i:' .. name, 'uid', 'version', 'digests',
    'definition', 'secrets', 'schema')
  local custody = redis.call('HMGET', ARGV[3] .. 'c:' .. name, 'family', 'g', 'token', 'st', 'kept',
    'reason', 'body', 'schema')
  records[position][7] = custody[1] and custody or false
end
return {names, records}`,
}

/** Goes on until the page is full, for the index may name what has expired. */
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
    local fields = redis.call('HMGET', base .. id, 'body', 'schema')
    if fields[1] then
      items[#items + 1] = {id, fields[1], redis.call('ZSCORE', ends_index, id), fields[2]}
    end
  end
  from = '(' .. ids[#ids]
end
return items`,
}

/** Invariant: as of a creation or a change of each, for whoever reads, lists or holds one in memory; and the newest refresh token that is known is not lost. */
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

for at = 5, #ARGV, 13 do
  local name, uid, version, digests, definition, secrets = unpack(ARGV, at, at + 5)
  local record = base .. 'i:' .. name
  local former = redis.call('HMGET', record, 'version', 'orev')
  local rev = tonumber(redis.call('HGET', meta, 'seq') or '0') + 1
  version = math.max(tonumber(former[1] or '0'), tonumber(version)) + 1
  forget_holder(base, name)
  redis.call('DEL', base .. 'o:' .. name)
  redis.call('ZREM', due, name)
  redis.call('HSET', record, 'uid', uid, 'version', version, 'rev', rev,
    'orev', tonumber(former[2] or '0') + 1, 'digests', digests, 'definition', definition,
    'secrets', secrets, 'schema', schema)
  redis.call('ZADD', index, 0, name)
  put_custody(name, uid, {unpack(ARGV, at + 6, at + 12)})
  announce(meta, changes, 'type', 'integration', 'name', name, 'rev', rev)
end
return 1`,
}

/** Invariant: whoever expects a former version of one of them is refused from here on. */
const PUT_DOCUMENTS: Script = {
  name: 'vkArchivePutDocuments',
  lua: `${NOW}${ANNOUNCE}
local index, ends_index, meta, changes = unpack(KEYS)
local base, kind, schema = ARGV[1], ARGV[2], ARGV[3]
for at = 4, #ARGV, 3 do
  local id, body, ends = unpack(ARGV, at, at + 2)
  if ends == '' or tonumber(ends) > now() then
    local document = base .. id
    redis.call('HINCRBY', document, 'version', 1)
    redis.call('HSET', document, 'body', body, 'schema', schema)
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

export function createRedisArchive(redis: DurableRedis, keys: Keys): Archive {
  const documentsOf = (kind: string) => [keys.documents(kind), keys.documentEnds(kind)]

  return {
    async integrations({ limit, after }) {
      const from = after === undefined ? '-' : `(${after}`
      const args = [from, pageLimit(limit), keys.base]
      const [names, records] = toArray(
        await redis.run(LIST_INTEGRATIONS, [keys.integrations], args),
      )
      const found = toArray(names).map(toText)
      const items = toArray(records)
        .slice(0, limit)
        .flatMap((fields, position) => archivedIntegration(toText(found[position]), fields))
      return { items, next: found.length > limit ? toText(found[limit - 1]) : null }
    },

    async documents(kind, { limit, after }) {
      const from = after === undefined ? '-' : `(${after}`
      const args = [from, pageLimit(limit), `${keys.base}d:${kind}:`]
      const found = toArray(await redis.run(LIST_DOCUMENTS, documentsOf(kind), args))
      const items = found.slice(0, limit).map(archivedDocument)
      return { items, next: found.length > limit ? (items.at(-1)?.id ?? null) : null }
    },

    async putIntegrations(records, { id, lookInMs }) {
      const args: Argument[] = [keys.base, SCHEMA, id, lookInMs]
      for (const { name, uid, version, digests, definition, secrets, custody } of records) {
        const content = [JSON.stringify(digests), definition, secrets]
        args.push(integrationName(name), uid, version, ...content, ...custodyArguments(custody))
      }
      const places = [keys.integrations, keys.due, keys.meta, keys.changes, keys.custodies]
      await redis.runDurably(PUT_INTEGRATIONS, places, args)
    },

    async putDocuments(kind, records) {
      const args: Argument[] = [`${keys.base}d:${kind}:`, kind, SCHEMA]
      for (const { id, body, expiresAt } of records) args.push(text(id), body, expiresAt ?? '')
      const places = [...documentsOf(kind), keys.meta, keys.changes]
      await redis.runDurably(PUT_DOCUMENTS, places, args)
    },
  }
}

function archivedIntegration(name: string, fields: unknown): readonly ArchivedIntegration[] {
  const [uid, version, digests, definition, secrets, schema, custody] = toArray(fields)
  if (uid === null) return []
  checkSchema(toNumber(schema))
  return [
    {
      name,
      uid: toText(uid),
      version: toNumber(version),
      digests: toArray(JSON.parse(toText(digests))).map(toText),
      definition: toText(definition),
      secrets: toText(secrets),
      custody: custody === null || custody === undefined ? null : archivedCustody(custody),
    },
  ]
}

function archivedDocument(reply: unknown): ArchivedDocument {
  const [id, body, ends, schema] = toArray(reply)
  checkSchema(toNumber(schema))
  const expiresAt = ends === null ? null : toNumber(ends)
  return { id: toText(id), body: toText(body), expiresAt }
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

/** An empty family stands for none. */
function custodyArguments(custody: ArchivedCustody | null): readonly Argument[] {
  if (!custody) return ['', 0, '', 0, 0, '', '']
  const { family, g, token, isDead, keptAt, reason, body } = custody
  return [family, g, token, isDead ? 1 : 0, keptAt, reason, body]
}
