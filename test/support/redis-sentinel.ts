/** A real Redis Sentinel for tests: a master with two replicas, and three Sentinels that watch them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { eventually } from './eventually.ts'
import { ask, type RedisServer, startRedis, startReplica } from './redis.ts'

export interface SentinelServers {
  /** `redis+sentinel://…`; with `userinfo` as `user:password@`. */
  url(userinfo?: string): string
  readonly nodes: readonly RedisServer[]
  readonly sentinels: readonly RedisServer[]
  /** The node that the Sentinels name. */
  master(): Promise<RedisServer>
  /** Until the master has its replicas, and every Sentinel sees them and the others. */
  settled(deadlineMs?: number): Promise<void>
  /** A failover without a fault. */
  failover(): Promise<void>
  stop(): Promise<void>
}

export interface SentinelOptions {
  /** More arguments of each node. */
  readonly args?: readonly string[]
}

const MASTER = 'valetkey'
const REPLICAS = 2
const SENTINELS = 3
const DOWN_AFTER_MS = 1_000
/** A Sentinel that got no processor for two seconds distrusts its own eyes, and does nothing for so long. */
const TILT_MS = 30_000

export async function startSentinel(options: SentinelOptions = {}): Promise<SentinelServers> {
  const args = options.args ?? []
  const first = await startRedis({ args })
  const replicas = await Promise.all(
    Array.from({ length: REPLICAS }, () => startReplica({ master: first, args })),
  )
  const nodes = [first, ...replicas]
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-sentinels-'))
  const sentinels = await Promise.all(
    Array.from({ length: SENTINELS }, (_, index) => startOne(folder, index, first)),
  )

  const master = async () => {
    const [, port] = await askAny(sentinels, (client) =>
      client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER),
    )
    return nodes.find((node) => node.port === Number(port)) ?? first
  }

  return {
    url: (userinfo = '') =>
      `redis+sentinel://${userinfo}${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${MASTER}/0`,
    nodes,
    sentinels,
    master,
    async settled(deadlineMs = TILT_MS + 30_000) {
      await eventually(async () => {
        const seen = await Promise.all(sentinels.map(view))
        return seen.every(
          (fields) =>
            fields?.flags === 'master' &&
            Number(fields['num-slaves']) === REPLICAS &&
            Number(fields['num-other-sentinels']) === SENTINELS - 1,
        )
      }, deadlineMs)
      await eventually(async () => {
        const { port } = await master()
        const info = await ask(port, (client) => client.info('replication'))
        return (info?.match(/state=online/g) ?? []).length === REPLICAS
      }, deadlineMs)
    },
    async failover() {
      const before = await master()
      await askAny(sentinels, (client) => client.call('SENTINEL', 'FAILOVER', MASTER))
      await eventually(async () => (await master()) !== before, TILT_MS + 30_000)
    },
    async stop() {
      await Promise.all([...sentinels, ...nodes].map((server) => server.stop()))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function startOne(folder: string, index: number, master: RedisServer): Promise<RedisServer> {
  const config = join(folder, `sentinel-${index}.conf`)
  const lines = [
    `sentinel monitor ${MASTER} 127.0.0.1 ${master.port} 2`,
    `sentinel down-after-milliseconds ${MASTER} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${MASTER} 5000`,
    `sentinel parallel-syncs ${MASTER} ${REPLICAS}`,
  ]
  await writeFile(config, `${lines.join('\n')}\n`)
  return startRedis({ config, args: ['--sentinel'] })
}

/** What a Sentinel knows of the master; undefined where it does not answer. */
async function view({ port }: RedisServer): Promise<Record<string, string> | undefined> {
  const reply = await ask(port, (client) => client.call('SENTINEL', 'MASTER', MASTER))
  if (!Array.isArray(reply)) return undefined
  const fields: Record<string, string> = {}
  for (let i = 0; i < reply.length; i += 2) fields[String(reply[i])] = String(reply[i + 1])
  return fields
}

async function askAny(
  servers: readonly RedisServer[],
  question: (client: Redis) => Promise<unknown>,
): Promise<readonly unknown[]> {
  return eventually(async () => {
    for (const { port } of servers) {
      const answer = await ask(port, question)
      if (answer !== undefined) return Array.isArray(answer) ? answer : [answer]
    }
    return undefined
  })
}
