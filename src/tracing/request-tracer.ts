/** Creates a span for each request, as a child of the caller's span if there is one. */
import { type Span, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { BrokerError } from '../errors/errors.ts'
import type { Server } from '../http/server/server.ts'
import type { Spans } from './spans.ts'
import { readTraceparent } from './traceparent.ts'

const PROBES = new Set(['/livez', '/readyz'])

/** Records only the pattern of the path, because the path may contain a secret. */
export function createRequestTracer(spans: Spans) {
  const spanOf = new WeakMap<object, Span>()

  return {
    /** Must be called before the routes are registered. */
    register(server: Server): void {
      server.addHook('onRequest', (request, reply, done) => {
        const { method, routeOptions, headers } = request
        const route = request.is404 ? undefined : routeOptions.url
        if (route !== undefined && PROBES.has(route)) {
          done()
          return
        }
        const { traceparent } = headers
        const parent = readTraceparent(typeof traceparent === 'string' ? traceparent : undefined)
        const span = spans.start(route === undefined ? method : `${method} ${route}`, {
          kind: SpanKind.SERVER,
          attributes: { 'http.request.method': method, ...(route && { 'http.route': route }) },
          ...(parent && { parent }),
        })
        spanOf.set(request, span)
        // Emitted also if the caller disconnects before the answer.
        reply.raw.once('close', () => {
          const { writableFinished, statusCode } = reply.raw
          if (writableFinished) span.setAttribute('http.response.status_code', statusCode)
          else span.setAttribute('error.type', 'caller_went_away')
          if (statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
          span.end()
        })
        spans.run(span, done)
      })
    },
    problem: ({ code }: BrokerError, request: object): void =>
      void spanOf.get(request)?.setAttribute('error.type', code),
  }
}
