/** Masters of a small Redis Cluster for tests, each with what it announces, and the whole of it at other addresses. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { eventually } from './eventually.ts'
import { ask, freePort, type RedisServer, startRedis } from './redis.ts'
import type { TlsFiles } from './redis-tls.ts'

export interface Masters {
  readonly nodes: readonly RedisServer[]
  /** At which clients reach them: with TLS not those of `nodes`, which are for the test. */
  readonly ports: readonly number[]
  /** Runs a command on each of them. */
  tell(...command: readonly [string, ...(string | number)[]]): Promise<void>
  /** Ends all of them, and starts them from the same folders on other ports. */
  move(): Promise<void>
}

export interface MastersOptions {
  /** Default 3. One has never met another, and knows no address of its own. */
  readonly count?: number
  /** More arguments of each. */
  readonly args?: readonly string[]
  /** What it wants of clients, and of the test. */
  readonly password?: string
  /** Absent: no TLS. */
  readonly tls?: TlsFiles
  /** The server's program. Default: that of the suite. */
  readonly program?: string
}

interface Teardown {
  teardown(end: () => unknown): void
}

const SLOTS = 16_384

/** Ends with the test. */
export async function startMasters(t: Teardown, options: MastersOptions = {}): Promise<Masters> {
  const { count = 3, args = [], program, password, tls } = options
  const asked = <Answer>(port: number, question: (client: Redis) => Promise<Answer>) =>
    ask(port, async (client) => {
      if (password !== undefined) await client.auth(password)
      return question(client)
    })
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-masters-'))
  const dirs = await Promise.all(
    Array.from({ length: count }, (_, index) => mkdtemp(join(folder, `${index}-`))),
  )
  const start = () =>
    Promise.all(
      dirs.map((dir) =>
        startRedis({
          dir,
          ...(program !== undefined && { program }),
          args: async () => [
            ...['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf'],
            // By default it is the port and 10,000, which may be none.
            ...['--cluster-port', String(await freePort())],
            ...['--cluster-node-timeout', '2000', '--appendonly', 'yes'],
            ...(tls ? [...tls.args, '--tls-port', String(await freePort())] : []),
            ...(password === undefined ? [] : ['--requirepass', password]),
            ...args,
          ],
        }),
      ),
    )
  let nodes = await start()
  let ports: readonly number[] = []
  t.teardown(async () => {
    await Promise.all(nodes.map((node) => node.stop()))
    await rm(folder, { recursive: true, force: true })
  })

  /** As the node itself tells it. */
  const numberIn = async ({ port }: RedisServer, setting: string): Promise<number> => {
    const reply = await asked(port, (client) => client.call('CONFIG', 'GET', setting))
    return Array.isArray(reply) ? Number(reply[1]) : 0
  }
  const share = Math.ceil(SLOTS / count)
  const meet = async () => {
    const busPorts = await Promise.all(nodes.map((node) => numberIn(node, 'cluster-port')))
    ports = tls
      ? await Promise.all(nodes.map((node) => numberIn(node, 'tls-port')))
      : nodes.map(({ port }) => port)
    for (const [index, port] of ports.entries()) {
      if (index === 0) continue
      const met = await asked(nodes[0]?.port ?? 0, (client) =>
        client.call('CLUSTER', 'MEET', '127.0.0.1', port, busPorts[index] ?? 0),
      )
      if (met !== 'OK') throw new Error('The nodes do not meet')
    }
  }
  const whole = () =>
    eventually(async () => {
      const states = await Promise.all(
        nodes.map(({ port }) => asked(port, (client) => client.cluster('INFO'))),
      )
      const isOk = (state: string | undefined) =>
        /cluster_state:ok/.test(state ?? '') &&
        new RegExp(`cluster_known_nodes:${count}\\b`).test(state ?? '')
      return states.every(isOk)
    })

  for (const [index, { port }] of nodes.entries()) {
    const range = [index * share, Math.min((index + 1) * share, SLOTS) - 1]
    await asked(port, (client) => client.call('CLUSTER', 'ADDSLOTSRANGE', ...range))
  }
  await meet()
  await whole()

  return {
    get nodes() {
      return nodes
    },
    get ports() {
      return ports
    },
    async tell(...command) {
      for (const { port } of nodes) {
        const reply = await asked(port, (client) => client.call(...command))
        if (reply === undefined) throw new Error(`${command.slice(0, 3).join(' ')} was refused`)
      }
    },
    async move() {
      await Promise.all(nodes.map((node) => node.kill('SIGKILL')))
      nodes = await start()
      await meet()
      await whole()
    },
  }
}
