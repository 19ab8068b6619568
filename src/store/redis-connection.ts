import type { ConnectionOptions } from 'node:tls'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import type { Secret } from '../crypto/secret.ts'
import { BrokerError } from '../errors.ts'
import { type RedisTrouble, redisTrouble, storeUnavailable } from './redis-errors.ts'
import { attendNodes } from './redis-nodes.ts'
import { sentinelConnector } from './redis-sentinels.ts'
import type { RedisTarget } from './redis-url.ts'

/** A Lua script with the name that it has in errors. */
export interface Script {
  readonly name: string
  readonly lua: string
}

export type Argument = string | number

/** What each of the connections is for. */
export type ConnectionRole = 'commands' | 'changes' | 'durable'

/** What happens to a connection; for logs and metrics. Holds nothing secret. */
export type RedisEvent =
  | { readonly type: 'ready' | 'closed'; readonly connection: ConnectionRole }
  | { readonly type: 'error'; readonly connection: ConnectionRole; readonly error: RedisTrouble }
  /** The server may drop keys when its memory is full: only `noeviction` keeps what was acknowledged. */
  | { readonly type: 'eviction_policy'; readonly policy: string }

export interface ConnectionDependencies {
  readonly target: RedisTarget
  readonly role: ConnectionRole
  readonly sentinelPassword?: Secret
  /** PEM. */
  readonly ca?: string
  /** Longest wait for an answer, in milliseconds; then the socket is given up too. */
  readonly timeoutMs: number
  readonly random: () => number
  readonly onEvent: (event: RedisEvent) => void
}

