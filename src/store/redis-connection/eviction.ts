/** Whether Redis may drop keys when its memory is full. */

import type { Script } from '../redis/calls.ts'
import { toText } from '../redis/script.ts'
import type { RedisConnection, RedisEvent } from './connection.ts'

export interface EvictionWatch {
  /** As Redis names it; `noeviction` keeps everything. Undefined: not known, or not any more. */
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

/** INFO is not among the commands that every user may run or every server has: undefined answers the script where it fails. */
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
      // Whoever ran it has said so. It may be another server that answers next.
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
