/** TLS in front of a broker, as an ingress has it. Each front is one address for the broker. */
import { once } from 'node:events'
import { request } from 'node:http'
import { createServer } from 'node:https'
import type { Issued } from '../support/authority.ts'

interface Received {
  readonly method: string
  readonly url: string
}

export interface DoorFront {
  readonly url: string
  /** Oldest first. */
  readonly received: readonly Received[]
}

interface Teardown {
  teardown(end: () => unknown): void
}

let addresses = 0

/** Ends with the test. */
export async function startDoorFront(
  t: Teardown,
  brokerUrl: string,
  tls: Issued,
): Promise<DoorFront> {
  addresses += 1
  const address = `198.51.${addresses >> 8}.${addresses & 255}`
  const received: Received[] = []
  const server = createServer({ cert: tls.cert, key: tls.key }, (incoming, answer) => {
    const { method = '', url = '', headers } = incoming
    received.push({ method, url })
    const sent = request(`${brokerUrl}${url}`, {
      method,
      headers: { ...headers, 'x-forwarded-for': address },
    })
    sent.on('error', () => answer.destroy())
    sent.on('response', (response) => {
      answer.writeHead(response.statusCode ?? 0, response.rawHeaders)
      response.pipe(answer)
    })
    incoming.pipe(sent)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  t.teardown(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return { url: `https://127.0.0.1:${port}`, received }
}
