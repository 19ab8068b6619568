/** Answers errors without a request: malformed HTTP, too large headers, a slow client, CONNECT. */
import { randomUUID } from 'node:crypto'
import { type Server as HttpServer, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { BrokerError } from '../../errors/errors.ts'
import { PROBLEM_MEDIA_TYPE, problemAnswer, toBrokerError } from '../problems/problem.ts'
import type { Pipelines } from './pipeline.ts'

interface ClientErrors {
  /** Sends a problem after the pending answers and closes the connection. */
  answer(error: NodeJS.ErrnoException, socket: Duplex): void
}

/** Parser error: data followed the last request of a connection. */
const BEHIND_THE_LAST = 'HPE_CLOSED_CONNECTION'

export function createClientErrors(
  log: { debug(bindings: object, message: string): void },
  pipelines: Pick<Pipelines, 'fail'>,
): ClientErrors & {
  /** Replaces Node's own answers, which have no body. */
  attach(server: HttpServer): void
} {
  const answer = (error: NodeJS.ErrnoException, duplex: Duplex) => {
    // An HTTP server receives only sockets that it accepted.
    const socket = duplex as Socket
    log.debug({ code: error.code }, 'a connection sent no valid request')
    if (!socket.writable || error.code === 'ECONNRESET') socket.destroy()
    else if (error.code === BEHIND_THE_LAST) pipelines.fail(socket)
    else pipelines.fail(socket, rawAnswer(error))
  }

  return {
    answer,
    attach(server) {
      server.on('connect', (_request, socket) => {
        // Node removes its error listener from such a connection.
        socket.on('error', (error: NodeJS.ErrnoException) =>
          log.debug({ code: error.code }, 'a connection broke'),
        )
        answer(new BrokerError('request_invalid', 'CONNECT is not supported'), socket)
      })
      // Expectations other than 100-continue may be ignored (RFC 9110, section 10.1.1).
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
