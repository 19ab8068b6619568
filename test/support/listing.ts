/** The index of the list of integrations, in Redis. */
import { eventually } from './eventually.ts'
import { ask } from './redis.ts'

/** Waits until its indexer has looked at all that was changed. */
export const listingAtRest = (port: number): Promise<unknown> =>
  eventually(() =>
    ask(port, async (client) => {
      const isWhole = (await client.hexists('vk:{vk}:meta', 'listing_build')) === 0
      return isWhole && (await client.zcard('vk:{vk}:listing:stale')) === 0
    }),
  )
