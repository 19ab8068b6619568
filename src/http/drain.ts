/**
 * The last moments of a server: it goes on answering, each answer is the last on its connection, and
 * so nobody sends a request on a connection that is closed at that instant.
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'

export interface Drain {
  /** From now on, each answer has to say `Connection: close`. */
  readonly isOn: boolean
  attach(server: Server): void
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
  let isOn = false
  let onEnd: ((socket: Socket) => void) | undefined

  const cutOff = () => {
    if (open.size === 0) return
    onCutOff?.(open.size)
    for (const socket of open) socket.destroy()
  }

  return {
    get isOn() {
      return isOn
    },
    attach(server) {
      server.on('connection', (socket: Socket) => {
        open.add(socket)
        socket.once('close', () => {
          open.delete(socket)
          onEnd?.(socket)
        })
      })
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
    },
  }
}
