/** Common parts of the Lua scripts. Each script is beside its only caller. */
import { BrokerError } from '../../errors/errors.ts'
import { INDEX_HEARD } from './listing/marks.ts'

/** Number of kept changes. A reader that is further behind gets a gap. */
const CHANGES_KEPT = 10_000

/** The clock of the store in epoch milliseconds. */
export const NOW = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`

/**
 * Adds a change to the stream, and marks the entry of the index that it may make wrong. Invariant:
 * sequence numbers have no gaps, so that readers detect a missing entry. They grow at least as fast
 * as the rev of each record, so that a rev taken from them is above every former rev of a name.
 */
export const ANNOUNCE = `${INDEX_HEARD}
local function announce(meta, changes, ...)
  local seq = redis.call('HINCRBY', meta, 'seq', 1)
  index_heard(meta, {...}, true)
  index_follow(meta, seq)
  redis.call('XADD', changes, 'MAXLEN', '~', ${CHANGES_KEPT}, '*', 'seq', seq, ...)
end
`

export const IS_DEAD = `
local function is_dead(dead, token, time)
  local ends = redis.call('ZSCORE', dead, token)
  return ends and tonumber(ends) > time
end
`

/** Removes the lease's integration from the set of holders of its token. */
export const FORGET_HOLDER = `
local function forget_holder(base, name)
  local token = redis.call('HGET', base .. 'o:' .. name, 'lease_token')
  if token then redis.call('ZREM', base .. 't:' .. token, name) end
end
`

/** Converts a number in a reply, which ioredis returns as a number or as text. */
export function toNumber(reply: unknown): number {
  const number = typeof reply === 'string' && reply !== '' ? Number(reply) : reply
  if (typeof number !== 'number' || !Number.isFinite(number)) throw unexpected('number')
  return number
}

export function toText(reply: unknown): string {
  if (typeof reply !== 'string') throw unexpected('text')
  return reply
}

export function toArray(reply: unknown): readonly unknown[] {
  if (!Array.isArray(reply)) throw unexpected('array')
  return reply
}

/** The server is not Redis or not a compatible one. */
const unexpected = (wanted: string): BrokerError =>
  new BrokerError('store_unavailable', 'Redis does not answer correctly', {
    cause: new TypeError(`Redis returned a value that is not a ${wanted}`),
    retryAfterMs: 1_000,
  })