/** One connection to Redis (or to a Cluster) that reconnects for ever, fails fast while it is down, and never sends anything twice. */
export interface RedisConnection {
  /** One script; throws `store_unavailable`. */
  run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown>
  /** One command; throws `store_unavailable`. */
  call(command: string, ...args: Argument[]): Promise<unknown>
  /** A command and then a script, in one round trip. Gives the script's answer. */
  callAndRun(
    command: readonly [string, ...Argument[]],
    script: Script,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<unknown>
  /** A script, and WAIT for its effects on the same connection: gives its answer and how many replicas have it. */
  runAndWait(
    script: Script,
    keys: readonly string[],
    args: readonly Argument[],
    wait: { readonly replicas: number; readonly timeoutMs: number },
  ): Promise<{ readonly answer: unknown; readonly confirmed: number }>
  /** Settles when the first attempt to connect has come to something, good or bad; never rejects. */
  readonly attempted: Promise<void>
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 1_000

/** Milliseconds before the next attempt to connect: 40 to 500, and up to 50 of jitter. */
export function reconnectDelayMs(attempt: number, random: () => number): number {
  return Math.min(20 * 2 ** Math.min(attempt, 5), 500) + Math.floor(random() * 50)
}

export function createRedisConnection(dependencies: ConnectionDependencies): RedisConnection {
  const { role, onEvent, timeoutMs } = dependencies
  let told = new Set<string>()
  let closing = false

  /** Each kind of trouble once, until there is a connection again: it is tried several times a second. */
  const tell = (error: RedisTrouble) => {
    const kind = `${error.name} ${error.code}`
    if (closing || told.has(kind)) return
    told.add(kind)
    onEvent({ type: 'error', connection: role, error })
  }
  const client = createClient(dependencies, (error) =>
    tell({ ...redisTrouble(error), name: 'Sentinel' }),
  )
  const nodes = client instanceof Cluster ? attendNodes(client) : undefined
  const defined = new Set<string>()

  const first = new Promise<void>((resolve) => {
    client.once('ready', () => resolve())
    client.once('error', () => resolve())
    client.once('close', () => resolve())
  })
  const attempted = first.then(() => nodes?.attempted())
  client.on('ready', () => {
    told = new Set()
    onEvent({ type: 'ready', connection: role })
  })
  client.on('close', () => {
    if (!closing) onEvent({ type: 'closed', connection: role })
  })
  client.on('error', (error: unknown) => tell(redisTrouble(error)))
  // ioredis gives up for ever when it hears of a failover while it asks the Sentinels.
  client.on('end', () => {
    const again = () => {
      if (!closing) client.connect().catch(() => undefined)
    }
    if (!closing) setTimeout(again, reconnectDelayMs(1, dependencies.random)).unref()
  })
  // A failing first attempt has been an `error` event, and the next one is on its way.
  client.connect().catch(() => undefined)

  function define(script: Script): void {
    if (defined.has(script.name)) return
    defined.add(script.name)
    client.defineCommand(script.name, { lua: script.lua })
  }

  /** `send` runs in a `try` of its own: ioredis throws some errors at once. */
  async function answer<T>(operation: string, send: () => Promise<T>): Promise<T> {
    try {
      // A pipeline would wait for a Cluster that it has never seen, without an end.
      if (client.status !== 'ready') throw new Error("The connection isn't ready")
      return await send()
    } catch (error) {
      nodes?.troubled()
      throw error instanceof BrokerError ? error : storeUnavailable(operation, error)
    }
  }

  /** In order on one socket, so that what follows a script sees its effects. */
  async function pipelined(operation: string, commands: Argument[][]): Promise<unknown[]> {
    const results = await client.pipeline(commands).exec()
    return (results ?? []).map(([error, result]) => {
      if (error !== null) throw storeUnavailable(operation, error)
      return result
    })
  }

  return {
    attempted,
    run(script, keys, args) {
      define(script)
      return answer(script.name, () => custom(client, script)(keys.length, ...keys, ...args))
    },
    call(command, ...args) {
      return answer(command, () => client.call(command, ...args))
    },
    callAndRun(command, script, keys, args) {
      define(script)
      const commands = [[...command], [script.name, keys.length, ...keys, ...args]]
      return answer(script.name, async () => (await pipelined(script.name, commands))[1])
    },
    runAndWait(script, keys, args, wait) {
      // In full: a server that has forgotten a script would get it again, but behind WAIT.
      const commands = [
        ['eval', script.lua, keys.length, ...keys, ...args],
        ['wait', wait.replicas, wait.timeoutMs],
      ]
      return answer(script.name, async () => {
        const [scripted, confirmed] = await pipelined(script.name, commands)
        return { answer: scripted, confirmed: Number(confirmed) }
      })
    },
    async close() {
      closing = true
      nodes?.leave()
      if (client.status === 'ready' && role !== 'changes') {
        // QUIT answers after everything sent before it; a server that does not answer is left behind.
        const quit = client.quit().catch(redisTrouble)
        await Promise.race([quit, new Promise((resolve) => setTimeout(resolve, timeoutMs).unref())])
      }
      client.disconnect()
    },
  }
}

/** ioredis adds a method for each defined script, which its types cannot know. */
function custom(
  client: Redis | Cluster,
  script: Script,
): (...args: Argument[]) => Promise<unknown> {
  const method: unknown = Reflect.get(client, script.name)
  if (typeof method !== 'function') throw new TypeError(`The script ${script.name} is not defined`)
  return (...args) => Reflect.apply(method, client, args)
}

function createClient(
  dependencies: ConnectionDependencies,
  onSentinelTrouble: (error: unknown) => void,
): Redis | Cluster {
  const { target, timeoutMs, random, ca } = dependencies
  const { topology, username, password } = target
  const tls: ConnectionOptions | undefined = target.tls
    ? { ...(ca !== undefined && { ca }) }
    : undefined
  const retryStrategy = (attempt: number) => reconnectDelayMs(attempt, random)
  const shared = {
    connectionName: 'valetkey',
    commandTimeout: timeoutMs,
    // The command gives up first, so that its error says what happened; then the socket, which a
    // hung server would keep open for ever.
    socketTimeout: timeoutMs + 100,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: CONNECT_TIMEOUT_MS,
    keepAlive: 1_000,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    maxLoadingRetryTime: 1_000,
    disableClientInfo: true,
    protocol: 2 as const,
    // A replica that was the master: leave it, and let the caller decide what to send again.
    reconnectOnError: (error: Error) =>
      error.message.startsWith('READONLY') ? (1 as const) : false,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password: password.reveal() }),
    ...(tls !== undefined && { tls }),
  } satisfies RedisOptions
  if (topology.kind === 'cluster') {
    return new Cluster([...topology.nodes], {
      redisOptions: shared,
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: retryStrategy,
      clusterNodeRetryStrategy: retryStrategy,
      slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
      // Never again by itself after a lost connection: it may have been done.
      retryDelayOnFailover: 0,
      // Whoever asks is told, and need not wait until there is a new master.
      retryDelayOnClusterDown: 0,
      // With TLS the certificate is for the name, not for the address behind it.
      ...(tls !== undefined && {
        dnsLookup: (hostname, callback) => callback(null, hostname),
      }),
    })
  }
  const single = {
    ...shared,
    lazyConnect: true,
    enableOfflineQueue: false,
    retryStrategy,
    db: target.database,
  } satisfies RedisOptions
  if (topology.kind === 'standalone') return new Redis({ ...single, ...topology.node })
  return new Redis({
    ...single,
    sentinels: [...topology.sentinels],
    name: topology.master,
    failoverDetector: true,
    Connector: sentinelConnector(onSentinelTrouble),
    sentinelRetryStrategy: retryStrategy,
    sentinelReconnectStrategy: retryStrategy,
    sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
    ...(dependencies.sentinelPassword !== undefined && {
      sentinelPassword: dependencies.sentinelPassword.reveal(),
    }),
    ...(tls !== undefined && { enableTLSForSentinelMode: true, sentinelTLS: tls }),
  })
}
