/** Opens the store of the settings. Only loads the engine in use, so that the start is fast. */
import type { Config } from '../config/config.ts'
import { ConfigError } from '../config/config-error.ts'
import type { FileTrouble } from '../store/embedded/file-trouble.ts'
import type { RedisEvent } from '../store/redis-connection/connection.ts'
import type { Store } from '../store/store.ts'

interface OpenStoreOptions {
  readonly onRedisEvent?: (event: RedisEvent) => void
  /** Reports failures of the embedded store. Undefined: the failure is over. */
  readonly onFileTrouble?: (trouble: FileTrouble | undefined) => void
  /** Longest wait for an answer of Redis, in milliseconds. Default: that of the store. */
  readonly timeoutMs?: number
}

/** Throws `ConfigError` if this process cannot lock the folder of the embedded store, and for mistakes in the settings of Redis that show at once. */
export async function openStore(
  config: Config,
  { onRedisEvent = () => undefined, onFileTrouble, timeoutMs }: OpenStoreOptions = {},
): Promise<Store> {
  if (config.redisUrl === undefined) return openEmbedded(config, onFileTrouble)
  const { createRedisStore } = await import('../store/redis/redis-store.ts')
  const { redisUrl: urlFile, redisSentinelPassword: sentinelPasswordFile } = config.files
  const { redisCaFile: caFile, redisCertFile: certFile, redisKeyFile: keyFile } = config
  const { redisSentinelPassword: sentinelPassword } = config
  const given = {
    ...{ urlFile, sentinelPassword, sentinelPasswordFile },
    ...{ caFile, certFile, keyFile },
  }
  try {
    return await createRedisStore({
      connection: { url: config.redisUrl, ...defined(given) },
      prefix: config.redisPrefix,
      waitReplicas: config.redisWaitReplicas,
      ...defined({ nat: config.redisNatMap }),
      onEvent: onRedisEvent,
      ...(timeoutMs !== undefined && { timeoutMs }),
    })
  } catch (error) {
    throw new ConfigError([`VALETKEY_REDIS_URL: ${(error as Error).message}`])
  }
}

type Defined<Members> = { [Name in keyof Members]?: Exclude<Members[Name], undefined> }

function defined<Members extends object>(members: Members): Defined<Members> {
  const given = Object.entries(members).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as Defined<Members>
}

async function openEmbedded({ dataDir }: Config, onTrouble: OpenStoreOptions['onFileTrouble']) {
  const { createEmbeddedStore } = await import('../store/embedded/embedded-store.ts')
  try {
    return createEmbeddedStore({ dataDir, ...(onTrouble && { onTrouble }) })
  } catch (error) {
    throw new ConfigError([`VALETKEY_DATA_DIR: ${(error as Error).message}`])
  }
}
