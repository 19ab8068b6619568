/** Connects measurements and traces to the table of metrics, and the table to its listener. */
import { authenticationFailureOf } from '../callers/authentication/authenticator.ts'
import type { ConnectionStatus, Flow } from '../connections/connection.ts'
import type { BrokerError } from '../errors/errors.ts'
import type { Outbound } from '../http/outbound/outbound.ts'
import type { Server } from '../http/server/server.ts'
import type { Applied } from '../integrations/declared.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import type { SignerMeter } from '../signers/signers.ts'
import type { CorruptRecord } from '../store/integrity/corrupt-records.ts'
import { measuredStore } from '../store/measured.ts'
import type { Pace } from '../store/pace.ts'
import type { Store } from '../store/store.ts'
import type { EngineMeter } from '../tokens/engine-meter.ts'
import type { ProofRefusal } from '../tokens/prove/proof-meter.ts'
import type { StatusReader } from '../tokens/serve/status.ts'
import type { Tracing } from '../tracing/tracing.ts'
import type { UnusualAction } from '../usage/unusual.ts'
import type { WebhookMeter } from '../webhooks/webhook-queue.ts'
import { createEngineMeter, tracedMeter } from './engine-meter.ts'
import { type GaugeSources, sampleGauges } from './gauges.ts'
import {
  createIntegrationSamples,
  type IntegrationSamplesDependencies,
} from './integration-samples.ts'
import { createMetricsListener, type MetricsListener } from './listener.ts'
import { createProcessMetrics } from './process-metrics.ts'
import { createMetrics, type Metrics } from './registry.ts'
import { meterRequests } from './request-meter.ts'
import { METRICS } from './table.ts'

interface Metering {
  /** Wraps the store and records its latency. */
  store(store: Store, pace: Pick<Pace, 'note'>): Store
  /** Counts a record that failed verification. */
  corrupt(record: Pick<CorruptRecord, 'kind' | 'why'>): void
  readonly engine: EngineMeter
  /** Wraps the HTTP client with traces. */
  outbound(outbound: Outbound): Outbound
  /** Must be called before the routes are registered. */
  requests(server: Server): void
  problem(
    error: BrokerError,
    request: { readonly headers: { authorization?: string | undefined } },
  ): void
  readonly connections: ConnectionMeter
  readonly signers: SignerMeter
  readonly webhooks: WebhookMeter
  /** Counts a proof, or why it was refused. */
  proof(result: 'signed' | ProofRefusal): void
  /** Counts something unusual about an integration. */
  unusual(action: UnusualAction): void
  readonly file: FileMeter
  /** Sets the sources of gauges. These metrics are absent before the call. */
  observe(sources: ObservedSources): void
  /** Must be started separately. */
  readonly listener: MetricsListener
  /** Reads the first samples, so that the first scrape has them. */
  start(): void
  stop(): Promise<void>
}

interface ConnectionMeter {
  ended(flow: Flow, status: ConnectionStatus): void
  /** Counts a browser with an unknown state. */
  callbackRefused(): void
}

export interface FileMeter {
  applied(applied: Applied): void
  reloaded(): void
  refused(): void
}

interface ObservedSources
  extends Omit<GaugeSources, 'samples' | 'now' | 'monotonic' | 'engine'>,
    Pick<IntegrationSamplesDependencies, 'integrations'> {
  readonly store: Pick<Store, 'outcomes' | 'budgets' | 'documents' | 'listing'>
  readonly engine: GaugeSources['engine'] & { readonly status: StatusReader }
}

