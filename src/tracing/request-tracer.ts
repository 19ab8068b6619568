/** A span for each request, under the caller's own where it names one. */
import { type Span, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { BrokerError } from '../errors/errors.ts'
import type { Server } from '../http/server/server.ts'
import type { Spans } from './spans.ts'
import { readTraceparent } from './traceparent.ts'

export interface RequestTracer {
  /** Register it before the routes. */
  register(server: Server): void
  /** The request is answered with a problem. */
  problem(error: BrokerError, request: object): void
}

/** Asked all the time, and of no interest. */
const PROBES = new Set(['/livez', '/readyz'])

/** The path stays out of it: only its pattern is known to hold no secret. */
export function createRequestTracer(spans: Spans): RequestTracer {
  const spanOf = new WeakMap<object, Span>()

  return {
    register(server) {
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
        // Comes in any case, also where the caller went away before the answer.
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
    problem: ({ code }, request) => void spanOf.get(request)?.setAttribute('error.type', code),
  }
}
