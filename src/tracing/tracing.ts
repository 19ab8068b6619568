/** Traces of the service. Loaded only if an endpoint is configured. */
import { SpanKind } from '@opentelemetry/api'
import type { BrokerError } from '../errors/errors.ts'
import type { Outbound } from '../http/outbound/outbound.ts'
import type { Server } from '../http/server/server.ts'
import { createEngineTracer, type EngineTracer } from './engine-tracer.ts'
import { createExporter, type ExporterOptions } from './exporter.ts'
import { traceOutbound } from './outbound-tracer.ts'
import { createRequestTracer } from './request-tracer.ts'
import { createSpans } from './spans.ts'

export interface Tracing {
  readonly engine: EngineTracer
  outbound(outbound: Outbound): Outbound
  /** Must be called before the routes are registered. */
  requests(server: Server): void
  problem(error: BrokerError, request: object): void
  /** Runs a store command, with a span if it belongs to a trace. */
  storeCommand<Result>(operation: string, run: () => Promise<Result>): Promise<Result>
  /** Trace ids for log lines. */
  logMembers(): Readonly<Record<string, string>>
  lostSpans(): number
  /** Sends the remaining spans, within 2 seconds. */
  stop(): Promise<void>
}

export interface TracingOptions extends ExporterOptions {
  readonly store: 'redis' | 'embedded'
}

export function startTracing({ store, ...options }: TracingOptions): Tracing {
  const { tracer, lostSpans, stop } = createExporter(options)
  const spans = createSpans(tracer)
  const requests = createRequestTracer(spans)
  const system = store === 'redis' ? 'redis' : 'sqlite'

  return {
    engine: createEngineTracer(spans),
    outbound: (outbound) => traceOutbound(outbound, spans),
    requests: requests.register,
    problem: requests.problem,
    storeCommand(operation, run) {
      if (!spans.recording()) return run()
      const attributes = { 'db.system.name': system, 'db.operation.name': operation }
      return spans.within(`store ${operation}`, { kind: SpanKind.CLIENT, attributes }, run)
    },
    logMembers() {
      const context = spans.current()?.spanContext()
      return context ? { trace_id: context.traceId, span_id: context.spanId } : {}
    },
    lostSpans,
    stop,
  }
}
