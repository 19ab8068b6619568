/** Gauges that each scrape reads: leases in memory, certificates, budgets, readiness, the audit. */

import type { Readiness } from '../http/server/health.ts'
import { type Integration, isDraft } from '../integrations/integration.ts'
import { abandonedWork } from '../runtime/timeout.ts'
import { lastRefusalOf } from '../tokens/mint/refusal-memory.ts'
import type { Broker } from '../tokens/serve/broker.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import type { Entry, LeaseCache } from '../tokens/serve/lease-cache.ts'
import { labelsOf, type Samples } from './integration-samples.ts'
import { COUNTED_STATES } from './integration-table.ts'
import type { Metrics, Sample } from './registry.ts'
import { LEASE_STATES, type METRICS } from './table.ts'

export interface GaugeSources {
  readonly engine: {
    resting(): { readonly hosts: number; readonly clients: number }
    readonly cache: Pick<LeaseCache, 'values' | 'known'>
    readonly broker: Pick<Broker, 'isInUse'>
  }
  readonly readiness: () => Readiness
  readonly audit: {
    isBlocked(): boolean
    writtenLines(): number
    waitingBytes(): number
  }
  readonly droppedLogLines: () => number
  readonly storeTroubles: () => ReadonlyMap<string, number>
  readonly waitingWebhooks: () => number
  readonly corruptRecords: () => number
  /** Number of freezes in force. */
  readonly freezes: () => number
  readonly samples: () => Samples
  readonly now: () => number
  readonly monotonic: () => number
}

type LeaseState = (typeof LEASE_STATES)[number]

export function sampleGauges(
  metrics: Metrics<typeof METRICS>,
  { engine, readiness, samples, now, monotonic, ...sources }: GaugeSources,
): void {
  const { audit } = sources
  const { cache, broker } = engine
  metrics.sample('valetkey_ready', () => [[Number(readiness().ready)]])
  metrics.sample('valetkey_readiness_check_ok', () =>
    readiness().checks.map(({ name, ok }) => [Number(ok), { check: name }]),
  )
  metrics.sample('valetkey_login_hosts_resting', () => [[engine.resting().hosts]])
  metrics.sample('valetkey_login_clients_resting', () => [[engine.resting().clients]])
  metrics.sample('valetkey_work_left_behind_total', () => [[abandonedWork().total]])
  metrics.sample('valetkey_work_left_behind', () => [[abandonedWork().running]])
  metrics.sample('valetkey_audit_blocked', () => [[Number(audit.isBlocked())]])
  metrics.sample('valetkey_audit_lines_total', () => [[audit.writtenLines()]])
  metrics.sample('valetkey_audit_waiting_bytes', () => [[audit.waitingBytes()]])
  metrics.sample('valetkey_log_lines_dropped_total', () => [[sources.droppedLogLines()]])

  metrics.sample('valetkey_redis_troubles_total', () =>
    [...sources.storeTroubles()].map(([cause, count]) => [count, { cause }]),
  )

  metrics.sample('valetkey_corrupt_records', () => [[sources.corruptRecords()]])
  metrics.sample('valetkey_freezes', () => [[sources.freezes()]])
  metrics.sample('valetkey_webhooks_waiting', () => [[sources.waitingWebhooks()]])
  metrics.sample('valetkey_leases', () => leaseStates(cache.values(), now()))
  metrics.sample('valetkey_refusals_resting', () => [[restingCount(cache.values(), now())]])
  metrics.sample('valetkey_lease_expires_in_seconds', () => {
    const at = now()
    return [...cache.values()]
      .flatMap(({ integration, lease }) => (lease ? [{ integration, lease }] : []))
      .sort((a, b) => a.lease.expiresAt - b.lease.expiresAt)
      .map(({ integration, lease }) => [seconds(lease.expiresAt - at), labelsOf(integration)])
  })
  metrics.sample('valetkey_refresh_ahead_overdue_seconds', () => {
    const at = now()
    return [...cache.values()]
      .flatMap(({ integration, lease }) => {
        const isAwaited = lease && isRefreshed(integration, lease, broker.isInUse(lease), at)
        return isAwaited ? [[seconds(Math.max(0, at - lease.refreshAt)), integration] as const] : []
      })
      .sort(([a], [b]) => b - a)
      .map(([overdue, integration]) => [overdue, labelsOf(integration)])
  })

  metrics.sample('valetkey_integrations', () => {
    const { states } = samples()
    return states ? COUNTED_STATES.map((state) => [states.get(state) ?? 0, { state }] as const) : []
  })
  metrics.sample('valetkey_certificate_expires_in_seconds', () => {
    const at = now()
    return samples().certificates.map(({ labels, notAfter }) => [seconds(notAfter - at), labels])
  })
  metrics.sample('valetkey_integration_refused', () =>
    samples().used.map(({ labels, refusedFor }) => [Number(refusedFor !== undefined), labels]),
  )
  metrics.sample('valetkey_integration_refusal', () =>
    samples().used.flatMap(({ labels, refusedFor: reason }) =>
      reason === undefined ? [] : [[1, { ...labels, reason }] as const],
    ),
  )
  metrics.sample('valetkey_logins_last_hour', () =>
    samples().used.map(({ labels, loginsLastHour }) => [loginsLastHour, labels]),
  )
  metrics.sample('valetkey_logins_per_hour_limit', () =>
    samples().used.map(({ labels, loginsPerHour }) => [loginsPerHour, labels]),
  )
  metrics.sample('valetkey_user_logins_last_hour', () =>
    samples().used.map(({ labels, userLoginsLastHour }) => [userLoginsLastHour, labels]),
  )
  metrics.sample('valetkey_connection_lost', () =>
    samples().used.flatMap(({ labels, isConnectionLost }) =>
      isConnectionLost === undefined ? [] : [[Number(isConnectionLost), labels] as const],
    ),
  )
  metrics.sample('valetkey_integrations_sample_age_seconds', () => {
    const { at } = samples()
    return at === undefined ? [] : [[seconds(monotonic() - at)]]
  })
  metrics.sample('valetkey_metric_series_left_out', () => [
    ...[...metrics.leftOut()].map(([metric, count]) => [count, { metric }] as const),
    ...unsampled(samples()),
  ])
}

