import type { Cluster, Redis } from 'ioredis'
import { BrokerError } from '../../errors/errors.ts'
import { waitFor } from '../../runtime/timeout.ts'
import { type Argument, runScript, type Script } from '../redis/calls.ts'
import { type ClientDependencies, firstPlace, type OpenClient, openClient } from './client.ts'
import { type ConnectionRole, codeOf, type RedisTrouble, storeUnavailable } from './errors.ts'
import { rightsTrouble } from './rights.ts'
import { OtherKindError } from './settings.ts'
import type { RedisTroubles } from './troubles.ts'
import type { RedisNode } from './url.ts'

/** Events for logs and metrics, without secrets. */
export type RedisEvent =
  | { readonly type: 'ready' | 'closed'; readonly connection: ConnectionRole }
  /** At most once in 30 seconds for each failure of each server. */
  | { readonly type: 'error'; readonly connection: ConnectionRole; readonly error: RedisTrouble }
  /** The server may evict keys when its memory is full. Only `noeviction` keeps acknowledged data. */
  | { readonly type: 'eviction_policy'; readonly policy: string }
  /** The policy is unknown: the user may not run INFO, or the server lacks it. */
  | { readonly type: 'eviction_unknown' }

export interface ConnectionDependencies {
  readonly client: Pick<ClientDependencies, 'settings' | 'nat' | 'timeoutMs' | 'onUnanswered'>
  readonly role: ConnectionRole
  readonly troubles: RedisTroubles
  /** Four unused keys for testing commands. */
  readonly probeKeys: readonly string[]
  readonly random: () => number
  readonly onEvent: (event: RedisEvent) => void
}

export interface ScriptCall {
  readonly script: Script
  readonly keys: readonly string[]
  readonly args: readonly Argument[]
}

export type ScriptResult = { readonly answer: unknown } | { readonly error: BrokerError }

/** A connection to Redis or a Cluster. It reconnects forever, fails fast while it is disconnected, and never repeats a command. */
export interface RedisConnection {
  run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown>
  call(command: string, ...args: Argument[]): Promise<unknown>
  /** Runs scripts and one WAIT on the same connection. Returns the results and the number of replicas that confirmed. Throws `store_unavailable` if WAIT fails. */
  runAndWait(
    calls: readonly ScriptCall[],
    wait: { readonly replicas: number; readonly timeoutMs: number },
  ): Promise<{ readonly results: readonly ScriptResult[]; readonly confirmed: number }>
  /** Resolves after the first connection attempt succeeded or failed, or after a short time-out. Never rejects. */
  readonly attempted: Promise<void>
  wasReady(): boolean
  /** Another connection found no answering node of the Cluster: checks this one immediately. */
  doubt(): void
  close(): Promise<void>
}

/** Time limit of a connection attempt, in addition to the library's limits. */
const STALLED_MS = 10_000
/** A connection of this duration counts as successful. */
const STEADY_MS = 1_000
/** Longest wait for the first connection at the start. */
const FIRST_MS = 3_000

/** Milliseconds before the next attempt: 40 to 500, plus up to 50 of jitter. */
function reconnectDelayMs(attempt: number, random: () => number): number {
  return Math.min(20 * 2 ** Math.min(attempt, 5), 500) + Math.floor(random() * 50)
}

