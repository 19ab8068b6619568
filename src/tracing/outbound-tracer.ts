/** Creates a span for each request to Salesforce and adds its identity to the headers. */
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { Hop } from '../http/outbound/hop.ts'
import type { Outbound } from '../http/outbound/outbound.ts'
import type { Spans } from './spans.ts'
import { writeTraceparent } from './traceparent.ts'

/** For example `proxy.tunnel`. */
const hopText = ({ at, step }: Hop) => `${at}.${step}`

/** Records only the host, because paths of webhooks are secrets. */
export function traceOutbound(outbound: Outbound, spans: Spans): Outbound {
  return {
    ...outbound,
    send(request) {
      if (!spans.recording()) return outbound.send(request)
      const method = request.method ?? 'GET'
      const { hostname, port, protocol } = new URL(request.url)
      const attributes = {
        'http.request.method': method,
        'server.address': hostname,
        'server.port': Number(port || (protocol === 'http:' ? 80 : 443)),
      }
      return spans.within(method, { kind: SpanKind.CLIENT, attributes }, async (span) => {
        const traceparent = writeTraceparent(span.spanContext())
        const outcome = await outbound.send({
          ...request,
          headers: { ...request.headers, traceparent },
        })
        if (outcome.ok) span.setAttribute('http.response.status_code', outcome.status)
        else {
          span.setAttribute('error.type', outcome.reason)
          if (outcome.hop) span.setAttribute('valetkey.hop', hopText(outcome.hop))
        }
        if (!outcome.ok || outcome.status >= 400) span.setStatus({ code: SpanStatusCode.ERROR })
        return outcome
      })
    },
  }
}
