/** What the Lua scripts have in common. Each script lies beside its only caller. */
import { BrokerError } from '../../errors/errors.ts'

/** How many changes the stream keeps at least: a reader that fell behind further sees a gap. */
export const CHANGES_KEPT = 10_000

/** The store's clock in epoch milliseconds. */
export const NOW = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`

/**
 * Adds a change to the stream. Invariant: the sequence number has no holes, so that a reader can
 * tell a missed entry; and it grows at least as fast as the rev of each record, so that a rev taken from
 * it is above every rev that a former record of the name had.
 */
export const ANNOUNCE = `
local function announce(meta, changes, ...)
  local seq = redis.call('HINCRBY', meta, 'seq', 1)
  redis.call('XADD', changes, 'MAXLEN', '~', ${CHANGES_KEPT}, '*', 'seq', seq, ...)
end
`

/** Whether a token has a tombstone. */
export const IS_DEAD = `
local function is_dead(dead, token, time)
  local ends = redis.call('ZSCORE', dead, token)
  return ends and tonumber(ends) > time
end
`

/** Takes a lease's holder out of the set of its token. */
export const FORGET_HOLDER = `
local function forget_holder(base, name)
  local token = redis.call('HGET', base .. 'o:' .. name, 'lease_token')
  if token then redis.call('ZREM', base .. 't:' .. token, name) end
end
`

/** A number in a reply, which ioredis gives as a number or as text. */
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

/** Whatever answers like this is no Redis, or none that we know. */
const unexpected = (wanted: string): BrokerError =>
  new BrokerError('store_unavailable', 'Redis does not answer as it should', {
    cause: new TypeError(`Redis gave something that is no ${wanted}`),
    retryAfterMs: 1_000,
  })
