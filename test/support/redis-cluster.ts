/** A real Redis Cluster for tests: three masters with one replica each. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Redis } from 'ioredis'
import { eventually } from './eventually.ts'
import { ask, freePort, type RedisServer, startRedis } from './redis.ts'

export interface ClusterServers {
  /** `redis+cluster://…`; with `userinfo` as `user:password@`. */
  url(userinfo?: string): string
  readonly nodes: readonly RedisServer[]
  /** The master of the slot that this key is in. */
  masterOf(key: string): Promise<RedisServer>
  /** Its replicas. */
  replicasOf(master: RedisServer): Promise<readonly RedisServer[]>
  /** Until all slots are served, and every master has its replica in step. */
  settled(deadlineMs?: number): Promise<void>
  stop(): Promise<void>
}

export interface ClusterOptions {
  /** More arguments of each node. */
  readonly args?: readonly string[]
  /** The server's program. Default: that of all tests. */
  readonly program?: string
}

const NODES = 6
const MASTERS = 3
const NODE_TIMEOUT_MS = 2_000

export async function startCluster(options: ClusterOptions = {}): Promise<ClusterServers> {
  const nodes = await Promise.all(
    Array.from({ length: NODES }, () =>
      startRedis({
        ...(options.program !== undefined && { program: options.program }),
        args: async () => [
          ...['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf'],
          // By default it is the port and 10,000, which may be none.
          ...['--cluster-port', String(await freePort())],
          ...['--cluster-node-timeout', String(NODE_TIMEOUT_MS)],
          ...['--cluster-announce-ip', '127.0.0.1'],
          ...(options.args ?? []),
        ],
      }),
    ),
  )
  await promisify(execFile)('redis-cli', [
    ...['--cluster', 'create', ...nodes.map(({ port }) => `127.0.0.1:${port}`)],
    ...['--cluster-replicas', '1', '--cluster-yes'],
  ])

  const byPort = (port: number) => {
    const node = nodes.find((candidate) => candidate.port === port)
    if (!node) throw new Error(`No node has the port ${port}`)
    return node
  }

  const askAll = async <Answer>(question: Parameters<typeof ask<Answer>>[1]) => {
    const answers = await Promise.all(nodes.map(({ port }) => ask(port, question)))
    return answers.filter((answer) => answer !== undefined)
  }

  /** As the first node sees it that answers. */
  const table = () =>
    eventually(async () => {
      const [text] = await askAll((client) => nodesOf(client))
      return text?.trim().split('\n').map(readNode)
    })

  return {
    url: (userinfo = '') =>
      `redis+cluster://${userinfo}${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    nodes,
    async masterOf(key) {
      const port = await eventually(async () => {
        const [slot] = await askAll((client) => client.cluster('KEYSLOT', key))
        if (slot === undefined) return undefined
        const owner = (await table()).find(
          ({ isMaster, slots }) =>
            isMaster && slots.some(([from, to]) => from <= slot && slot <= to),
        )
        return owner?.port
      })
      return byPort(port)
    },
    async replicasOf(master) {
      const known = await table()
      const id = known.find(({ port }) => port === master.port)?.id
      return known.filter((node) => node.masterId === id).map(({ port }) => byPort(port))
    },
    async settled(deadlineMs) {
      await eventually(async () => {
        const states = await askAll((client) => client.cluster('INFO'))
        return states.length === NODES && states.every((text) => /cluster_state:ok/.test(text))
      }, deadlineMs)
      await eventually(async () => {
        const tables = await askAll((client) => nodesOf(client))
        const wanted = NODES - MASTERS
        return tables.every((text) => (text.match(/\bslave\b/g) ?? []).length === wanted)
      }, deadlineMs)
      await eventually(async () => {
        const infos = await askAll((client) => client.info('replication'))
        const inStep = infos.filter((text) => /state=online|master_link_status:up/.test(text))
        return inStep.length === NODES
      }, deadlineMs)
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()))
    },
  }
}

/** ioredis has no type for this reply. */
const nodesOf = async (client: Redis) => String(await client.call('CLUSTER', 'NODES'))

interface ClusterNode {
  readonly id: string
  readonly port: number
  readonly isMaster: boolean
  readonly masterId: string
  readonly slots: readonly (readonly [number, number])[]
}

/** A line of `CLUSTER NODES`. */
function readNode(line: string): ClusterNode {
  const [id = '', address = '', flags = '', masterId = '', , , , , ...slots] = line.split(' ')
  return {
    id,
    port: Number(/:(\d+)@/.exec(address)?.[1]),
    isMaster: /\bmaster\b/.test(flags) && !/fail/.test(flags),
    masterId,
    slots: slots
      .filter((range) => !range.startsWith('['))
      .map((range) => {
        const [from, to] = range.split('-').map(Number)
        return [from ?? -1, to ?? from ?? -1] as const
      }),
  }
}
