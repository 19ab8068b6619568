/** Measures reads, mints, waits and refreshes. */
import { BrokerError } from '../errors/errors.ts'
import type { ProblemCode } from '../errors/problems.ts'
import { refusalOf } from '../grants/refusals/refusals.ts'
import type { EngineMeter } from '../tokens/engine-meter.ts'
import type { Served } from '../tokens/serve/broker.ts'
import type { Metrics } from './registry.ts'
import { type METRICS, type MintOutcome, READ_RESULTS, type ReadResult } from './table.ts'

export interface EngineMeterDependencies {
  readonly metrics: Pick<Metrics<typeof METRICS>, 'counter' | 'histogram'>
  readonly monotonic: () => number
}

export function createEngineMeter({ metrics, monotonic }: EngineMeterDependencies): EngineMeter {
  const reads = Object.fromEntries(
    READ_RESULTS.map((result) => [
      result,
      {
        count: metrics.counter('valetkey_token_reads_total', { result }),
        duration: metrics.histogram('valetkey_token_read_duration_seconds', { result }),
      },
    ]),
  ) as Record<ReadResult, { count: { add(): void }; duration: { observe(value: number): void } }>
  const lateness = metrics.histogram('valetkey_refresh_ahead_lateness_seconds')
  const lockWait = metrics.histogram('valetkey_lock_wait_seconds')

  const secondsSince = (startedAt: number) => (monotonic() - startedAt) / 1000

  const read = (result: ReadResult, startedAt: number) => {
    reads[result].count.add()
    reads[result].duration.observe(secondsSince(startedAt))
  }

  const answered = (served: Served, startedAt: number): Served => {
    read(served.isDegraded ? 'storeless' : served.via, startedAt)
    return served
  }

  const failed = (error: unknown, startedAt: number): never => {
    read(resultOf(error), startedAt)
    throw error
  }

  const later = (found: Promise<Served>, startedAt: number): Promise<Served> =>
    found.then(
      (served) => answered(served, startedAt),
      (error: unknown) => failed(error, startedAt),
    )

  const minted = (grant: string, outcome: MintOutcome, startedAt: number) => {
    metrics.counter('valetkey_mints_total', { grant, outcome }).add()
    metrics.histogram('valetkey_mint_duration_seconds', { grant }).observe(secondsSince(startedAt))
  }

  return {
    broker: (broker) => ({
      lease(name, principal, request) {
        const startedAt = monotonic()
        try {
          const found = broker.lease(name, principal, request)
          return found instanceof Promise ? later(found, startedAt) : answered(found, startedAt)
        } catch (error) {
          return failed(error, startedAt)
        }
      },
      requireStill: broker.requireStill,
      isInUse: broker.isInUse,
    }),
    requester: (requester) => ({
      ...requester,
      async request(integration, signer, charge, options) {
        const { type } = integration.grant
        /** Start of the login; undefined: the login was not allowed. */
        let startedAt: number | undefined
        const charged = async () => {
          await charge()
          startedAt ??= monotonic()
        }
        try {
          const lease = await requester.request(integration, signer, charged, options)
          minted(type, 'granted', startedAt ?? monotonic())
          return lease
        } catch (error) {
          if (startedAt === undefined) throw error
          minted(type, outcomeOf(error), startedAt)
          const reason = refusalOf(error)?.reason
          if (reason) metrics.counter('valetkey_refusals_total', { reason }).add()
          throw error
        }
      },
    }),
    waits: (subscription) => ({
      onceChanged(name, wake) {
        const startedAt = monotonic()
        const stop = subscription.onceChanged(name, wake)
        return () => {
          lockWait.observe(secondsSince(startedAt))
          stop()
        }
      },
    }),
    refreshes: (coordinator) => coordinator,
    connectionLost(reason) {
      metrics.counter('valetkey_connections_lost_total', { reason }).add()
    },
    loginLoop: () => metrics.counter('valetkey_login_loops_total').add(),
    refreshed(refreshed) {
      const { outcome } = refreshed
      metrics.counter('valetkey_refresh_ahead_total', { outcome }).add()
      if (refreshed.outcome === 'replaced') lateness.observe(Math.max(0, refreshed.lateMs) / 1000)
    },
  }
}

export function tracedMeter(
  meter: EngineMeter,
  tracer: Omit<EngineMeter, 'refreshed' | 'connectionLost' | 'loginLoop'>,
): EngineMeter {
  return {
    broker: (broker) => meter.broker(tracer.broker(broker)),
    requester: (requester) => meter.requester(tracer.requester(requester)),
    waits: (subscription) => meter.waits(tracer.waits(subscription)),
    refreshes: tracer.refreshes,
    refreshed: meter.refreshed,
    connectionLost: meter.connectionLost,
    loginLoop: meter.loginLoop,
  }
}

const RESULTS: { readonly [Code in ProblemCode]?: ReadResult } = {
  grant_refused: 'refused',
  identity_changed: 'refused',
  token_not_bound: 'refused',
  token_still_live: 'refused',
  token_response_invalid: 'refused',
  login_budget_exhausted: 'limited',
  salesforce_unavailable: 'unavailable',
  salesforce_timeout: 'unavailable',
  signer_unavailable: 'unavailable',
  store_unavailable: 'unavailable',
  store_reset: 'unavailable',
  refresh_token_doubted: 'unavailable',
  caller_forbidden: 'denied',
  integration_not_found: 'denied',
  integration_disabled: 'denied',
  integration_draft: 'denied',
  token_bound: 'denied',
  integration_frozen: 'denied',
  integration_not_connected: 'denied',
}

const resultOf = (error: unknown): ReadResult =>
  (error instanceof BrokerError ? RESULTS[error.code] : undefined) ?? 'failed'

function outcomeOf(error: unknown): MintOutcome {
  if (!(error instanceof BrokerError)) return 'failed'
  if (refusalOf(error) || error.code === 'integration_not_connected') return 'refused'
  if (error.code === 'token_response_invalid') return 'invalid'
  const isAway = error.code === 'salesforce_unavailable' || error.code === 'salesforce_timeout'
  return isAway ? 'unavailable' : 'failed'
}
