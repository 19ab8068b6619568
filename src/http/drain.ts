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
  /** Resolves when no connection is left, or after so long: those have been idle since, and may be closed. */
  run(longestMs: number): Promise<void>
}

export function createDrain(): Drain {
  const open = new Set<Socket>()
  let isOn = false
  let onEmpty: (() => void) | undefined

  return {
    get isOn() {
      return isOn
    },
    attach(server) {
      server.on('connection', (socket: Socket) => {
        open.add(socket)
        socket.once('close', () => {
          open.delete(socket)
          if (open.size === 0) onEmpty?.()
        })
      })
    },
    async run(longestMs) {
      isOn = true
      if (open.size === 0 || longestMs === 0) return
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, longestMs)
      onEmpty = resolve
      await promise
      clearTimeout(timer)
    },
  }
}
