import { BrokerError } from '../../errors/errors.ts'
import { DEFAULT_SHARE, type Keys, pageLimit, text } from '../keys.ts'
import type { LoggedEvent } from '../records.ts'
import type { RedisConnection } from '../redis-connection/connection.ts'
import type { EventLog } from '../store.ts'
import type { Script } from './calls.ts'
import { NOW, toArray, toText } from './script.ts'

/** Invariant: all entries of a batch or none are added. About the newest `keep` entries remain. */
const APPEND: Script = {
  name: 'vkEventsAppend',
  lua: `
for i = 2, #ARGV do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'body', ARGV[i])
end
return #ARGV - 1`,
}

/** Positions within one millisecond. */
const PLACES = 1_000

/**
 * Invariant: a line has one position, after all earlier ones, and a body while it has a position.
 * The newest `keep` remain. A position is a time in milliseconds and a count, as in the id of a
 * stream entry.
 */
const PUT: Script = {
  name: 'vkEventsPut',
  lua: `${NOW}
local lines, bodies = KEYS[1], KEYS[2]
local newest = redis.call('ZREVRANGE', lines, 0, 0, 'WITHSCORES')[2]
local place = math.max(now() * ${PLACES}, newest and tonumber(newest) + 1 or 0)
for i = 2, #ARGV, 2 do
  redis.call('ZADD', lines, place, ARGV[i])
  redis.call('HSET', bodies, ARGV[i], ARGV[i + 1])
  place = place + 1
end
local over = redis.call('ZCARD', lines) - ARGV[1]
if over > 0 then
  local gone = redis.call('ZRANGE', lines, 0, over - 1, 'WITHSCORES')
  for i = 1, #gone, 2 do redis.call('HDEL', bodies, gone[i]) end
  redis.call('ZREMRANGEBYSCORE', lines, '-inf', gone[#gone])
end
return over`,
}

const LINES: Script = {
  name: 'vkEventsLines',
  lua: `
local found = redis.call('ZRANGE', KEYS[1], ARGV[1], '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
local lines = {}
for i = 1, #found, 2 do
  lines[#lines + 1] = {found[i + 1], redis.call('HGET', KEYS[2], found[i])}
end
return lines`,
}

/** The id of a stream entry and its share. Old ids have no share. */
const EVENT_ID = /^(\d{1,15})-(\d{1,15})(?:\/([a-z]{1,16}~?))?$/

/** Events are ordered by time, by the count within a millisecond, and by share. */
interface Place {
  readonly ms: number
  readonly count: number
  readonly found: string
}

const linesOf = (share: string) => `${share}~`

const idOf = ({ ms, count, found }: Place) => `${ms}-${count}/${found}`

const newestFirst = (one: Place, other: Place): number =>
  other.ms - one.ms || other.count - one.count || (one.found < other.found ? 1 : -1)

export function createRedisEvents(
  redis: Pick<RedisConnection, 'run' | 'call'>,
  keys: Keys,
): EventLog {
  const readEntries = async (share: string, before: Place | undefined, count: number) => {
    const from = before ? `${bound(share, before)}${before.ms}-${before.count}` : '+'
    const reply = await redis.call('xrevrange', keys.events(share), from, '-', 'COUNT', count)
    return toArray(reply).map((entry) => {
      const [id, fields] = toArray(entry)
      return { ...placeOf(toText(id), share), body: toText(toArray(fields)[1]) }
    })
  }

  const readLines = async (share: string, before: Place | undefined, count: number) => {
    const places = [keys.eventLines(share), keys.eventLineBodies(share)]
    const reply = await redis.run(LINES, places, [lastLine(share, before), count])
    return toArray(reply).map((line) => {
      const [score, body] = toArray(line).map(toText)
      const place = Number(score)
      return {
        ...{ ms: Math.floor(place / PLACES), count: place % PLACES, found: linesOf(share) },
        body: toText(body),
      }
    })
  }

  return {
    async append(bodies, keep, { share = DEFAULT_SHARE } = {}) {
      if (bodies.length > 0) await redis.run(APPEND, [keys.events(share)], [keep, ...bodies])
    },
    async put(lines, keep, { share = DEFAULT_SHARE } = {}) {
      if (lines.length === 0) return
      const places = [keys.eventLines(share), keys.eventLineBodies(share)]
      await redis.run(PUT, places, [keep, ...lines.flatMap(({ key, body }) => [text(key), body])])
    },
    async read({ limit, before, shares = [DEFAULT_SHARE] }) {
      const end = before === undefined ? undefined : placeOf(before, '')
      const count = pageLimit(limit)
      const found = await Promise.all(
        shares.flatMap((share) => [readEntries(share, end, count), readLines(share, end, count)]),
      )
      return found
        .flat()
        .sort(newestFirst)
        .slice(0, count)
        .map((event): LoggedEvent => ({ id: idOf(event), body: event.body }))
    },
  }
}

/** Throws `request_invalid` for an invalid id. */
function placeOf(id: string, found: string): Place {
  const [, ms, count, named = found] = EVENT_ID.exec(id) ?? []
  if (ms === undefined || count === undefined) {
    throw new BrokerError('request_invalid', 'The cursor is not valid for this list')
  }
  return { ms: Number(ms), count: Number(count), found: named }
}

/** Excludes the limit, unless an entry of this share at the same time comes after it. */
const bound = (found: string, before: Place): string => (found < before.found ? '' : '(')

/** The last line after the place, as a score limit. */
function lastLine(share: string, before: Place | undefined): string {
  if (!before) return '+inf'
  const { ms, count } = before
  if (count >= PLACES) return String(ms * PLACES + PLACES - 1)
  return `${bound(linesOf(share), before)}${ms * PLACES + count}`
}
