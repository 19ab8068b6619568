import { createKeys } from '../keys.ts'
import {
  type ConnectionDependencies,
  createRedisConnection,
  type RedisEvent,
} from '../redis-connection/connection.ts'
import type { NatMap } from '../redis-connection/endpoints.ts'
import { troubleLine } from '../redis-connection/errors.ts'
import { watchEviction } from '../redis-connection/eviction.ts'
import { createRedisSettings, type RedisSettingsOptions } from '../redis-connection/settings.ts'
import { createRedisTroubles } from '../redis-connection/troubles.ts'
import type { Store } from '../store.ts'
import { createRedisArchive } from './archive.ts'
import { createRedisBudgets } from './budgets.ts'
import type { Script } from './calls.ts'
import { createRedisChanges, createRedisIdentity } from './changes.ts'
import { createRedisCustodies } from './custodies.ts'
import { createRedisDocuments } from './documents.ts'
import { createRedisDue } from './due.ts'
import { createDurableRedis } from './durable.ts'
import { createRedisEvents } from './events.ts'
import { gatheringRedis } from './gathered.ts'
import { createRedisIntegrations } from './integrations.ts'
import { createRedisListing } from './listing/listing.ts'
import { createRedisLocks } from './locks.ts'
import { createRedisOutcomes } from './outcomes.ts'
import { NOW, toNumber } from './script.ts'
import { createRedisSeals } from './seals.ts'

export interface RedisStoreOptions {
  readonly connection: RedisSettingsOptions
  /** Prefix of every key. Default: `vk:`. */
  readonly prefix?: string
  /** Translates announced addresses. Default: none. */
  readonly nat?: NatMap
  /** Replicas that must confirm a change to integrations and documents. Default: 0. */
  readonly waitReplicas?: number
  /** Longest wait for an answer, in milliseconds. At least 200, because the handshake needs it, too. Default: 900. */
  readonly timeoutMs?: number
  /** From 0 to 1; spreads reconnects. Default: `Math.random`. */
  readonly random?: () => number
  /** Receives failures and ends of connections, and risky server settings. */
  readonly onEvent: (event: RedisEvent) => void
}

const DEFAULT_TIMEOUT_MS = 900

/** A script with a key, so that the Cluster node whose clock other scripts use runs it. */
const TIME: Script = { name: 'vkTime', lua: `${NOW}return now()` }

/**
 * The store in Redis, behind Sentinel, or in a Cluster. Throws an `Error` for invalid options, or
 * if the server reports that the database does not exist. Does not throw if Redis is unreachable:
 * operations throw `store_unavailable` until it can be reached.
 */
export async function createRedisStore(options: RedisStoreOptions): Promise<Store> {
  const { waitReplicas = 0, timeoutMs = DEFAULT_TIMEOUT_MS, onEvent } = options
  const keys = createKeys(options.prefix ?? 'vk:')
  const settings = await createRedisSettings(options.connection)
  const troubles = createRedisTroubles({
    isTls: () => settings.current().tls !== undefined,
    tell: (error, connection) => onEvent({ type: 'error', connection, error }),
    monotonic: () => performance.now(),
  })
  const shared: Omit<ConnectionDependencies, 'role'> = {
    ...{ troubles, onEvent },
    probeKeys: ['s', 'h', 'z', 'x'].map((type) => `${keys.base}probe:${type}`),
    client: {
      ...{ settings, timeoutMs, nat: options.nat ?? new Map() },
      onUnanswered() {
        for (const connection of connections) connection.doubt()
      },
    },
    random: options.random ?? Math.random,
  }

  const commands = gatheringRedis(createRedisConnection({ ...shared, role: 'commands' }))
  const changes = createRedisConnection({ ...shared, role: 'changes' })
  const waits = createRedisConnection({ ...shared, role: 'waits' })
  const durable =
    waitReplicas > 0 ? createRedisConnection({ ...shared, role: 'durable' }) : undefined
  const connections = [commands, changes, waits, ...(durable === undefined ? [] : [durable])]
  await Promise.all(connections.map(({ attempted }) => attempted))
  const trouble = troubles.latest()
  if (trouble?.cause === 'database') {
    await Promise.all(connections.map((connection) => connection.close()))
    throw new Error(troubleLine(trouble))
  }
  const eviction = watchEviction({ redis: commands, key: keys.meta, onEvent })

  const redis = createDurableRedis({
    commands,
    ...(durable !== undefined && { durable }),
    replicas: waitReplicas,
    // WAIT must be answered before the connection times out.
    waitMs: Math.floor(timeoutMs / 2),
  })
  return {
    integrations: createRedisIntegrations(redis, keys),
    outcomes: createRedisOutcomes(redis, keys),
    listing: createRedisListing({ redis: commands, keys, random: options.random ?? Math.random }),
    locks: createRedisLocks(redis, keys),
    due: createRedisDue(redis, keys),
    custody: createRedisCustodies(redis, keys),
    budgets: createRedisBudgets(redis, keys),
    documents: createRedisDocuments(redis, keys),
    events: createRedisEvents(redis, keys),
    changes: createRedisChanges({ changes, waits, commands }, keys),
    seals: createRedisSeals(redis, keys),
    archive: createRedisArchive(redis, keys),
    identity: createRedisIdentity(commands, keys),
    evictionPolicy: eviction.policy,
    wasReached: () => connections.every((connection) => connection.wasReady()),
    isBegunAnew: () => false,
    trouble() {
      const found = troubles.latest()
      return found && troubleLine(found)
    },
    troubleCounts: troubles.counts,
    async now() {
      return toNumber(await commands.run(TIME, [keys.meta], []))
    },
    async close() {
      eviction.stop()
      await Promise.all(connections.map((connection) => connection.close()))
    },
  }
}
