import { BrokerError } from '../../errors/errors.ts'
import type { RedisConnection, ScriptCall, ScriptResult } from '../redis-connection/connection.ts'
import { tellAtTheEnd } from '../unconfirmed.ts'
import type { Argument, Script } from './calls.ts'

interface Written {
  readonly result: ScriptResult
  readonly confirmed: number
}

/** A write until it was confirmed or not. */
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

/** Redis for what must outlive the server that acknowledged it: changes wait for replicas where that is asked for. */
export interface DurableRedis extends Pick<RedisConnection, 'run' | 'call'> {
  /** Like `run`; throws `store_unavailable` too when the change is there but too few replicas confirmed it. For what must not go on without. */
  runDurably: Write
  /** Like `runDurably`, but the request that changes something goes on, and is told at its end. */
  change: Write
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

  let waiting: Waiting[] = []
  let isWaiting = false

  /** WAIT blocks its connection, so one WAIT stands for all that came while the one before it was under way. */
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
    `Written, not confirmed: the change is in Redis, and ${confirmed} of the ${replicas} replicas that VALETKEY_REDIS_WAIT asks for confirmed it in time`,
    {
      cause: new Error(`${confirmed} of ${replicas} replicas confirmed ${name}`),
      retryAfterMs: 1_000,
      members: { written: true },
      remedy:
        'Look at the replicas of Redis. Read what you changed: it is in force, and lasts unless Redis fails over now. Sending it again is safe; an API key that was made and not shown is to be revoked, and made anew.',
    },
  )
