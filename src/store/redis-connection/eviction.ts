/** Checks whether Redis may evict keys when its memory is full. */

import type { Script } from '../redis/calls.ts'
import { toText } from '../redis/script.ts'
import type { RedisConnection, RedisEvent } from './connection.ts'

interface EvictionWatch {
  /** The policy in Redis's terms; `noeviction` keeps everything. Undefined: unknown. */
  policy(): string | undefined
  stop(): void
}

interface EvictionWatchDependencies {
  readonly redis: Pick<RedisConnection, 'run'>
  /** Selects the node of the Cluster with the data. */
  readonly key: string
  readonly onEvent: (event: RedisEvent) => void
}

/** Repeated, because of failovers and changes by operators. */
const LOOK_MS = 60_000
const RETRY_MS = 1_000

/** INFO may be forbidden or missing: the script returns undefined then. */
const MEMORY: Script = {
  name: 'vkMemory',
  lua: `local info = redis.pcall('INFO', 'memory')
return type(info) == 'string' and info or ''`,
}

export function watchEviction({ redis, key, onEvent }: EvictionWatchDependencies): EvictionWatch {
  let policy: string | undefined
  let isToldUnknown = false
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const learn = (found: string | undefined) => {
    if (found === undefined && !isToldUnknown) onEvent({ type: 'eviction_unknown' })
    isToldUnknown = found === undefined
    if (found !== undefined && found !== 'noeviction' && found !== policy) {
      onEvent({ type: 'eviction_policy', policy: found })
    }
    policy = found
  }

  const look = async () => {
    let nextMs = LOOK_MS
    try {
      const info = toText(await redis.run(MEMORY, [key], []))
      learn(/^maxmemory_policy:([a-z-]+)/m.exec(info)?.[1])
    } catch {
      // The error was already reported. Another server may answer next.
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