export function createRedisConnection(dependencies: ConnectionDependencies): RedisConnection {
  const { role, troubles, random, onEvent, probeKeys } = dependencies
  const { settings, timeoutMs } = dependencies.client
  const closing = new AbortController()
  const { promise: first, resolve: firstIsOver } = Promise.withResolvers<void>()
  /** Clients whose user may run all necessary commands. */
  const proven = new WeakSet<object>()
  let wasReady = false
  let learned: readonly RedisNode[] = []
  let open: OpenClient | undefined

  const isClosing = () => closing.signal.aborted

  /** Runs one connection until it ends. Returns how many milliseconds it was ready. */
  const live = (attempt: number) =>
    new Promise<number>((resolve) => {
      let isReady = false
      let readyAt = 0
      let hasEnded = false
      let hasTrouble = false
      const current = openClient({
        ...dependencies.client,
        sentinels: sentinelsFor(attempt),
        onSentinels(sentinels) {
          learned = sentinels
        },
        onTrouble(error, place, command) {
          if (hasEnded || isClosing()) return
          hasTrouble = true
          troubles.note(error, {
            ...{ role, place, isConnecting: !isReady },
            ...(command !== undefined && { command }),
          })
        },
      })
      open = current
      const { client, nodes } = current
      const end = () => {
        if (hasEnded) return
        hasEnded = true
        clearTimeout(stalled)
        closing.signal.removeEventListener('abort', end)
        nodes?.leave()
        client.disconnect()
        if (isReady && !isClosing()) onEvent({ type: 'closed', connection: role })
        if (!(isReady || hasTrouble || isClosing())) {
          troubles.note(CLOSED, { role, place: current.place(), isConnecting: true })
        }
        firstIsOver()
        resolve(isReady ? performance.now() - readyAt : 0)
      }
      const stalled = setTimeout(end, STALLED_MS).unref()
      const begin = () => {
        if (hasEnded) return
        isReady = true
        wasReady = true
        proven.add(client)
        readyAt = performance.now()
        clearTimeout(stalled)
        troubles.over(role)
        onEvent({ type: 'ready', connection: role })
        void Promise.resolve(nodes?.attempted()).then(firstIsOver)
      }
      client.once('ready', () => {
        void rightsTrouble(client, probeKeys, current.place()).then((trouble) => {
          if (hasEnded || isClosing()) return
          if (trouble === undefined) return begin()
          hasTrouble = true
          troubles.add(trouble, role)
          end()
        })
      })
      client.once('end', end)
      closing.signal.addEventListener('abort', end, { once: true })
      // A failed connect also emits `error` and `end`.
      client.connect().catch(() => undefined)
    })

  const run = async () => {
    for (let attempt = 1; !isClosing(); attempt += 1) {
      await renew()
      if (isClosing()) return
      // A connection that closes immediately, as to a read replica, is not successful.
      if ((await live(attempt)) >= STEADY_MS) attempt = 0
      if (isClosing()) return
      await new Promise<void>((resolve) => {
        setTimeout(resolve, reconnectDelayMs(Math.max(attempt, 1), random)).unref()
      })
    }
  }

  /** If a password cannot be read, the known one may still be valid. */
  const renew = async () => {
    try {
      await settings.renew()
    } catch (error) {
      const { code } = codeOf(error instanceof Error ? (error.cause ?? error) : error)
      const place = firstPlace(settings.current().target)
      const cause = error instanceof OtherKindError ? 'settings_other_kind' : 'settings_unreadable'
      troubles.add({ name: 'Settings', code, cause, place }, role)
    }
  }

  /** The configured Sentinels and those that they named. After a failure, starts with another one. */
  const sentinelsFor = (attempt: number): readonly RedisNode[] => {
    const { topology } = settings.current().target
    if (topology.kind !== 'sentinel') return []
    const named = [...topology.sentinels, ...learned]
    const known = [...new Map(named.map((node) => [`${node.host}:${node.port}`, node])).values()]
    const at = (attempt - 1) % known.length
    return [...known.slice(at), ...known.slice(0, at)]
  }
  void run()

  /** Calls `send` inside `try`, because ioredis throws some errors synchronously. */
  async function answer<T>(
    operation: string,
    send: (client: Redis | Cluster) => Promise<T>,
  ): Promise<T> {
    // A pipeline on a Cluster that was never connected would wait forever.
    if (open?.client.status !== 'ready' || !proven.has(open.client)) {
      open?.nodes?.troubled()
      throw storeUnavailable(operation, troubles.latest(role) ?? away())
    }
    const { client, nodes, place } = open
    try {
      return await send(client)
    } catch (error) {
      nodes?.troubled()
      if (error instanceof BrokerError) throw error
      throw failed(error, operation, place(error))
    }
  }

  const failed = (error: unknown, operation: string, place = open?.place(error)) => {
    const trouble =
      isClosing() || !place ? away() : troubles.note(error, { role, place, command: operation })
    return storeUnavailable(operation, trouble)
  }

  const away = (): RedisTrouble => ({
    ...{ name: 'Error', code: 'CLOSED', cause: 'closed' },
    place: open?.place() ?? firstPlace(settings.current().target),
  })

  return {
    attempted: waitFor(first, { ms: FIRST_MS, late: () => undefined }),
    run(script, keys, args) {
      return answer(script.name, (client) => runScript(client, script, keys, args))
    },
    call(command, ...args) {
      return answer(command, (client) => client.call(command, ...args))
    },
    runAndWait(calls, wait) {
      // Sends scripts in full: with a digest, a missing script would be repeated after WAIT.
      const commands = calls.map(({ script: { lua }, keys, args }) => [
        ...['eval', lua, keys.length, ...keys, ...args],
      ])
      commands.push(['wait', wait.replicas, wait.timeoutMs])
      return answer('wait', async (client) => {
        const replies = (await client.pipeline(commands).exec()) ?? []
        const [error, confirmed] = replies.at(-1) ?? []
        if (error) throw error
        const results = calls.map(({ script }, at): ScriptResult => {
          const [fault, reply] = replies[at] ?? []
          if (!fault) return { answer: reply }
          // A node that is no longer the master may have answered WAIT: ioredis then ignores MOVED.
          open?.nodes?.troubled()
          return { error: failed(fault, script.name) }
        })
        return { results, confirmed: Number(confirmed) }
      })
    },
    wasReady: () => wasReady,
    doubt() {
      open?.nodes?.doubt()
    },
    async close() {
      const client = open?.client
      if (client?.status === 'ready' && role !== 'waits') {
        // QUIT completes after all earlier commands; a hung server is not waited for.
        const quit = client.quit().catch(codeOf)
        await waitFor<unknown>(quit, { ms: timeoutMs, late: () => undefined })
      }
      closing.abort()
    },
  }
}

const CLOSED = new Error('The connection was closed')
