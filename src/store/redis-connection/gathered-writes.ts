/** Sends the commands of a turn of the event loop in one write: the system call is a large part of the cost of a command. */
import type { Socket } from 'node:net'
import type { Redis } from 'ioredis'

/** Call once for each client, before it connects. */
export function withGatheredWrites(client: Redis): void {
  const send = client.sendCommand.bind(client)
  let gathering: Socket | undefined
  client.sendCommand = (command, stream) => {
    const socket: unknown = Reflect.get(client, 'stream')
    if (isOpen(socket) && socket !== gathering) {
      gathering = socket
      socket.cork()
      setImmediate(() => {
        if (gathering === socket) gathering = undefined
        socket.uncork()
      })
    }
    return send(command, stream)
  }
}

/** ioredis has no stream before it connects. */
const isOpen = (socket: unknown): socket is Socket =>
  typeof socket === 'object' && socket !== null && 'cork' in socket
