/** A span for each request, under the caller's own where it names one. */
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { Server } from '../http/server.ts'
import type { Spans } from './spans.ts'
import { readTraceparent } from './traceparent.ts'

/** Asked all the time, and of no interest. */
const PROBES = new Set(['/livez', '/readyz'])

/** Register it before the routes. The path stays out of it: only its pattern is known to hold no secret. */
export function traceRequests(server: Server, spans: Spans): void {
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
}
