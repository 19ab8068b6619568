/** Creates spans and tracks the current one. */
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

interface SpanOptions {
  readonly kind?: SpanKind
  /** Ids, codes, counts, and names from operators. Must contain neither secrets nor text from callers. */
  readonly attributes?: Attributes
  /** A span of another service. Default: the current span. */
  readonly parent?: SpanContext
}

export type Spans = ReturnType<typeof createSpans>

export function createSpans(tracer: Tracer) {
  const running = new AsyncLocalStorage<Span>()

  const start = (name: string, { parent, ...options }: SpanOptions = {}): Span => {
    const above = parent ?? running.getStore()?.spanContext()
    const context = above ? trace.setSpanContext(ROOT_CONTEXT, above) : ROOT_CONTEXT
    return tracer.startSpan(name, options, context)
  }

  return {
    current: (): Span | undefined => running.getStore(),
    /** The current span, if it is open and sampled. */
    recording(): Span | undefined {
      const span = running.getStore()
      return span?.isRecording() ? span : undefined
    },
    start,
    /** Runs the work with this span as the current one. Does not end the span. */
    run: <Result>(span: Span, work: () => Result): Result => running.run(span, work),
    /** Ends the span with the work. */
    async within<Result>(
      name: string,
      options: SpanOptions,
      work: (span: Span) => Promise<Result>,
    ): Promise<Result> {
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

/** Records the code of the error, but no text of Salesforce or of a caller. */
export function fail(span: Span, error: unknown): void {
  span.setAttribute('error.type', error instanceof BrokerError ? error.code : 'internal')
  span.setStatus({ code: SpanStatusCode.ERROR })
}
