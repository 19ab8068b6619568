import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** A tiny server on a free loopback port that answers as the test says and remembers what it was asked. */
export interface Listener {
  readonly origin: string
  readonly port: number
  readonly requests: ReceivedRequest[]
  /** Connections accepted so far. */
  connections(): number
}

export interface ReceivedRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export type Answer = (response: ServerResponse, request: ReceivedRequest) => unknown

export async function listen(t: Test, answer: Answer, tls?: ServerOptions): Promise<Listener> {
  const requests: ReceivedRequest[] = []
  const onRequest: RequestListener = async (incoming, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    const { method = '', url = '', headers } = incoming
    const received = { method, url, headers, body: Buffer.concat(chunks).toString() }
    requests.push(received)
    await answer(response, received)
  }
  const server = tls === undefined ? createServer(onRequest) : createTlsServer(tls, onRequest)
  let connections = 0
  server.on('connection', () => {
    connections += 1
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  const origin = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
  return { origin, port, requests, connections: () => connections }
}

/** Answers JSON with status 200 unless told otherwise. */
export function json(body: unknown, status = 200): Answer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json;charset=UTF-8' })
    response.end(JSON.stringify(body))
  }
}
