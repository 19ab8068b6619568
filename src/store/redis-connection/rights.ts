/**
 * Finds commands that the Redis user may not run. A script that fails midway is not rolled back, so
 * a missing permission would leave incomplete changes. Therefore each command is tested on unused
 * keys before a connection is used.
 */
import type { Cluster, Redis } from 'ioredis'
import { runScript, type Script } from '../redis/calls.ts'
import { type RedisPlace, type RedisTrouble, redisTrouble } from './errors.ts'

/** Commands with arguments; `s`, `h`, `z` and `x` stand for a string, a hash, a sorted set and a stream. */
const TRIED: readonly string[] = [
  ...['time', 'set s 1', 'get s', 'exists s', 'pexpire s 60000', 'pexpireat s 1', 'persist s'],
  ...['hset h a 1', 'hsetnx h a 1', 'hget h a', 'hgetall h', 'hmget h a', 'hincrby h n 1'],
  ...['hdel h a', 'zadd z 1 a', 'zcard z', 'zscore z a', 'zrange z 0 -1', 'zrevrange z 0 -1'],
  ...['zrangebyscore z 0 1', 'zrangebylex z - +', 'zremrangebyscore z 5 6', 'zrem z a'],
  ...['xadd x * a 1', 'xrange x - +', 'xrevrange x + -', 'xread STREAMS x 0', 'del s h z x'],
]

export const TRIED_COMMANDS: readonly string[] = TRIED.map((line) => line.split(' ', 1)[0] ?? line)

/** Answers of Redis, Valkey and compatible servers for a forbidden or missing command. */
const DENIED = ['noperm', 'acl failure', "can't run this command"]
const UNKNOWN = ['unknown redis command', 'unknown command']

const list = (values: readonly string[]) => `{${values.map((value) => `"${value}"`).join(',')}}`

/** Uses four keys. Returns `name` for a forbidden command and `!name` for a missing one. Removes its data. */
const RIGHTS: Script = {
  name: 'vkRights',
  lua: `
if ARGV[1] == 'again' then return {} end
local keys = {s = KEYS[1], h = KEYS[2], z = KEYS[3], x = KEYS[4]}
local function any(text, words)
  for _, word in ipairs(words) do
    if string.find(text, word, 1, true) then return true end
  end
end
local lacking = {}
for _, line in ipairs(${list(TRIED)}) do
  local words = {}
  for word in string.gmatch(line, '%S+') do
    words[#words + 1] = #words > 0 and keys[word] or word
  end
  local reply = redis.pcall(unpack(words))
  if type(reply) == 'table' and reply.err then
    local said = string.lower(reply.err)
    if any(said, ${list(DENIED)}) then lacking[#lacking + 1] = words[1]
    elseif any(said, ${list(UNKNOWN)}) then lacking[#lacking + 1] = '!' .. words[1] end
  end
end
return lacking
`,
}

/** Undefined if all commands are allowed or the test fails; later commands then report the failure. Never rejects. */
export async function rightsTrouble(
  client: Redis | Cluster,
  keys: readonly string[],
  place: RedisPlace,
): Promise<RedisTrouble | undefined> {
  try {
    const lacking = lackingTrouble(await runScript(client, RIGHTS, keys, []), place)
    // The first run sends the script in full (EVAL), later ones its digest (EVALSHA).
    if (lacking === undefined) await runScript(client, RIGHTS, keys, ['again'])
    return lacking
  } catch (error) {
    const trouble = redisTrouble(error, place, RIGHTS.name)
    const isAboutScripts = ['command_forbidden', 'command_missing'].includes(trouble.cause)
    return isAboutScripts ? trouble : undefined
  }
}

/** Interprets the answer of {@link RIGHTS}. */
function lackingTrouble(reply: unknown, place: RedisPlace): RedisTrouble | undefined {
  // Repeats only known names from the answer.
  const said = Array.isArray(reply) ? reply.map(String) : []
  const names = said.filter((name) => TRIED_COMMANDS.includes(name.replace(/^!/, '')))
  if (names.length === 0) return undefined
  const forbidden = names.filter((name) => !name.startsWith('!'))
  const isForbidden = forbidden.length > 0
  return {
    name: 'ReplyError',
    code: isForbidden ? 'NOPERM' : 'ERR',
    cause: isForbidden ? 'command_forbidden' : 'command_missing',
    place,
    command: (isForbidden ? forbidden : names.map((name) => name.slice(1))).join(', '),
  }
}
