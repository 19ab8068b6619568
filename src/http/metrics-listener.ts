/** `/metrics`, on a port of its own: whoever may scrape need not reach the API, nor the other way round. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { EXPOSITION_MEDIA_TYPE } from './exposition.ts'

export interface MetricsListener {
  /** Gives the port that it listens on. Rejects where it cannot. */
  listen(address: { readonly host: string; readonly port: number }): Promise<number>
  /** Answers what is under way, and closes the connections. */
  close(): Promise<void>
}

export interface MetricsListenerDependencies {
  readonly render: () => Promise<string>
  readonly log: { error(bindings: object, message: string): void }
}

const PATH = '/metrics'
const HEADERS_MS = 8_000
const REQUEST_MS = 10_000
const CHECK_MS = 1_000
const CONNECTIONS = 64
/** For the scrapes that are under way at the end. */
const GRACE_MS = 1_000

export function createMetricsListener(dependencies: MetricsListenerDependencies): MetricsListener {
  const { render, log } = dependencies

  const answer = async ({ method, url = '/' }: IncomingMessage, response: ServerResponse) => {
    if (pathOf(url) !== PATH) return refuse(response, 404, `There is nothing here but ${PATH}`)
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      return refuse(response, 405, `${PATH} takes GET and HEAD`)
    }
    try {
      const text = await render()
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
    (request, response) => void answer(request, response),
  )
  server.maxHeadersCount = 64
  server.maxConnections = CONNECTIONS

  return {
    listen: ({ host, port }) =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host, port }, () => {
          server.off('error', reject)
          server.on('error', (error) => {
            log.error({ err: error }, 'the port of the metrics has trouble')
          })
          resolve((server.address() as { port: number }).port)
        })
      }),
    close: () =>
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

/** Of the URL in any of its forms (RFC 9112, section 3.2). */
const pathOf = (url: string) => url.replace(/^https?:\/\/[^/?]*/i, '').split('?')[0]
