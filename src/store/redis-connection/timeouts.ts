/** Replaces ioredis's time-outs, which fail commands whose answers are already in the socket: after a blocked loop its timers run first. */

import type { Socket } from 'node:net'
import type { Command, Redis } from 'ioredis'

/** Member names of ioredis under which it clears its timers. */
const COMMAND_TIMER = '_commandTimeoutTimer'
const SOCKET_TIMER = 'socketTimeoutTimer'

interface Connector {
  connect(...args: readonly unknown[]): Promise<Socket>
}

/** Call once for each client, before it connects. A blocking XREAD adds its wait to the time of all commands that wait for it. */
export function withFairTimeouts(client: Redis): void {
  let blockedUntil = 0
  const blockedMs = () => Math.max(0, blockedUntil - performance.now())
  const send = client.sendCommand.bind(client)
  client.sendCommand = (command, stream) => {
    const blockMs = blockOf(command)
    if (blockMs > 0) {
      blockedUntil = performance.now() + blockMs
      const unblock = () => {
        blockedUntil = 0
      }
      command.promise.then(unblock, unblock)
    }
    Reflect.set(command, 'setTimeout', (ms: number) =>
      limit(command as Command, ms + Math.ceil(blockedMs())),
    )
    return send(command, stream)
  }
  limitSocket(client, blockedMs)
  limitConnecting(client)
}

/** For how long the server may wait before it answers, in milliseconds. */
function blockOf({ name, args }: { name: string; args: readonly unknown[] }): number {
  if (name.toLowerCase() !== 'xread') return 0
  const ms = Number(args[args.indexOf('BLOCK') + 1])
  return args.includes('BLOCK') && Number.isFinite(ms) ? ms : 0
}

function limit(command: Command, ms: number): void {
  if (Reflect.get(command, COMMAND_TIMER) !== undefined) return
  const expire = () => {
    if (!command.isSettled) command.reject(new Error('Command timed out'))
  }
  Reflect.set(command, COMMAND_TIMER, fairTimeout(expire, ms))
}

function limitSocket(client: Redis, blockedMs: () => number): void {
  methodOf(client, 'setSocketTimeout')
  const wait = () => {
    const { stream } = client
    const ms = (client.options.socketTimeout ?? 0) + Math.ceil(blockedMs())
    const isMeant = () => Reflect.get(client, SOCKET_TIMER) === timer
    const timer = fairTimeout(() => {
      if (!isMeant()) return
      Reflect.set(client, SOCKET_TIMER, undefined)
      stream.destroy(new Error(`Socket timeout: nothing came in ${ms} ms`))
    }, ms)
    Reflect.set(client, SOCKET_TIMER, timer)
    // Runs after the listener that removes answered commands from the queue.
    stream.once('data', () => {
      if (!isMeant()) return
      clearTimeout(timer)
      Reflect.set(client, SOCKET_TIMER, undefined)
      if (waitingCommands(client) > 0) wait()
    })
  }
  Reflect.set(client, 'setSocketTimeout', wait)
}

/** Until it is connected, ioredis uses the time-out of the socket. */
function limitConnecting(client: Redis): void {
  const connector: unknown = Reflect.get(client, 'connector')
  const connect = methodOf(connector, 'connect') as Connector['connect']
  Reflect.set(connector as object, 'connect', async (...args: readonly unknown[]) => {
    const socket: Socket = await Reflect.apply(connect, connector, args)
    let timer: NodeJS.Timeout | undefined
    Reflect.set(socket, 'setTimeout', (ms: number, expire?: () => void) => {
      clearTimeout(timer)
      timer = ms > 0 && expire ? fairTimeout(expire, ms) : undefined
      return socket
    })
    return socket
  })
}

/** A private method of ioredis, which another version may lack. */
function methodOf(of: unknown, name: string): (...args: readonly unknown[]) => unknown {
  const method: unknown = typeof of === 'object' && of !== null ? Reflect.get(of, name) : undefined
  if (typeof method !== 'function') throw new TypeError('ioredis has changed its internals')
  return method as ReturnType<typeof methodOf>
}

function waitingCommands(client: Redis): number {
  const queue: unknown = Reflect.get(client, 'commandQueue')
  const length: unknown =
    typeof queue === 'object' && queue !== null && Reflect.get(queue, 'length')
  if (typeof length !== 'number') throw new TypeError('ioredis has changed its internals')
  return length
}

/** A timer with this delay shows that the loop was blocked. */
const BLOCKED_MS = 50

/**
 * Calls `expire` after `ms`, but only after data that arrived until then was read: the loop runs
 * timers before sockets. After a blocked loop, the server gets the same time again. `clearTimeout`
 * cancels it, except in its last iteration, so `expire` must check whether it is still wanted.
 */
function fairTimeout(expire: () => void, ms: number): NodeJS.Timeout {
  const dueAt = performance.now() + ms
  let wasBlocked = false
  const timer = setTimeout(() => {
    if (!wasBlocked && performance.now() - dueAt > BLOCKED_MS) {
      wasBlocked = true
      timer.refresh()
    } else setImmediate(expire)
  }, ms)
  return timer
}
