/** Connects to the nodes of a Redis Cluster in advance, collects their errors, and asks for the master after failures. */
import type { Cluster, Redis } from 'ioredis'
import { withEndpoints } from './endpoints.ts'
import type { RedisPlace } from './errors.ts'
import { overhear, withHandshake } from './handshake.ts'
import { type RedisSettingsSource, tlsFor } from './settings.ts'
import type { RedisNode } from './url.ts'

export interface ClusterNodes {
  /** Resolves when each known node is connected or failed. */
  attempted(): Promise<void>
  /** Called after a failed command: the master may have changed. */
  troubled(): void
  /** Checks whether a node answers. If none does, the client ends. */
  doubt(): void
  /** The node of an error. */
  placeOf(error: unknown): RedisPlace | undefined
  leave(): void
}

interface NodesDependencies {
  readonly settings: RedisSettingsSource
  readonly seeds: readonly RedisNode[]
  readonly onTrouble: (error: unknown, place: RedisPlace, command?: string) => void
  /** Called when a node is asked for the state of the Cluster. */
  readonly onAsked: (host: string) => void
  /** No node answers. */
  readonly onUnanswered: () => void
}

const TROUBLED_MS = 500
/** Longest wait for the answer of a node. */
const ANSWER_MS = 1_000
/** Interval in rounds without failures. */
const ROUNDS_AT_REST = 20

/**
 * Replaces behaviour of ioredis: it connects to a node at its first command and refuses all others
 * until then, its refresh timer outlives the client, and it retries forever if no node answers.
 */
export function equipNodes(cluster: Cluster, dependencies: NodesDependencies): ClusterNodes {
  const { settings, seeds, onTrouble, onAsked, onUnanswered } = dependencies
  const attempts = new Set<Promise<void>>()
  const refusals = new WeakMap<object, RedisPlace>()
  const connect = (node: Redis) => {
    if (node.status !== 'wait') return
    // The node emits the failure as an error.
    const attempt = node.connect().catch(() => undefined)
    attempts.add(attempt)
    void attempt.finally(() => attempts.delete(attempt))
  }
  const placeAt = (host: string, port: number): RedisPlace => {
    const isSeed = seeds.some((seed) => seed.host === host && seed.port === port)
    return { kind: isSeed ? 'seed' : 'node', host, port }
  }
  const placeOfNode = ({ options: { host = '', port = 0 } }: Redis) => placeAt(host, port)

  /** Credentials may have changed since the first connection. */
  const renew = (node: Redis) => {
    const { username, password } = settings.current().target
    const tls = tlsFor(settings.current(), node.options.host ?? '')
    Object.assign(node.options, {
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password: password.reveal() }),
      ...(tls && { tls }),
    })
  }

  const equip = (node: Redis) => {
    renew(node)
    withHandshake(node, {
      database: settings.current().target.database,
      mustBePrimary: false,
      onTrouble: (error, command) => onTrouble(error, placeOfNode(node), command),
      onRefusal: (error) => refusals.set(error, placeOfNode(node)),
    })
    const duplicate = node.duplicate.bind(node)
    node.duplicate = (override) => asking(duplicate(override), node)
  }

  /** ioredis uses a separate connection to ask for the state of the Cluster. */
  const asking = (copy: Redis, node: Redis): Redis => {
    const place = placeOfNode(node)
    copy.on('error', (error: unknown) => onTrouble(error, place, 'cluster'))
    overhear(copy, (error, { name }) => onTrouble(error, place, name))
    const ask = copy.call.bind(copy)
    const answer = async () => {
      const slots = withEndpoints(await ask('CLUSTER', 'SLOTS'), place.host)
      onAsked(place.host)
      if (Array.isArray(slots) && slots.length === 0) onTrouble(DOWN, place, 'cluster')
      return slots
    }
    Reflect.set(copy, 'cluster', (_: 'SLOTS', done: (error: unknown, slots?: unknown) => void) =>
      answer().then((slots) => done(null, slots), done),
    )
    return copy
  }

  listenToState(cluster, (error) =>
    onTrouble(error, placeAt(seeds[0]?.host ?? '', seeds[0]?.port ?? 0), 'cluster'),
  )
  // Emitted when all nodes failed; each node has emitted its error.
  cluster.on('error', () => undefined)
  cluster.on('node error', (error: unknown, key: string) => {
    const end = key.lastIndexOf(':')
    onTrouble(error, placeAt(key.slice(0, end), Number(key.slice(end + 1))))
  })
  cluster.on('ready', () => {
    for (const node of cluster.nodes()) connect(node)
  })
  cluster.on('+node', (node: Redis) => {
    equip(node)
    // Before, ioredis still needs the node for the state of the Cluster.
    if (cluster.status === 'ready') connect(node)
  })

  let isTroubled = false
  let rounds = 0
  /** Whether any node answers. Asks all in parallel, because a hung one would delay the others. */
  const isAnswered = async () => {
    const asked = cluster.nodes().map(async (node) => {
      const copy = node.duplicate({ retryStrategy: null, commandTimeout: ANSWER_MS })
      copy.on('error', () => undefined)
      try {
        return await copy.call('CLUSTER', 'INFO')
      } finally {
        copy.disconnect()
      }
    })
    return Promise.any(asked).then(
      () => true,
      () => false,
    )
  }

  const look = async () => {
    // Each new connection reports invalid settings.
    await settings.renew().catch(() => undefined)
    for (const node of cluster.nodes()) renew(node)
    const isThere = await isAnswered()
    if (cluster.status !== 'ready') return
    // The addresses in the URL lead to the current nodes.
    if (isThere) {
      cluster.refreshSlotsCache()
      return
    }
    cluster.disconnect()
    onUnanswered()
  }
  const timer = setInterval(() => {
    rounds += 1
    if (cluster.status !== 'ready' || !(isTroubled || rounds >= ROUNDS_AT_REST)) return
    isTroubled = false
    rounds = 0
    void look()
  }, TROUBLED_MS).unref()

  return {
    async attempted() {
      await Promise.all(attempts)
    },
    troubled() {
      isTroubled = true
    },
    doubt() {
      if (cluster.status === 'ready') void look()
    },
    placeOf: (error) =>
      typeof error === 'object' && error !== null ? refusals.get(error) : undefined,
    leave() {
      clearInterval(timer)
    },
  }
}

const DOWN = Object.assign(new Error('CLUSTERDOWN'), { name: 'ReplyError', code: 'CLUSTERDOWN' })

/** ioredis hides that a Cluster is down. */
function listenToState(cluster: Cluster, onTrouble: (error: unknown) => void): void {
  type Done = (error: unknown, state?: string) => void
  const check: unknown = Reflect.get(cluster, 'readyCheck')
  if (typeof check !== 'function') throw new TypeError('ioredis has changed its internals')
  Reflect.set(cluster, 'readyCheck', (done: Done) => {
    Reflect.apply(check, cluster, [
      (error: unknown, state?: string) => {
        if (error ?? state) onTrouble(error ?? DOWN)
        done(error, state)
      },
    ])
  })
}
