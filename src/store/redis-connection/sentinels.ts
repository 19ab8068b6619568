/** Finds the master through Sentinels and reports Sentinels that fail, refuse, or do not know it. */
import { type Redis, type SentinelConnectionOptions, SentinelConnector } from 'ioredis'
import type { RedisNode } from './url.ts'

interface SentinelWay {
  /** Options for the connection to this Sentinel. */
  readonly optionsFor: (sentinel: RedisNode) => object
  /** More options for the connection to the master. */
  readonly masterOptions: (master: RedisNode) => object
  readonly onClient: (client: Redis, sentinel: RedisNode) => void
  readonly onTrouble: (error: unknown, sentinel: RedisNode) => void
  /** The Sentinel answered, but knows no such master. */
  readonly onUnknownMaster: (sentinel: RedisNode) => void
  /** Receives all known Sentinels, the next one to ask first. */
  readonly onSentinels: (sentinels: readonly RedisNode[]) => void
  readonly onMaster: (master: RedisNode) => void
}

type Method = (...args: readonly unknown[]) => unknown

/**
 * Replaces behaviour of ioredis: it adds no error listener to connections that wait for a failover,
 * so each unavailable Sentinel writes a stack trace to stderr; and it reports every failure as
 * unreachable Sentinels.
 */
export function sentinelConnector(way: SentinelWay) {
  return class extends SentinelConnector {
    constructor(options: unknown) {
      super(options as SentinelConnectionOptions)
      const connect = methodOf(this, 'connectToSentinel')
      Reflect.set(this, 'connectToSentinel', (endpoint: RedisNode, options: object) => {
        const more = { ...options, ...way.optionsFor(endpoint) }
        const client = Reflect.apply(connect, this, [endpoint, more]) as Redis
        way.onClient(client, endpoint)
        client.on('error', (error: unknown) => way.onTrouble(error, endpoint))
        return client
      })
      const resolve = methodOf(this, 'resolve')
      Reflect.set(this, 'resolve', async (endpoint: RedisNode) => {
        try {
          const master = (await Reflect.apply(resolve, this, [endpoint])) as RedisNode | null
          if (master === null) {
            way.onUnknownMaster(endpoint)
            return null
          }
          way.onSentinels(sentinelsOf(this))
          way.onMaster(master)
          return { ...master, ...way.masterOptions(master) }
        } catch (error) {
          way.onTrouble(error, endpoint)
          throw error
        }
      })
    }
  }
}

/** A private method of ioredis, which another version may lack. */
function methodOf(of: object, name: string): Method {
  const method: unknown = Reflect.get(of, name)
  if (typeof method !== 'function') throw new TypeError('ioredis has changed its internals')
  return method as Method
}

function sentinelsOf(connector: object): readonly RedisNode[] {
  const iterator: unknown = Reflect.get(connector, 'sentinelIterator')
  const known: unknown =
    typeof iterator === 'object' && iterator !== null
      ? Reflect.get(iterator, 'sentinels')
      : undefined
  if (!Array.isArray(known)) throw new TypeError('ioredis has changed its internals')
  return known.map(({ host, port }: RedisNode) => ({ host, port }))
}
