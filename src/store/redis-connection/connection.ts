import type { Cluster, Redis } from 'ioredis'
import { BrokerError } from '../../errors/errors.ts'
import { waitFor } from '../../runtime/timeout.ts'
import { type Argument, defineScript, pipelined, runScript, type Script } from '../redis/calls.ts'
import { type ClientDependencies, firstPlace, type OpenClient, openClient } from './client.ts'
import { type ConnectionRole, codeOf, type RedisTrouble, storeUnavailable } from './errors.ts'
import { rightsTrouble } from './rights.ts'
import { OtherKindError } from './settings.ts'
import type { RedisTroubles } from './troubles.ts'
import type { RedisNode } from './url.ts'

/** What happens to a connection; for logs and metrics. Holds nothing secret. */
export type RedisEvent =
  | { readonly type: 'ready' | 'closed'; readonly connection: ConnectionRole }
  /** Of each server each trouble at most once in 30 seconds. */
  | { readonly type: 'error'; readonly connection: ConnectionRole; readonly error: RedisTrouble }
  /** The server may drop keys when its memory is full: only `noeviction` keeps what was acknowledged. */
  | { readonly type: 'eviction_policy'; readonly policy: string }
  /** That cannot be known: this user may not run INFO, or the server has none. */
  | { readonly type: 'eviction_unknown' }

export interface ConnectionDependencies
  extends Pick<ClientDependencies, 'settings' | 'nat' | 'timeoutMs' | 'onUnanswered'> {
  readonly role: ConnectionRole
  readonly troubles: RedisTroubles
  /** Four keys that hold nothing, for trying the commands. */
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
  /** Scripts, and one WAIT for the effects of all on the same connection: what came of each, and how many replicas have them. Throws `store_unavailable` where WAIT was not answered. */
  runAndWait(
    calls: readonly ScriptCall[],
    wait: { readonly replicas: number; readonly timeoutMs: number },
  ): Promise<{ readonly results: readonly ScriptResult[]; readonly confirmed: number }>
  /** Settles when the first attempt to connect has come to something, good or bad, and soon in any case; never rejects. */
  readonly attempted: Promise<void>
  wasReady(): boolean
  /** Another connection found that no node of the Cluster answers: looks at once whether that is so here. */
  doubt(): void
  close(): Promise<void>
}

/** Longest that an attempt to connect may take, whatever the library waits for. */
const STALLED_MS = 10_000
/** A connection that lasted so long worked. */
const STEADY_MS = 1_000
/** Longest that a start waits for the first one. */
const FIRST_MS = 3_000

/** Milliseconds before the next attempt to connect: 40 to 500, and up to 50 of jitter. */
export function reconnectDelayMs(attempt: number, random: () => number): number {
  return Math.min(20 * 2 ** Math.min(attempt, 5), 500) + Math.floor(random() * 50)
}

export function createRedisConnection(dependencies: ConnectionDependencies): RedisConnection {
  const { role, settings, troubles, random, onEvent, timeoutMs, probeKeys } = dependencies
  const closing = new AbortController()
  const { promise: first, resolve: firstIsOver } = Promise.withResolvers<void>()
  /** Of those that are ready, the ones whose user may run all that is needed. */
  const proven = new WeakSet<object>()
  let wasReady = false
  let learned: readonly RedisNode[] = []
  let open: OpenClient | undefined

  const isClosing = () => closing.signal.aborted

  /** From one connection to its end. Gives for how many milliseconds it was ready. */
  const live = (attempt: number) =>
    new Promise<number>((resolve) => {
      let isReady = false
      let readyAt = 0
      let hasEnded = false
      let hasTrouble = false
      const current = openClient({
        ...dependencies,
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
      // What fails is an `error`, and then the end.
      client.connect().catch(() => undefined)
    })

  const run = async () => {
    for (let attempt = 1; !isClosing(); attempt += 1) {
      await renew()
      if (isClosing()) return
      // One that is left again at once, as a read replica is, is no success.
      if ((await live(attempt)) >= STEADY_MS) attempt = 0
      if (isClosing()) return
      await new Promise<void>((resolve) => {
        setTimeout(resolve, reconnectDelayMs(Math.max(attempt, 1), random)).unref()
      })
    }
  }

  /** A password that cannot be read now may be the one that is known. */
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

  /** Those of the URL and those that they named; after a failure another one is asked first. */
  const sentinelsFor = (attempt: number): readonly RedisNode[] => {
    const { topology } = settings.current().target
    if (topology.kind !== 'sentinel') return []
    const named = [...topology.sentinels, ...learned]
    const known = [...new Map(named.map((node) => [`${node.host}:${node.port}`, node])).values()]
    const at = (attempt - 1) % known.length
    return [...known.slice(at), ...known.slice(0, at)]
  }
  void run()

  /** `send` runs in a `try` of its own: ioredis throws some errors at once. */
  async function answer<T>(
    operation: string,
    send: (client: Redis | Cluster) => Promise<T>,
  ): Promise<T> {
    // A pipeline would wait for a Cluster that it has never seen, without an end.
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
    callAndRun(command, script, keys, args) {
      const commands = [[...command], [script.name, keys.length, ...keys, ...args]]
      return answer(script.name, async (client) => {
        defineScript(client, script)
        return (await pipelined(client, commands))[1]
      })
    },
    runAndWait(calls, wait) {
      // In full: a server that has forgotten a script would get it again, but behind WAIT.
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
          // WAIT was answered, by a node that may not be the one any more: ioredis follows no MOVED then.
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
      if (client?.status === 'ready' && role !== 'changes') {
        // QUIT answers after everything sent before it; a server that does not answer is left behind.
        const quit = client.quit().catch(codeOf)
        await waitFor<unknown>(quit, { ms: timeoutMs, late: () => undefined })
      }
      closing.abort()
    },
  }
}

const CLOSED = new Error('The connection was closed')
