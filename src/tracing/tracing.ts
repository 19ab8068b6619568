/** Traces of the service. Loaded only if an endpoint is configured. */
import { SpanKind } from '@opentelemetry/api'
import type { Outbound } from '../http/outbound/outbound.ts'
import { createEngineTracer } from './engine-tracer.ts'
import { createExporter, type ExporterOptions } from './exporter.ts'
import { traceOutbound } from './outbound-tracer.ts'
import { createRequestTracer } from './request-tracer.ts'
import { createSpans } from './spans.ts'

export type Tracing = ReturnType<typeof startTracing>

export interface TracingOptions extends ExporterOptions {
  readonly store: 'redis' | 'embedded'
}

export function startTracing({ store, ...options }: TracingOptions) {
  const { tracer, lostSpans, stop } = createExporter(options)
  const spans = createSpans(tracer)
  const requests = createRequestTracer(spans)
  const system = store === 'redis' ? 'redis' : 'sqlite'

  return {
    engine: createEngineTracer(spans),
    outbound: (outbound: Outbound): Outbound => traceOutbound(outbound, spans),
    /** Must be called before the routes are registered. */
    requests: requests.register,
    problem: requests.problem,
    /** Runs a store command, with a span if it belongs to a trace. */
    storeCommand<Result>(operation: string, run: () => Promise<Result>): Promise<Result> {
      if (!spans.recording()) return run()
      const attributes = { 'db.system.name': system, 'db.operation.name': operation }
      return spans.within(`store ${operation}`, { kind: SpanKind.CLIENT, attributes }, run)
    },
    /** Trace ids for log lines. */
    logMembers(): Readonly<Record<string, string>> {
      const context = spans.current()?.spanContext()
      return context ? { trace_id: context.traceId, span_id: context.spanId } : {}
    },
    lostSpans,
    /** Sends the remaining spans, within 2 seconds. */
    stop,
  }
}
