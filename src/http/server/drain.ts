/**
 * The last moments of a server: it goes on answering, each answer is the last on its connection, and
 * so nobody sends a request on a connection that is closed at that instant.
 */
import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface Drain {
  /** From now on, each answer has to say `Connection: close`. */
  readonly isOn: boolean
  /** `endAfter` is told of a connection whose answer under way is to be its last. */
  attach(server: Server, endAfter: (socket: Socket) => void): void
  /** What answers the newest request of a connection: it says the same where it has not begun when `run` resolves. */
  answering(socket: Socket, response: ServerResponse): void
  /**
   * Resolves when the connections that there are now have ended, each by an answer; or when none of
   * them has for `quietMs`, for those that are left are idle then; or after `longestMs`. Whatever is
   * open after `cutOffMs` is ended, answered or not: Node waits for a client that said nothing yet, or
   * half of a request, for as long as it likes.
   */
  run(times: DrainTimes): Promise<void>
}

export interface DrainTimes {
  readonly quietMs: number
  readonly longestMs: number
  readonly cutOffMs: number
}

/** `onCutOff` is told how many connections were ended. */
export function createDrain(onCutOff?: (connections: number) => void): Drain {
  const open = new Set<Socket>()
  /** By connection as it is read: inside of TLS, where there is some. */
  const latest = new Map<Socket, ServerResponse | undefined>()
  let endAfter: ((socket: Socket) => void) | undefined
  let isOn = false
  let onEnd: ((socket: Socket) => void) | undefined

  const cutOff = () => {
    if (open.size === 0) return
    onCutOff?.(open.size)
    for (const socket of open) socket.destroy()
  }

  /** They began before this did, and nobody waits any more for what may come behind them. */
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
      // Those that come anew, such as a balancer's checks, are answered and not waited for.
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
