import { BrokerError } from '../errors.ts'
import type { Argument, RedisConnection, Script } from './redis-connection.ts'

/** Redis for what must outlive the server that acknowledged it: changes wait for replicas where that is asked for. */
export interface DurableRedis extends Pick<RedisConnection, 'run' | 'call'> {
  /** Like `run`; throws `store_unavailable` too when the change is there but too few replicas confirmed it. */
  runDurably(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown>
  /** Waits for the replicas as a change does, by a write to this hash that means nothing: they follow in order. */
  confirm(hash: string): Promise<void>
}

const CONFIRM: Script = {
  name: 'vkConfirm',
  lua: `return redis.call('HINCRBY', KEYS[1], 'confirmed', 1)`,
}

export interface DurableRedisDependencies {
  readonly commands: RedisConnection
  /** A connection of its own, because WAIT blocks it. Absent where no replica is to confirm. */
  readonly durable?: RedisConnection
  readonly replicas: number
  /** Longest wait for the replicas, in milliseconds. */
  readonly waitMs: number
}

export function createDurableRedis(dependencies: DurableRedisDependencies): DurableRedis {
  const { commands, durable, replicas, waitMs } = dependencies

  const runDurably: DurableRedis['runDurably'] = async (script, keys, args) => {
    if (durable === undefined) return commands.run(script, keys, args)
    const wait = { replicas, timeoutMs: waitMs }
    const { answer, confirmed } = await durable.runAndWait(script, keys, args, wait)
    if (confirmed < replicas) {
      throw new BrokerError('store_unavailable', 'Too few replicas of Redis confirmed the change', {
        cause: new Error(`${confirmed} of ${replicas} replicas confirmed ${script.name}`),
        retryAfterMs: 1_000,
      })
    }
    return answer
  }

  return {
    run: commands.run,
    call: commands.call,
    runDurably,
    async confirm(hash) {
      if (durable !== undefined) await runDurably(CONFIRM, [hash], [])
    },
  }
}
