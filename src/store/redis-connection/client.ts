/** An ioredis client for one connection. It never reconnects, so that each new connection uses current settings and addresses. */
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { type NatMap, translated } from './endpoints.ts'
import type { RedisPlace } from './errors.ts'
import { overhear, withHandshake } from './handshake.ts'
import { type ClusterNodes, equipNodes } from './nodes.ts'
import { sentinelConnector } from './sentinels.ts'
import { type RedisSettingsSource, tlsFor } from './settings.ts'
import type { RedisNode, RedisTarget } from './url.ts'

export interface ClientDependencies {
  readonly settings: RedisSettingsSource
  readonly nat: NatMap
  /** Longest wait for an answer, in milliseconds. Then the socket is closed, too. */
  readonly timeoutMs: number
  readonly sentinels: readonly RedisNode[]
  /** Receives all known Sentinels. */
  readonly onSentinels: (sentinels: readonly RedisNode[]) => void
  /** May be called several times for one failure. */
  readonly onTrouble: (error: unknown, place: RedisPlace, command?: string) => void
  /** No node of the Cluster answers, so other connections to them do not work either. */
  readonly onUnanswered: () => void
}

export interface OpenClient {
  readonly client: Redis | Cluster
  /** The server of an error, or the server of commands, as far as known. */
  place(error?: unknown): RedisPlace
  readonly nodes?: ClusterNodes
}

const CONNECT_TIMEOUT_MS = 1_000
const UNKNOWN_MASTER = Object.assign(new Error('No such master'), { code: 'MASTER' })

/** Another client replaces a closed one. */
const never = () => null

export function openClient(dependencies: ClientDependencies): OpenClient {
  const { topology } = dependencies.settings.current().target
  if (topology.kind === 'cluster') return openCluster(dependencies, topology.nodes)
  if (topology.kind === 'sentinel') return openBehindSentinels(dependencies, topology.master)
  const isSocket = topology.kind === 'socket'
  const place: RedisPlace = isSocket
    ? { kind: 'server', host: topology.path }
    : { kind: 'server', ...topology.node }
  const tls = tlsFor(dependencies.settings.current(), place.host)
  const client = new Redis({
    ...singleOptions(dependencies),
    ...(isSocket ? { path: topology.path } : topology.node),
    ...(tls && { tls }),
  })
  return attended(client, dependencies, () => place)
}

function openBehindSentinels(dependencies: ClientDependencies, name: string): OpenClient {
  const { settings, nat, sentinels, onSentinels, onTrouble } = dependencies
  const { tls, sentinelPassword } = settings.current()
  const sentinelAt = (node: RedisNode): RedisPlace => ({ kind: 'sentinel', ...node })
  // Used until a Sentinel names the master.
  let place = sentinelAt(sentinels[0] ?? { host: 'localhost', port: 0 })
  const tlsAt = ({ host }: RedisNode) => tlsFor(settings.current(), host)
  const connector = sentinelConnector({
    optionsFor: (sentinel) => (tls ? { tls: tlsAt(sentinel) } : {}),
    masterOptions: (master) => (tls ? { servername: tlsAt(master)?.servername } : {}),
    onClient: (client, sentinel) =>
      overhear(client, (error, command) => onTrouble(error, sentinelAt(sentinel), command.name)),
    onTrouble: (error, sentinel) => onTrouble(error, sentinelAt(sentinel)),
    onUnknownMaster: (sentinel) => onTrouble(UNKNOWN_MASTER, sentinelAt(sentinel), 'sentinel'),
    onSentinels,
    onMaster: (master) => {
      place = { kind: 'node', ...master }
    },
  })
  const client = new Redis({
    ...singleOptions(dependencies),
    sentinels: [...sentinels],
    name,
    failoverDetector: true,
    Connector: connector,
    natMap: (key: string) => translated(nat, nodeOfKey(key)),
    sentinelRetryStrategy: never,
    sentinelReconnectStrategy: () => CONNECT_TIMEOUT_MS,
    sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
    ...(sentinelPassword && { sentinelPassword: sentinelPassword.reveal() }),
    ...(tls && { tls, enableTLSForSentinelMode: true, sentinelTLS: tls }),
  })
  return attended(client, dependencies, () => place)
}

function openCluster(dependencies: ClientDependencies, seeds: readonly RedisNode[]): OpenClient {
  const { settings, nat, onTrouble } = dependencies
  const { tls, target } = settings.current()
  let asked = seeds[0]?.host ?? ''
  const cluster = new Cluster([...seeds], {
    redisOptions: { ...sharedOptions(dependencies), db: target.database, ...(tls && { tls }) },
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: never,
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
    // A command is not repeated after a lost connection, because it may have been executed.
    retryDelayOnFailover: 0,
    // Fails immediately instead of waiting for a new master.
    retryDelayOnClusterDown: 0,
    // All addresses of a name are tried, and TLS verifies the name.
    dnsLookup: (hostname, callback) => callback(null, hostname),
    // An address without a host means the node that was asked.
    natMap: (key) => translated(nat, nodeOfKey(key, asked)),
  })
  const nodes = equipNodes(cluster, {
    ...{ settings, seeds, onTrouble },
    onUnanswered: dependencies.onUnanswered,
    onAsked: (host) => {
      asked = host
    },
  })
  const seed: RedisPlace = { kind: 'seed', host: asked, port: seeds[0]?.port ?? 0 }
  return { client: cluster, nodes, place: (error) => nodes.placeOf(error) ?? seed }
}

function attended(
  client: Redis,
  { settings, onTrouble }: ClientDependencies,
  place: () => RedisPlace,
): OpenClient {
  client.on('error', (error: unknown) => onTrouble(error, place()))
  withHandshake(client, {
    database: settings.current().target.database,
    mustBePrimary: true,
    onTrouble: (error, command) => onTrouble(error, place(), command),
  })
  return { client, place }
}

/** The first server according to the settings. */
export function firstPlace({ topology }: RedisTarget): RedisPlace {
  if (topology.kind === 'standalone') return { kind: 'server', ...topology.node }
  if (topology.kind === 'socket') return { kind: 'server', host: topology.path }
  const isCluster = topology.kind === 'cluster'
  const [first] = isCluster ? topology.nodes : topology.sentinels
  return { kind: isCluster ? 'seed' : 'sentinel', host: first?.host ?? '', port: first?.port ?? 0 }
}

/** `host:port` in ioredis's form; IPv6 without brackets. */
function nodeOfKey(key: string, otherwise = ''): RedisNode {
  const end = key.lastIndexOf(':')
  return { host: key.slice(0, end) || otherwise, port: Number(key.slice(end + 1)) }
}

const singleOptions = (dependencies: ClientDependencies) =>
  ({
    ...sharedOptions(dependencies),
    lazyConnect: true,
    enableOfflineQueue: false,
    retryStrategy: never,
    db: dependencies.settings.current().target.database,
  }) satisfies RedisOptions

function sharedOptions({ settings, timeoutMs }: ClientDependencies) {
  const { username, password } = settings.current().target
  return {
    connectionName: 'valetkey',
    commandTimeout: timeoutMs,
    // The command times out first, for a better error; then the socket, which a hung server would
    // keep open.
    socketTimeout: timeoutMs + 100,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: CONNECT_TIMEOUT_MS,
    keepAlive: 1_000,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    disableClientInfo: true,
    protocol: 2 as const,
    // Disconnects from a former master. The caller decides whether to repeat.
    reconnectOnError: (error: Error) =>
      error.message.startsWith('READONLY') ? (1 as const) : false,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password: password.reveal() }),
  } satisfies RedisOptions
}
