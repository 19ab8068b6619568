import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import t from 'tap'
import type { Principal } from '../../src/callers/policy.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import type { ProblemCode } from '../../src/errors/problems.ts'
import type { Broker } from '../../src/tokens/serve/broker.ts'
import { createEngineTracer } from '../../src/tracing/engine-tracer.ts'
import { createSpans } from '../../src/tracing/spans.ts'

const PRINCIPAL: Principal = { id: 'admin', kind: 'admin', name: 'admin', permits: [] }

/** What is recorded of a lookup that ends so. */
async function lookup(name: string, lease: Broker['lease']) {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const tracer = createEngineTracer(createSpans(provider.getTracer('test')))
  const broker = tracer.broker({
    lease,
    requireStill: () => undefined,
    isInUse: () => false,
  })
  const request = { minTtlMs: 0, requestId: '1' }
  await (async () => broker.lease(name, PRINCIPAL, request))().catch(() => undefined)
  await provider.forceFlush()
  return exporter.getFinishedSpans().map(({ attributes }) => attributes)
}

t.test('a name is recorded only where there is an integration of that name', async (t) => {
  const cases: readonly (readonly [ProblemCode, boolean])[] = [
    ['grant_refused', true],
    ['salesforce_unavailable', true],
    ['integration_disabled', true],
    ['integration_not_found', false],
    ['caller_forbidden', false],
    // Nobody could look.
    ['store_unavailable', false],
    ['store_reset', false],
    ['audit_unavailable', false],
  ]
  for (const [code, isNamed] of cases) {
    const error = new BrokerError(code, 'No')
    for (const lease of [() => Promise.reject(error), () => raise(error)]) {
      const [attributes] = await lookup('billing', lease)
      t.strictSame(
        attributes,
        { ...(isNamed && { 'valetkey.integration': 'billing' }), 'error.type': code },
        code,
      )
    }
  }
})

t.test('nothing of an error but its code is recorded', async (t) => {
  const [attributes] = await lookup('billing', () => raise(new Error('a secret')))
  t.strictSame(attributes, { 'error.type': 'internal' })
})

function raise(error: Error): never {
  throw error
}
