/**
 * Exports spans by OTLP over HTTP, in batches and in the background. If the endpoint fails, spans
 * are lost, but requests are not delayed.
 */
import { randomUUID } from 'node:crypto'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import { type Log, monotonic } from '../runtime/runtime.ts'
import { waitFor } from '../runtime/timeout.ts'
import type { SamplerName } from './sampler-name.ts'

export interface ExporterOptions {
  readonly collector: {
    /** `/v1/traces` is appended. */
    readonly endpoint: string
    readonly headers: Readonly<Record<string, string>>
    readonly timeoutMs: number
  }
  readonly resource: {
    readonly serviceName: string
    readonly version: string
    readonly attributes: Readonly<Record<string, string>>
  }
  readonly sampler: SamplerName
  readonly ratio: number
  readonly log: Pick<Log, 'info' | 'warn'>
}

const PATH = '/v1/traces'
/** Small, so that serialisation does not delay requests. */
const BATCH = 128
const QUEUE = 2_048
const DELAY_MS = 1_000
const STOP_MS = 2_000

export function createExporter(options: ExporterOptions) {
  const { collector, resource, log } = options
  const { endpoint, headers, timeoutMs } = collector
  const { serviceName, version, attributes } = resource
  const trouble = createOutageLogger(log, 'traces cannot be sent', { monotonic })
  let lost = 0
  const inner = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, '')}${PATH}`,
    headers: { ...headers },
    timeoutMillis: timeoutMs,
  })
  const exporter: SpanExporter = {
    export(spans, done) {
      inner.export(spans, (result) => {
        if (result.error) {
          lost += spans.length
          trouble.report(result.error)
        } else trouble.over()
        done(result)
      })
    },
    forceFlush: () => inner.forceFlush(),
    shutdown: () => inner.shutdown(),
  }
  const provider = new BasicTracerProvider({
    sampler: samplerOf(options),
    resource: resourceFromAttributes({
      ...attributes,
      'service.name': serviceName,
      'service.version': version,
      'service.instance.id': attributes['service.instance.id'] ?? randomUUID(),
    }),
    spanProcessors: [
      new BatchSpanProcessor(exporter, {
        maxQueueSize: QUEUE,
        maxExportBatchSize: BATCH,
        scheduledDelayMillis: DELAY_MS,
        exportTimeoutMillis: timeoutMs + DELAY_MS,
      }),
    ],
  })
  return {
    tracer: provider.getTracer('valetkey', version),
    /** The number of spans that could not be sent. */
    lostSpans: (): number => lost,
    /** Sends the remaining spans, within 2 seconds. */
    async stop(): Promise<void> {
      const sent = provider.shutdown().catch(trouble.report)
      await waitFor(sent, { ms: STOP_MS, late: () => undefined })
    },
  }
}

function samplerOf({ sampler, ratio }: ExporterOptions): Sampler {
  const isParentBased = sampler.startsWith('parentbased_')
  const own = rootSampler(sampler.replace('parentbased_', ''), ratio)
  return isParentBased ? new ParentBasedSampler({ root: own }) : own
}

function rootSampler(name: string, ratio: number): Sampler {
  if (name === 'always_off') return new AlwaysOffSampler()
  return name === 'traceidratio' ? new TraceIdRatioBasedSampler(ratio) : new AlwaysOnSampler()
}
