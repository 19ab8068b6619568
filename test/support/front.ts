/** The address by which browsers reach a service: a TCP front that is there before the service, and can be turned to another replica. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface Front {
  readonly url: string
  /** Where new connections go from now on. */
  turnTo(url: string): void
}

interface Teardown {
  teardown(end: () => unknown): void
}

export async function startFront(t: Teardown): Promise<Front> {
  const open = new Set<Socket>()
  let port = 0
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.once('close', () => open.delete(socket))
      // A side that breaks off ends the other; what it means is the test's to see.
      socket.on('error', () => socket.destroy())
    }
    client.pipe(upstream).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    for (const socket of open) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  const { port: own } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${own}`,
    turnTo(url) {
      port = Number(new URL(url).port)
    },
  }
}
