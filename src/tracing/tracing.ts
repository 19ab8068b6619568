/** Traces of the service. Loaded only where it is told whom to send them to; whatever is traced does not know of it. */
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
  /** Register it before the routes. */
  requests(server: Server): void
  /** A request is answered with a problem. */
  problem(error: BrokerError, request: object): void
  /** Runs a command of the store, with a span where something is traced that waits for it. */
  storeCommand<Result>(operation: string, run: () => Promise<Result>): Promise<Result>
  /** Members of each log line that is written now. */
  logMembers(): Readonly<Record<string, string>>
  lostSpans(): number
  /** Sends what is left, within 2 seconds. */
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
