import { BrokerError } from '../../errors/errors.ts'
import { tellAtTheEnd } from '../integrity/unconfirmed.ts'
import type { RedisConnection, ScriptCall, ScriptResult } from '../redis-connection/connection.ts'
import type { Argument, Script } from './calls.ts'
import type { GatheringRedis } from './gathered.ts'

interface Written {
  readonly result: ScriptResult
  readonly confirmed: number
}

/** A write that waits for its confirmation. */
interface Waiting {
  readonly call: ScriptCall
  resolve(written: Written): void
  reject(error: unknown): void
}

type Write = (
  script: Script,
  keys: readonly string[],
  args: readonly Argument[],
) => Promise<unknown>

/** Redis operations whose effects must survive a failover: changes wait for replicas if configured. */
export interface DurableRedis extends Pick<GatheringRedis, 'run' | 'call' | 'read'> {
  /** Like `run`, but throws `store_unavailable` if too few replicas confirm the change. */
  runDurably: Write
  /** Like `runDurably`, but reports a missing confirmation at the end of the request. */
  change: Write
  /** Waits for the replicas with a neutral write to this hash; replication is in order. */
  confirm(hash: string): Promise<void>
}

const CONFIRM: Script = {
  name: 'vkConfirm',
  lua: `return redis.call('HINCRBY', KEYS[1], 'confirmed', 1)`,
}

interface DurableRedisDependencies {
  readonly commands: GatheringRedis
  /** A separate connection, because WAIT blocks it. Absent if no confirmation is required. */
  readonly durable?: RedisConnection
  readonly replicas: number
  /** Longest wait for replicas, in milliseconds. */
  readonly waitMs: number
}

export function createDurableRedis(dependencies: DurableRedisDependencies): DurableRedis {
  const { commands, durable, replicas, waitMs } = dependencies

  let waiting: Waiting[] = []
  let isWaiting = false

  /** One WAIT covers all writes that arrived during the previous one. */
  const waitForAll = async (connection: RedisConnection) => {
    isWaiting = true
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      try {
        const wait = { replicas, timeoutMs: waitMs }
        const { results, confirmed } = await connection.runAndWait(
          batch.map(({ call }) => call),
          wait,
        )
        for (const [at, { resolve }] of batch.entries()) {
          resolve({ result: results[at] ?? { answer: undefined }, confirmed })
        }
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    isWaiting = false
  }

  const waitFor = (connection: RedisConnection, call: ScriptCall): Promise<Written> => {
    const { promise, resolve, reject } = Promise.withResolvers<Written>()
    waiting.push({ call, resolve, reject })
    if (!isWaiting) void waitForAll(connection)
    return promise
  }

  const write =
    (isTold: (error: BrokerError) => boolean): Write =>
    async (script, keys, args) => {
      if (durable === undefined) return commands.run(script, keys, args)
      const { result, confirmed } = await waitFor(durable, { script, keys, args })
      if ('error' in result) throw result.error
      if (confirmed >= replicas) return result.answer
      const error = unconfirmed(script, confirmed, replicas)
      if (isTold(error)) return result.answer
      throw error
    }
  const change = write(tellAtTheEnd)

  return {
    run: commands.run,
    call: commands.call,
    read: commands.read,
    runDurably: write(() => false),
    change,
    async confirm(hash) {
      if (durable !== undefined) await change(CONFIRM, [hash], [])
    },
  }
}

const unconfirmed = ({ name }: Script, confirmed: number, replicas: number) =>
  new BrokerError(
    'store_unavailable',
    `Written, not confirmed: the change is in Redis, but only ${confirmed} of the ${replicas} replicas that VALETKEY_REDIS_WAIT requires confirmed it in time`,
    {
      cause: new Error(`${confirmed} of ${replicas} replicas confirmed ${name}`),
      retryAfterMs: 1_000,
      members: { written: true },
      remedy:
        'Check the replicas of Redis. Read what you changed: it is in effect, and persists unless Redis fails over now. It is safe to repeat the request. If an API key was created but not shown, revoke it and create a new one.',
    },
  )
