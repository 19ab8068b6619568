/** What is answered where there is no request to answer: malformed HTTP, too large headers, a slow client, CONNECT. */
import { randomUUID } from 'node:crypto'
import { type Server as HttpServer, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { BrokerError } from '../errors.ts'
import { PROBLEM_MEDIA_TYPE, problemAnswer, toBrokerError } from './problem.ts'

export interface ClientErrors {
  /** Answers with a problem, and closes the connection. */
  answer(error: NodeJS.ErrnoException, socket: Duplex): void
}

export interface ClientErrorLog {
  debug(bindings: object, message: string): void
}

export function createClientErrors(log: ClientErrorLog): ClientErrors & {
  /** Node answers some requests by itself, with no body: from now on they are answered here or by the routes. */
  attach(server: HttpServer): void
} {
  /** The last response of each connection. */
  const responses = new WeakMap<Duplex, ServerResponse>()

  const answer = (error: NodeJS.ErrnoException, socket: Duplex) => {
    log.debug({ code: error.code }, 'a connection without a proper request')
    const response = responses.get(socket)
    const isInsideAnother = response?.headersSent === true && !response.writableFinished
    if (!socket.writable || error.code === 'ECONNRESET' || isInsideAnother) socket.destroy()
    else socket.end(rawAnswer(error))
  }

  return {
    answer,
    attach(server) {
      server.on('request', (request, response) => {
        responses.set(request.socket, response)
      })
      server.on('connect', (_request, socket) => {
        answer(new BrokerError('request_invalid', 'CONNECT is for proxies'), socket)
      })
      // Another expectation than 100-continue may be ignored (RFC 9110, section 10.1.1).
      server.on('checkExpectation', (request, response) => {
        server.emit('request', request, response)
      })
    },
  }
}

function rawAnswer(thrown: Error): string {
  const error = toBrokerError(thrown)
  const known =
    error.code === 'internal'
      ? new BrokerError('request_invalid', 'The request is not valid HTTP')
      : error
  const { status, headers, body } = problemAnswer(known, { id: randomUUID(), path: '/' })
  const text = JSON.stringify(body)
  const lines = Object.entries({
    ...headers,
    'content-type': PROBLEM_MEDIA_TYPE,
    'content-length': String(Buffer.byteLength(text)),
    'x-request-id': body.request_id,
    date: new Date().toUTCString(),
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${text}`
}
