/** The time limits of ioredis, which give a command up, and then its socket, although the answer lies in the socket: after a blocked loop their timers come first. */

import type { Socket } from 'node:net'
import type { Command, Redis } from 'ioredis'

/** Of ioredis's own, by the names under which it clears them. */
const COMMAND_TIMER = '_commandTimeoutTimer'
const SOCKET_TIMER = 'socketTimeoutTimer'

interface Connector {
  connect(...args: readonly unknown[]): Promise<Socket>
}

/** Once for each client, before it connects. */
export function withFairTimeouts(client: Redis): void {
  const send = client.sendCommand.bind(client)
  client.sendCommand = (command, stream) => {
    Reflect.set(command, 'setTimeout', (ms: number) => limit(command as Command, ms))
    return send(command, stream)
  }
  limitSocket(client)
  limitConnecting(client)
}

function limit(command: Command, ms: number): void {
  if (Reflect.get(command, COMMAND_TIMER) !== undefined) return
  const expire = () => {
    if (!command.isSettled) command.reject(new Error('Command timed out'))
  }
  Reflect.set(command, COMMAND_TIMER, fairTimeout(expire, ms))
}

function limitSocket(client: Redis): void {
  methodOf(client, 'setSocketTimeout')
  const wait = () => {
    const { stream } = client
    const ms = client.options.socketTimeout ?? 0
    const isMeant = () => Reflect.get(client, SOCKET_TIMER) === timer
    const timer = fairTimeout(() => {
      if (!isMeant()) return
      Reflect.set(client, SOCKET_TIMER, undefined)
      stream.destroy(new Error(`Socket timeout: nothing came in ${ms} ms`))
    }, ms)
    Reflect.set(client, SOCKET_TIMER, timer)
    // Runs after the listener that takes answered commands off the queue.
    stream.once('data', () => {
      if (!isMeant()) return
      clearTimeout(timer)
      Reflect.set(client, SOCKET_TIMER, undefined)
      if (waitingCommands(client) > 0) wait()
    })
  }
  Reflect.set(client, 'setSocketTimeout', wait)
}

/** Until it is connected, ioredis has a socket tell when its time is over. */
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

/** Private in ioredis, so it may not be there in another version. */
function methodOf(of: unknown, name: string): (...args: readonly unknown[]) => unknown {
  const method: unknown = typeof of === 'object' && of !== null ? Reflect.get(of, name) : undefined
  if (typeof method !== 'function') throw new TypeError('ioredis is not as it was')
  return method as ReturnType<typeof methodOf>
}

function waitingCommands(client: Redis): number {
  const queue: unknown = Reflect.get(client, 'commandQueue')
  const length: unknown =
    typeof queue === 'object' && queue !== null && Reflect.get(queue, 'length')
  if (typeof length !== 'number') throw new TypeError('ioredis is not as it was')
  return length
}

/** A timer that is so late was held up by something that blocked the loop. */
const BLOCKED_MS = 50

/**
 * Calls `expire` when `ms` are over, and never before what has arrived by then was read: the loop
 * runs timers first, and sockets after. Where it was blocked when they were over, the server gets as
 * much time once more. `clearTimeout` clears it; one that is cleared in its last turn still expires,
 * so `expire` has to check whether it is still wanted.
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