export function composeMetering(dependencies: {
  readonly version: string
  readonly engine: 'redis' | 'embedded'
  readonly tracing: Tracing | undefined
  readonly runtime: Runtime
  readonly log: Log
}): Metering {
  const { version, engine: engineName, tracing, runtime, log } = dependencies
  const { now, monotonic } = runtime
  const metrics: Metrics<typeof METRICS> = createMetrics(METRICS)
  const processMetrics = createProcessMetrics()
  const listener = createMetricsListener({
    async render() {
      samples?.refresh()
      return metrics.render() + (await processMetrics())
    },
    log,
  })
  const signedProofs = metrics.counter('valetkey_proofs_total', { result: 'signed' })
  const wrong = new Set<string>()
  let isFileRefused = false
  let samples: ReturnType<typeof createIntegrationSamples> | undefined
  metrics.sample('valetkey_build_info', () => [[1, { version, store: engineName }]])
  metrics.sample('valetkey_declared_integrations_wrong', () => [[wrong.size]])
  metrics.sample('valetkey_config_file_refused', () => [[Number(isFileRefused)]])
  metrics.sample('valetkey_spans_lost_total', () => [[tracing?.lostSpans() ?? 0]])
  const engine = createEngineMeter({ metrics, monotonic })

  return {
    store: (store, pace) =>
      measuredStore(store, {
        monotonic,
        onRead: pace.note,
        ...(tracing && { around: tracing.storeCommand }),
        meterOf(operation) {
          const labels = { operation }
          const duration = metrics.histogram('valetkey_store_operation_duration_seconds', labels)
          const errors = metrics.counter('valetkey_store_errors_total', labels)
          return {
            done: (tookMs) => duration.observe(tookMs / 1000),
            failed: () => errors.add(),
          }
        },
      }),
    corrupt: ({ kind, why }) =>
      metrics.counter('valetkey_corrupt_records_total', { kind, reason: why }).add(),
    engine: tracing ? tracedMeter(engine, tracing.engine) : engine,
    outbound: (outbound) => tracing?.outbound(outbound) ?? outbound,
    requests(server) {
      tracing?.requests(server)
      meterRequests(server, metrics)
    },
    problem(error, request) {
      const { headers } = request
      tracing?.problem(error, request)
      metrics.counter('valetkey_problems_total', { code: error.code }).add()
      const reason = authenticationFailureOf(error, headers.authorization !== undefined)
      if (reason) metrics.counter('valetkey_authentication_failures_total', { reason }).add()
    },
    connections: {
      ended: (flow, status) =>
        metrics.counter('valetkey_connections_total', { flow, status }).add(),
      callbackRefused: () => metrics.counter('valetkey_callbacks_refused_total').add(),
    },
    signers: {
      signed(signer, outcome, ms) {
        metrics.counter('valetkey_signatures_total', { signer, outcome }).add()
        metrics.histogram('valetkey_signature_duration_seconds', { signer }).observe(ms / 1000)
      },
    },
    unusual: (action) => metrics.counter('valetkey_unusual_total', { action }).add(),
    proof: (result) =>
      result === 'signed'
        ? signedProofs.add()
        : metrics.counter('valetkey_proofs_total', { result }).add(),
    webhooks: {
      sent: (outcome) => metrics.counter('valetkey_webhook_attempts_total', { outcome }).add(),
      lost: (reason) => metrics.counter('valetkey_webhooks_lost_total', { reason }).add(),
    },
    file: {
      applied({ name, result }) {
        if (result === 'disabled') wrong.add(name)
        else wrong.delete(name)
      },
      reloaded() {
        isFileRefused = false
      },
      refused() {
        isFileRefused = true
      },
    },
    observe(sources) {
      const { engine, store, integrations } = sources
      const { connectionOf } = engine.status
      const isKnown = (name: string) => engine.cache.known(name) !== undefined
      samples = createIntegrationSamples({
        ...{ integrations, store, connectionOf, isKnown, runtime, log },
      })
      sampleGauges(metrics, { ...sources, samples: samples.latest, now, monotonic })
    },
    listener,
    start: () => samples?.refresh(),
    async stop() {
      await samples?.stop()
      await listener.close()
      await tracing?.stop()
    },
  }
}
