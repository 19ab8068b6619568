/** Opens the store that the settings name. Only the engine that is used is loaded: start-up time is time without a replica. */
import { type Config, ConfigError } from '../config.ts'
import type { RedisEvent } from '../store/redis.ts'
import type { Store } from '../store/store.ts'

/** Throws `ConfigError` where the folder of the embedded one cannot be had for this process alone. */
export async function openStore(
  config: Config,
  onEvent: (event: RedisEvent) => void,
  /** Longest wait for an answer of Redis, in milliseconds. Default: as the store has it. */
  timeoutMs?: number,
): Promise<Store> {
  if (config.redisUrl === undefined) return openEmbedded(config)
  const { createRedisStore } = await import('../store/redis.ts')
  return createRedisStore({
    url: config.redisUrl,
    prefix: config.redisPrefix,
    waitReplicas: config.redisWaitReplicas,
    ...(config.redisCaFile !== undefined && { caFile: config.redisCaFile }),
    ...(config.redisSentinelPassword && { sentinelPassword: config.redisSentinelPassword }),
    onEvent,
    ...(timeoutMs !== undefined && { timeoutMs }),
  })
}

async function openEmbedded({ dataDir }: Config): Promise<Store> {
  const { createEmbeddedStore } = await import('../store/embedded.ts')
  try {
    return createEmbeddedStore({ dataDir })
  } catch (error) {
    throw new ConfigError([`VALETKEY_DATA_DIR: ${(error as Error).message}`])
  }
}