/** Metrics with one series per used integration. */
const BY_USE = [
  'valetkey_integration_refused',
  'valetkey_logins_last_hour',
  'valetkey_logins_per_hour_limit',
  'valetkey_user_logins_last_hour',
] as const satisfies readonly (keyof typeof METRICS)[]

const unsampled = ({ unsampled: count }: Samples) =>
  count === 0 ? [] : BY_USE.map((metric) => [count, { metric }] as const)

const seconds = (ms: number) => Math.round(ms / 1000)

function leaseStates(
  entries: Iterable<Entry>,
  now: number,
): readonly Sample<(typeof METRICS)['valetkey_leases']>[] {
  const counts: Record<LeaseState, number> = { usable: 0, due: 0, ended: 0 }
  for (const { lease } of entries) if (lease) counts[stateOf(lease, now)] += 1
  return LEASE_STATES.map((state) => [counts[state], { state }])
}

function stateOf(
  { expiresAt, refreshAt }: { readonly expiresAt: number; readonly refreshAt: number },
  now: number,
): LeaseState {
  if (expiresAt <= now) return 'ended'
  return refreshAt <= now ? 'due' : 'usable'
}

/** Whether a replica refreshes the lease: it is in use and may be minted. */
const isRefreshed = (integration: Integration, lease: Lease, isInUse: boolean, now: number) =>
  lease.expiresAt > now &&
  integration.enabled &&
  !isDraft(integration) &&
  (isInUse || integration.keepWarm)

function restingCount(entries: Iterable<Entry>, now: number): number {
  let count = 0
  for (const { integration, refusal } of entries) {
    if (refusal?.version !== integration.version) continue
    if (lastRefusalOf(integration.name, refusal).isResting(now)) count += 1
  }
  return count
}
