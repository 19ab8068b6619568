/**
 * Imported into a broker's process (`node --import`): names each point at which it could be killed,
 * and kills it, as `kill -9` does, at one of them. A point is right after a write to the store, or
 * after a request to Salesforce was sent or answered. What is not written or sent changes nothing
 * outside of the process, so that right before a step is right after the one before it.
 */
import { subscribe } from 'node:diagnostics_channel'
import { existsSync, writeSync } from 'node:fs'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import { AHEAD, ARMED, AT, POINT } from './crash-settings.ts'

const crashAt = process.env[AT]
const armedBy = process.env[ARMED] ?? ''
const aheadMs = Number(process.env[AHEAD] ?? 0)
const STDERR = 2

let isArmed = false
/** How often each thing happened: with it, a point has the same name in each run. */
const counts = new Map<string, number>()

function point(what: string): void {
  isArmed ||= existsSync(armedBy)
  if (!isArmed) return
  const count = (counts.get(what) ?? 0) + 1
  counts.set(what, count)
  const name = `${what} (${count})`
  writeSync(STDERR, `${POINT}: ${name}\n`)
  if (name === crashAt) process.kill(process.pid, 'SIGKILL')
}

if (aheadMs > 0) {
  const realNow = Date.now
  Date.now = () => realNow() + aheadMs
}

for (const [channel, what] of Object.entries({
  'undici:client:sendHeaders': 'sent to Salesforce',
  'undici:request:trailers': 'answered by Salesforce',
})) {
  subscribe(channel, () => point(what))
}

/** The tables in which the transaction changed rows: one that changed none is no write. */
const changed = new Set<string>()
const { run } = StatementSync.prototype
StatementSync.prototype.run = function (this: StatementSync, ...values) {
  const result = Reflect.apply(run, this, values) as ReturnType<typeof run>
  const table = /(?:INTO|FROM|UPDATE)\s+(\w+)/i.exec(this.sourceSQL)?.[1]
  if (table !== undefined && result.changes > 0) changed.add(table)
  return result
} as typeof run
const { exec } = DatabaseSync.prototype
DatabaseSync.prototype.exec = function (sql) {
  if (sql.startsWith('BEGIN')) changed.clear()
  exec.call(this, sql)
  if (sql !== 'COMMIT' || changed.size === 0 || isOfStart()) return
  // Copies of events, and entries of the index of the list, may be in a transaction or come after it.
  const tables = [...changed].filter((table) => table !== 'events')
  const own = tables.filter((table) => !table.startsWith('listing_'))
  const isOfIndex = own.every((table) => table === 'meta')
  const named = isOfIndex ? tables : own
  point(`wrote ${named.length > 0 ? named.join(' and ') : 'events'}`)
}

/** That somebody vouched for the store comes once, before or after the journey began. */
const isOfStart = () => changed.size === 1 && changed.has('custody_age')

/** Scripts that only read are told by their text. */
const WRITES = /'(?:SET|DEL|HSET|HINCRBY|HDEL|ZADD|ZREM|XADD|SADD|SREM|INCRBY|PEXPIREAT|PEXPIRE)'/
/** Commands that the store sends without a script. */
const PLAIN_WRITES = new Set(['set', 'zadd', 'zrem', 'del'])
if (process.env.VALETKEY_REDIS_URL !== undefined) {
  const { Redis } = await import('ioredis')
  const { defineCommand, sendCommand } = Redis.prototype
  Redis.prototype.defineCommand = function (name, definition) {
    defineCommand.call(this, name, definition)
    if (!WRITES.test(definition.lua)) return
    const send: unknown = Reflect.get(this, name)
    if (typeof send !== 'function') throw new Error(`ioredis did not define ${name}`)
    const sendAndPoint = async (...args: unknown[]) => {
      const reply: unknown = await Reflect.apply(send, this, args)
      // A claim that found nothing, as most do.
      if (!Array.isArray(reply) || reply.length > 0) point(`ran ${name}`)
      return reply
    }
    Reflect.set(this, name, sendAndPoint)
  }
  Redis.prototype.sendCommand = function (...args) {
    const [{ name }] = args
    const sent = sendCommand.apply(this, args)
    if (!PLAIN_WRITES.has(name)) return sent
    return (sent as Promise<unknown>).then((reply) => {
      // A lock that another has.
      if (reply !== null && reply !== 0) point(`ran ${name}`)
      return reply
    })
  }
}
