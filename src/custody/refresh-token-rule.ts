/** Refuses refresh tokens where a failover of Redis could restore a used one. Using it again ends the whole approval. */
import type { Secret } from '../crypto/secret.ts'
import type { GrantSettings } from '../grants/grant.ts'
import { presentsRefreshToken } from '../integrations/integration.ts'
import { isClusterUrl, isSentinelUrl } from '../store/redis-connection/url.ts'

interface RedisSettings {
  readonly redisUrl: Secret | undefined
  readonly redisWaitReplicas: number
}

const hasFailover = (url: string): boolean => isSentinelUrl(url) || isClusterUrl(url)

/** Why refresh tokens must not be used with these settings. Undefined: they may. */
export const refreshTokenTrouble = ({
  redisUrl,
  redisWaitReplicas,
}: RedisSettings): string | undefined =>
  redisUrl !== undefined && redisWaitReplicas < 1 && hasFailover(redisUrl.reveal())
    ? 'With Sentinel or Cluster the grant refresh_token needs VALETKEY_REDIS_WAIT of 1 or more'
    : undefined

/** The same check for a written integration. */
export const grantTrouble =
  (settings: RedisSettings) =>
  (grant: GrantSettings): string | undefined =>
    presentsRefreshToken({ grant }) ? refreshTokenTrouble(settings) : undefined
