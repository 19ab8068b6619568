/** Serves `/metrics` on a separate port, so that access to it and to the API can be restricted separately. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { createPipelines } from '../http/server/pipeline.ts'
import type { Log } from '../runtime/runtime.ts'
import { EXPOSITION_MEDIA_TYPE } from './exposition.ts'

export type MetricsListener = ReturnType<typeof createMetricsListener>

const PATH = '/metrics'
const HEADERS_MS = 8_000
const REQUEST_MS = 10_000
const CHECK_MS = 1_000
const CONNECTIONS = 64
const IDLE_MS = 30_000
/** A rate limit of scrapes: this many at once, and one more at this interval. Excess requests get the last result. */
const SCRAPES = 20
const SCRAPE_MS = 500
/** Time limit for current scrapes at the end. */
const GRACE_MS = 1_000

export function createMetricsListener(dependencies: {
  readonly render: () => Promise<string>
  /** Monotonic clock, in milliseconds. Default: the clock of the process. */
  readonly monotonic?: () => number
  readonly log: Pick<Log, 'error'>
}) {
  const { render, log, monotonic = () => performance.now() } = dependencies
  const pipelines = createPipelines()
  const scrape = createScrape(render, monotonic)

  const answer = async ({ method, url = '/' }: IncomingMessage, response: ServerResponse) => {
    if (pathOf(url) !== PATH) return refuse(response, 404, `The only path is ${PATH}`)
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      return refuse(response, 405, `${PATH} accepts GET and HEAD`)
    }
    try {
      const text = await scrape()
      response.writeHead(200, { ...headersOf(text), 'content-type': EXPOSITION_MEDIA_TYPE })
      response.end(text)
    } catch (error) {
      log.error({ err: error, code: 'internal' }, 'the metrics could not be read')
      refuse(response, 500, 'The metrics could not be read; the log has the cause')
    }
  }

  const server = createServer(
    {
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      connectionsCheckingInterval: CHECK_MS,
      keepAliveTimeout: 75_000,
    },
    pipelines.before((request, response) => void answer(request, response)),
  )
  pipelines.attach(server, 'connection')
  server.setTimeout(IDLE_MS)
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') socket.destroy()
    else pipelines.fail(socket as Socket, BAD_REQUEST)
  })
  server.maxHeadersCount = 64
  server.maxConnections = CONNECTIONS

  return {
    /** Returns the port. Rejects if it cannot listen. */
    listen: ({ host, port }: { readonly host: string; readonly port: number }): Promise<number> =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host, port }, () => {
          server.off('error', reject)
          server.on('error', (error) => {
            log.error({ err: error }, 'the metrics listener failed')
          })
          resolve((server.address() as { port: number }).port)
        })
      }),
    /** Completes current requests and closes the connections. */
    close: (): Promise<void> =>
      new Promise((resolve) => {
        const cutOff = setTimeout(() => server.closeAllConnections(), GRACE_MS)
        server.close(() => {
          clearTimeout(cutOff)
          resolve()
        })
        server.closeIdleConnections()
      }),
  }
}

const BAD_REQUEST = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'

/** The cost of a scrape grows with the number of integrations, and the port needs no authentication. */
function createScrape(render: () => Promise<string>, monotonic: () => number) {
  let allowed = SCRAPES
  let at = monotonic()
  let last: Promise<string> | undefined
  return (): Promise<string> => {
    const now = monotonic()
    allowed = Math.min(SCRAPES, allowed + (now - at) / SCRAPE_MS)
    at = now
    if (last === undefined || allowed >= 1) {
      allowed -= 1
      last = render()
    }
    return last
  }
}

function refuse(response: ServerResponse, status: number, message: string): void {
  const text = `${message}\n`
  response.writeHead(status, { ...headersOf(text), 'content-type': 'text/plain; charset=utf-8' })
  response.end(text)
}

const headersOf = (text: string) => ({
  'content-length': Buffer.byteLength(text),
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
})

/** Accepts every form of a request target (RFC 9112, section 3.2). */
const pathOf = (url: string) => url.replace(/^https?:\/\/[^/?]*/i, '').split('?')[0]
