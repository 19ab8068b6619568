/** The nodes of a Redis Cluster: connected before they are needed, each one's trouble heard, and asked who is the master where something went wrong. */
import type { Cluster, Redis } from 'ioredis'
import { withEndpoints } from './endpoints.ts'
import type { RedisPlace } from './errors.ts'
import { overhear, withHandshake } from './handshake.ts'
import { type RedisSettingsSource, tlsFor } from './settings.ts'
import type { RedisNode } from './url.ts'

export interface ClusterNodes {
  /** Settles when each node that is known was connected to, or could not be. */
  attempted(): Promise<void>
  /** A command failed: there may be another master by now. */
  troubled(): void
  /** Looks at once whether one of them answers; where none does, the client ends. */
  doubt(): void
  /** The node that refused this. */
  placeOf(error: unknown): RedisPlace | undefined
  leave(): void
}

export interface NodesDependencies {
  readonly settings: RedisSettingsSource
  readonly seeds: readonly RedisNode[]
  readonly onTrouble: (error: unknown, place: RedisPlace, command?: string) => void
  /** A node is asked for the state of the Cluster. */
  readonly onAsked: (host: string) => void
  /** None of them answers any more. */
  readonly onUnanswered: () => void
}

const TROUBLED_MS = 500
/** Longest wait for a node's word about the Cluster. */
const ANSWER_MS = 1_000
/** Without trouble. */
const ROUNDS_AT_REST = 20

/**
 * By itself ioredis connects to a node with the first command for it, and refuses all others until
 * that has been answered; the timer by which it would look for a new master outlives the client; and
 * it goes on for ever with nodes of which none answers.
 */
export function equipNodes(cluster: Cluster, dependencies: NodesDependencies): ClusterNodes {
  const { settings, seeds, onTrouble, onAsked, onUnanswered } = dependencies
  const attempts = new Set<Promise<void>>()
  const refusals = new WeakMap<object, RedisPlace>()
  const connect = (node: Redis) => {
    if (node.status !== 'wait') return
    // What fails is heard as an error of the node.
    const attempt = node.connect().catch(() => undefined)
    attempts.add(attempt)
    void attempt.finally(() => attempts.delete(attempt))
  }
  const placeAt = (host: string, port: number): RedisPlace => {
    const isSeed = seeds.some((seed) => seed.host === host && seed.port === port)
    return { kind: isSeed ? 'seed' : 'node', host, port }
  }
  const placeOfNode = ({ options: { host = '', port = 0 } }: Redis) => placeAt(host, port)

  /** What opens it may have changed since the Cluster was first connected to. */
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

  /** On a connection of its own ioredis asks a node for the state of the Cluster. */
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
  // It says that all nodes failed, of which each one's error was heard.
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
    // Before, a node must be left in peace: ioredis has still to ask one for the state of the Cluster.
    if (cluster.status === 'ready') connect(node)
  })

  let isTroubled = false
  let rounds = 0
  /** Whether one of them answers; asked together, for each that hangs would hold up the others. */
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
    // Whatever is wrong with the settings is said when a connection begins.
    await settings.renew().catch(() => undefined)
    for (const node of cluster.nodes()) renew(node)
    const isThere = await isAnswered()
    if (cluster.status !== 'ready') return
    // Whoever is there now is known to the addresses of the URL.
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

/** A Cluster that is down says so, and ioredis keeps it to itself. */
function listenToState(cluster: Cluster, onTrouble: (error: unknown) => void): void {
  type Done = (error: unknown, state?: string) => void
  const check: unknown = Reflect.get(cluster, 'readyCheck')
  if (typeof check !== 'function') throw new TypeError('ioredis is not as it was')
  Reflect.set(cluster, 'readyCheck', (done: Done) => {
    Reflect.apply(check, cluster, [
      (error: unknown, state?: string) => {
        if (error ?? state) onTrouble(error ?? DOWN)
        done(error, state)
      },
    ])
  })
}
