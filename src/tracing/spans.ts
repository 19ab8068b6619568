/** Spans, and which of them the code that runs now belongs to. */
import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Attributes,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  type SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { BrokerError } from '../errors/errors.ts'

export interface SpanOptions {
  readonly kind?: SpanKind
  /** Ids, codes, counts, and names that operators made: nothing that is secret, and nothing that a caller invents. */
  readonly attributes?: Attributes
  /** Of another service. Default: what runs now. */
  readonly parent?: SpanContext
}

export interface Spans {
  /** The span that runs now. */
  current(): Span | undefined
  /** The same, if it is still open and is kept: only then is it worth while to look closer. */
  recording(): Span | undefined
  start(name: string, options?: SpanOptions): Span
  /** Runs the work, and whatever it begins, as part of the span. Ends nothing. */
  run<Result>(span: Span, work: () => Result): Result
  /** A span that ends with the work. */
  within<Result>(
    name: string,
    options: SpanOptions,
    work: (span: Span) => Promise<Result>,
  ): Promise<Result>
}

export function createSpans(tracer: Tracer): Spans {
  const running = new AsyncLocalStorage<Span>()

  const start: Spans['start'] = (name, { parent, ...options } = {}) => {
    const above = parent ?? running.getStore()?.spanContext()
    const context = above ? trace.setSpanContext(ROOT_CONTEXT, above) : ROOT_CONTEXT
    return tracer.startSpan(name, options, context)
  }

  return {
    current: () => running.getStore(),
    recording() {
      const span = running.getStore()
      return span?.isRecording() ? span : undefined
    },
    start,
    run: (span, work) => running.run(span, work),
    async within(name, options, work) {
      const span = start(name, options)
      try {
        return await running.run(span, () => work(span))
      } catch (error) {
        fail(span, error)
        throw error
      } finally {
        span.end()
      }
    },
  }
}

/** Its code and no word of it: what Salesforce or a caller said stays out of traces. */
export function fail(span: Span, error: unknown): void {
  span.setAttribute('error.type', error instanceof BrokerError ? error.code : 'internal')
  span.setStatus({ code: SpanStatusCode.ERROR })
}
