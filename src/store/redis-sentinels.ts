/** The way to Sentinel's master, with an ear for Sentinels that do not answer. */
import { type Redis, type SentinelConnectionOptions, SentinelConnector } from 'ioredis'

/**
 * ioredis listens to no error of the connections on which it waits for news of a failover, and then
 * writes a stack trace to stderr for each Sentinel that is away, twice a second.
 */
export function sentinelConnector(onTrouble: (error: unknown) => void) {
  return class extends SentinelConnector {
    constructor(options: unknown) {
      super(options as SentinelConnectionOptions)
      const connect: unknown = Reflect.get(this, 'connectToSentinel')
      if (typeof connect !== 'function') throw new TypeError('ioredis is not as it was')
      Reflect.set(this, 'connectToSentinel', (...args: unknown[]) => {
        const sentinel: Redis = Reflect.apply(connect, this, args)
        sentinel.on('error', onTrouble)
        return sentinel
      })
    }
  }
}
