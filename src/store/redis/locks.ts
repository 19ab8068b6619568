import type { Keys } from '../keys.ts'
import type { RedisConnection } from '../redis-connection/connection.ts'
import type { Locks } from '../store.ts'
import type { Script } from './calls.ts'

/** Invariant: a holder whose lock expired does not renew the lock of the next holder. */
const RENEW: Script = {
  name: 'vkLockRenew',
  lua: `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`,
}

/** Invariant: a holder whose lock expired does not release the lock of the next holder. */
const RELEASE: Script = {
  name: 'vkLockRelease',
  lua: `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`,
}

export function createRedisLocks(redis: Pick<RedisConnection, 'run' | 'call'>, keys: Keys): Locks {
  return {
    async acquire(name, owner, ttlMs) {
      return (await redis.call('set', keys.lock(name), owner, 'PX', ttlMs, 'NX')) === 'OK'
    },
    async renew(name, owner, ttlMs) {
      return (await redis.run(RENEW, [keys.lock(name)], [owner, ttlMs])) === 1
    },
    async release(name, owner) {
      return (await redis.run(RELEASE, [keys.lock(name)], [owner])) === 1
    },
  }
}
