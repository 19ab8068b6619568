/** Reads of many records that are asked for in one turn of the event loop: they go to Redis as one script, as each command alone costs more than what it reads. */
import type { RedisConnection } from '../redis-connection/connection.ts'
import type { Argument, Script } from './calls.ts'
import { toArray } from './script.ts'

/** How a record is read alone, and how many of them are. */
interface GatheredRead {
  /** Reads one. */
  readonly alone: () => Promise<unknown>
  /** Of the script for many: the keys and arguments of this record, as many for each. */
  readonly keys: readonly string[]
  readonly args: readonly Argument[]
}

export interface GatheringRedis extends RedisConnection {
  /** Gives what `alone` gives. `many` has `each(keys, args)`, which reads one record, made by {@link forEach}. */
  read(many: Script, one: GatheredRead): Promise<unknown>
}

/** Reads in one script, so that Redis is not held up for long: half of the largest page, and the one that shows that there is another. */
const MOST = 101

/** The reply for a record that `each` could not read. */
const UNREAD = 'unread'

/**
 * A script for many records. `lua` defines the local function `each(keys, args)`, for one with so
 * many keys and arguments. The first number of `ARGV` says how many records there are.
 */
export const forEach = (name: string, lua: string): Script => ({
  name,
  lua: `${lua}
local count = tonumber(ARGV[1])
local keys, args = #KEYS / count, (#ARGV - 1) / count
local replies = {}
for at = 0, count - 1 do
  local is_read, reply = pcall(each, {unpack(KEYS, at * keys + 1, (at + 1) * keys)},
    {unpack(ARGV, at * args + 2, (at + 1) * args + 1)})
  if is_read then replies[at + 1] = reply or false else replies[at + 1] = '${UNREAD}' end
end
return replies`,
})

/** For {@link forEach}: reads these fields of the hash at the only key. */
export const eachHash = (fields: readonly string[]): string => `
local function each(keys)
  return redis.call('HMGET', keys[1], ${fields.map((field) => `'${field}'`).join(', ')})
end`

interface Waiting extends GatheredRead {
  resolve(reply: unknown): void
  reject(error: unknown): void
}

/** Every other command is sent after the reads that were asked for before it. */
export function gatheringRedis(connection: RedisConnection): GatheringRedis {
  const waiting = new Map<Script, Waiting[]>()

  const readAlone = ({ alone, resolve, reject }: Waiting): void => {
    alone().then(resolve, reject)
  }

  const readSome = async (many: Script, some: readonly Waiting[]): Promise<void> => {
    const keys = some.flatMap((one) => one.keys)
    const args = some.flatMap((one) => one.args)
    try {
      const replies = toArray(await connection.run(many, keys, [some.length, ...args]))
      for (const [at, one] of some.entries()) {
        // It has another type, which its own read reports.
        if (replies[at] === UNREAD) readAlone(one)
        else one.resolve(replies[at])
      }
    } catch (error) {
      for (const { reject } of some) reject(error)
    }
  }

  const send = (): void => {
    if (waiting.size === 0) return
    const gathered = [...waiting]
    waiting.clear()
    for (const [many, all] of gathered) {
      const [first, ...others] = all
      if (first && others.length === 0) readAlone(first)
      else
        for (let from = 0; from < all.length; from += MOST)
          void readSome(many, all.slice(from, from + MOST))
    }
  }

  return {
    ...connection,
    run(...call) {
      send()
      return connection.run(...call)
    },
    call(...call) {
      send()
      return connection.call(...call)
    },
    runAndWait(...call) {
      send()
      return connection.runAndWait(...call)
    },
    read(many, one) {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>()
      if (waiting.size === 0) queueMicrotask(send)
      const all = waiting.get(many) ?? []
      waiting.set(many, all)
      all.push({ ...one, resolve, reject })
      return promise
    },
  }
}
