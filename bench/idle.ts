/** A replica that nobody asks: what it asks of Redis all the same. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { startRedis } from '../test/support/redis.ts'
import type { Figure } from './figure.ts'
import { eachOf, prepareMany } from './many.ts'
import { spreadOf } from './ratio.ts'
import { commandsIn, roundTripsIn } from './redis-commands.ts'
import { prepareSetting, type Teardown } from './setting.ts'

export interface IdleOptions {
  /** That it has leases of. */
  readonly integrations: number
  readonly rounds: number
  readonly seconds: number
}

/** Until what follows the last request is over. */
const SETTLE_MS = 20_000

export async function measureIdle(
  t: Teardown,
  { integrations, rounds, seconds }: IdleOptions,
): Promise<readonly Figure[]> {
  const setting = await prepareSetting(t)
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const broker = await setting.broker({ redisUrl: redis.url, isProbed: false })
  const { names } = await prepareMany(setting, broker, {
    ...{ prefix: 'idle-', count: integrations, grant: 'client_credentials' as const },
  })
  await eachOf(names, async (name) => {
    const headers = { authorization: setting.authorization }
    const { status } = await fetch(`${broker.url}/tokens/${name}`, { headers })
    if (status !== 200) throw new Error(`${name}: ${status}`)
  })
  // One connection, so that of its own commands only each question is counted.
  const asker = new Redis(redis.url)
  t.teardown(() => asker.disconnect())
  await sleep(SETTLE_MS)
  const commands: number[] = []
  const roundTrips: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const before = await asker.info('all')
    await sleep(seconds * 1_000)
    const after = await asker.info('all')
    // Less the question itself.
    commands.push((commandsIn(after) - commandsIn(before) - 1) / seconds)
    roundTrips.push((roundTripsIn(after) - roundTripsIn(before) - 1) / seconds)
  }
  return [
    {
      id: 'commands',
      what: 'Redis commands a second of a replica that nobody asks, those in scripts included',
      spread: spreadOf(commands),
      digits: 1,
      target: { atMost: 6 },
    },
    {
      id: 'round-trips',
      what: 'round trips of it to Redis a second',
      spread: spreadOf(roundTrips),
      digits: 1,
      target: { atMost: 3 },
    },
  ]
}
