/** A CONNECT proxy that leads every tunnel to one port, so that real names lead to a server of a test. */
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

export interface TunnelProxy {
  readonly url: string
  /** `host:port` of every tunnel so far. */
  readonly targets: readonly string[]
}

interface Teardown {
  teardown(end: () => unknown): void
}

/** Ends with the test. */
export async function tunnelProxy(t: Teardown, port: number): Promise<TunnelProxy> {
  const targets: string[] = []
  const sockets = new Set<Socket>()
  const proxy = createServer()
  proxy.on('connect', (request, client: Socket) => {
    targets.push(request.url ?? '')
    const upstream = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      upstream.pipe(client).pipe(upstream)
    })
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
    }
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => proxy.close(resolve))
  })
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, targets }
}
