/** Whether Redis may drop keys when its memory is full. */
import type { RedisConnection, RedisEvent, Script } from './redis-connection.ts'
import { toText } from './redis-script.ts'

export interface EvictionWatch {
  /** Undefined: it keeps everything, or it is not known. */
  policy(): string | undefined
  stop(): void
}

export interface EvictionWatchDependencies {
  readonly redis: Pick<RedisConnection, 'run'>
  /** Leads to the node of a Cluster that has the data. */
  readonly key: string
  readonly onEvent: (event: RedisEvent) => void
}

/** Now and then, for a failover leads to another server, and an operator may change it. */
const LOOK_MS = 60_000
const RETRY_MS = 1_000

const MEMORY: Script = { name: 'vkMemory', lua: `return redis.call('INFO', 'memory')` }

/** Of the connection itself, which speaks of them. */
const DISCONNECTED = new Set(['CLOSED', 'OFFLINE', 'TIMEOUT'])

export function watchEviction({ redis, key, onEvent }: EvictionWatchDependencies): EvictionWatch {
  let policy: string | undefined
  let trouble: string | undefined
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const learn = (info: string) => {
    const found = /^maxmemory_policy:([a-z-]+)/m.exec(info)?.[1]
    const risky = found === 'noeviction' ? undefined : found
    if (risky !== undefined && risky !== policy) onEvent({ type: 'eviction_policy', policy: risky })
    policy = risky
    trouble = undefined
  }

  /** INFO is not among the commands that every user of Redis may run. */
  const report = (code: string) => {
    if (DISCONNECTED.has(code) || code === trouble) return
    trouble = code
    const error = { name: 'EvictionPolicyUnknown', code }
    onEvent({ type: 'error', connection: 'commands', error })
  }

  const look = async () => {
    let nextMs = LOOK_MS
    try {
      learn(toText(await redis.run(MEMORY, [key], [])))
    } catch (error) {
      if (stopped) return
      report(codeOf(error))
      nextMs = RETRY_MS
    }
    if (!stopped) timer = setTimeout(look, nextMs).unref()
  }
  void look()

  return {
    policy: () => policy,
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}

function codeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'UNKNOWN'
}
