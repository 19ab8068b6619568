/** A proxy between a broker and the simulator that does something to each request before it passes it on. */
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ProxiedRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface MeddlingProxyOptions {
  /** The origin behind it, whose name the requests carry on. */
  readonly target: () => string
  /** The requests to send in place of one; the answer to the last is passed back. */
  readonly meddle: (request: ProxiedRequest) => readonly ProxiedRequest[]
}

interface Teardown {
  teardown(end: () => unknown): void
}

/** Its origin. Ends with the test. */
export async function startMeddlingProxy(
  t: Teardown,
  { target, meddle }: MeddlingProxyOptions,
): Promise<string> {
  const server = createServer(async (incoming, response) => {
    let body = ''
    for await (const chunk of incoming) body += chunk
    const { 'content-length': _, ...headers } = incoming.headers as Record<string, string>
    const { method = 'GET', url = '/' } = incoming
    let status = 502
    let date = ''
    let text = ''
    for (const sent of meddle({ method, headers, body })) {
      const outgoing = request(`${target()}${url}`, {
        method: sent.method,
        headers: { ...sent.headers, host: new URL(target()).host },
      })
      outgoing.end(sent.method === 'GET' ? undefined : sent.body)
      const [answer] = await once(outgoing, 'response')
      status = answer.statusCode
      date = answer.headers.date
      text = ''
      for await (const chunk of answer) text += chunk
    }
    response.writeHead(status, { 'content-type': 'application/json', date }).end(text)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
