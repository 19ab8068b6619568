/**
 * Shuts a server down gracefully. It continues to answer, and each answer is the last on its
 * connection, so that no request is lost to a closing connection.
 */
import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface Drain {
  /** From now on, each answer must have `Connection: close`. */
  readonly isOn: boolean
  /** Calls `endAfter` for a connection whose current answer is its last. */
  attach(server: Server, endAfter: (socket: Socket) => void): void
  /** Registers the answer to the newest request of a connection. It also closes the connection if it has not begun when `run` resolves. */
  answering(socket: Socket, response: ServerResponse): void
  /**
   * Resolves when all current connections have ended after an answer, when none has ended for
   * `quietMs` (the rest is idle), or after `longestMs`. After `cutOffMs` it closes the remaining
   * connections, because Node would wait forever for a client that sent nothing or half of a
   * request.
   */
  run(times: DrainTimes): Promise<void>
}

export interface DrainTimes {
  readonly quietMs: number
  readonly longestMs: number
  readonly cutOffMs: number
}

/** `onCutOff` receives the number of closed connections. */
export function createDrain(onCutOff?: (connections: number) => void): Drain {
  const open = new Set<Socket>()
  /** Keyed by the connection inside TLS, if TLS is used. */
  const latest = new Map<Socket, ServerResponse | undefined>()
  let endAfter: ((socket: Socket) => void) | undefined
  let isOn = false
  let onEnd: ((socket: Socket) => void) | undefined

  const cutOff = () => {
    if (open.size === 0) return
    onCutOff?.(open.size)
    for (const socket of open) socket.destroy()
  }

  /** These answers began before the drain. Their connections end after them. */
  const endUnderWay = () => {
    for (const [socket, response] of latest) {
      if (!response || response.headersSent) continue
      response.setHeader('connection', 'close')
      endAfter?.(socket)
    }
  }

  return {
    get isOn() {
      return isOn
    },
    attach(server, onLast) {
      endAfter = onLast
      const read = (socket: Socket) => {
        latest.set(socket, undefined)
        socket.once('close', () => latest.delete(socket))
      }
      server.on('connection', read)
      server.on('secureConnection', read)
      server.on('connection', (socket: Socket) => {
        open.add(socket)
        socket.once('close', () => {
          open.delete(socket)
          onEnd?.(socket)
        })
      })
    },
    answering(socket, response) {
      if (latest.has(socket)) latest.set(socket, response)
    },
    async run({ quietMs, longestMs, cutOffMs }) {
      isOn = true
      setTimeout(cutOff, cutOffMs).unref()
      // New connections, such as health checks of a load balancer, are answered but not waited for.
      const kept = new Set(open)
      if (kept.size === 0) return
      const { promise, resolve } = Promise.withResolvers<void>()
      const quiet = setTimeout(resolve, quietMs)
      const longest = setTimeout(resolve, longestMs)
      onEnd = (socket) => {
        if (!kept.delete(socket)) return
        quiet.refresh()
        if (kept.size === 0) resolve()
      }
      await promise
      onEnd = undefined
      clearTimeout(quiet)
      clearTimeout(longest)
      endUnderWay()
    },
  }
}
