/** What the status page shows: for a principal, and with the same data as the API gives it. */
import { allowsAll, type Principal } from '../callers/policy.ts'
import { NAMED_IN_ANSWERS } from '../callers/reference-table.ts'
import { managesFreezes } from '../freezes/access.ts'
import type { Freeze } from '../freezes/freeze.ts'
import type { Readiness } from '../http/server/health.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import type { createListing } from '../integrations/listing/listing.ts'
import type { createSummary, Summary } from '../integrations/listing/summary.ts'
import type { IntegrationState } from '../integrations/status.ts'
import type { ReplicaKeys, Replicas } from '../keyring/replicas.ts'
import { unlessUnusable } from '../store/integrity/record-schema.ts'
import type { CallerCounts } from '../usage/caller-counts.ts'
import type { MintHours } from '../usage/mint-hours.ts'
import {
  type Attention,
  certificateAttention,
  certificateLimit,
  freezeAttention,
  NEEDY_STATES,
  type SeenFreeze,
  stateAttention,
  unusableAttention,
  type View,
} from './attention.ts'

export interface OverviewQuery {
  readonly state?: IntegrationState | 'frozen'
  readonly label?: string
  readonly cursor?: string
}

export interface Overview {
  /** Epoch milliseconds. */
  readonly at: number
  readonly summary: Summary
  readonly needs: Needs
  readonly table: TablePage
  readonly service: ServiceState
}

interface Needs {
  readonly items: readonly Attention[]
  /** Whether any of the items is a freeze. */
  readonly isFrozen: boolean
  /** Whether there are more than the items. */
  readonly isCut: boolean
}

interface TablePage {
  readonly rows: readonly TableRow[]
  /** Names of those whose record cannot be used. */
  readonly corrupt: readonly string[]
  readonly nextCursor: string | null
}

export interface TableRow {
  readonly view: View
  /** Principals that fetched a token within 24 hours. Absent: the record of them cannot be used. */
  readonly callers?: number
}

export interface ServiceState {
  readonly readiness: Readiness
  /** Absent: the principal may not see them, or one of their records cannot be used. */
  readonly replicas?: readonly ReplicaKeys[]
  /** Absent: the principal may not see every integration. */
  readonly hours?: Awaited<ReturnType<MintHours['read']>>
}

interface OverviewDependencies {
  readonly integrations: Pick<IntegrationStore, 'read'> & {
    readonly page: ReturnType<typeof createListing>['page']
    readonly summaryFor: ReturnType<typeof createSummary>['of']
  }
  /** The freezes that the principal may see in full. */
  readonly freezesFor: (principal: Principal) => Promise<readonly Freeze[]>
  readonly counts: Pick<CallerCounts, 'read'>
  readonly replicas: Replicas['list']
  readonly hours: Pick<MintHours, 'read'>
  readonly readiness: () => Readiness
  readonly now: () => number
}

/** Of each kind of need. */
const NEEDS_MAX = 20
const DAY_MS = 86_400_000

export function createOverview(dependencies: OverviewDependencies) {
  const { integrations, freezesFor, counts, replicas, hours, readiness, now } = dependencies

  const callersOf = async (name: string): Promise<Pick<TableRow, 'callers'>> => {
    const integration = await unlessUnusable(integrations.read(name))
    const read = integration && (await unlessUnusable(counts.read(integration)))
    if (!read) return {}
    return { callers: read.rows.filter(({ lastAt }) => lastAt > now() - DAY_MS).length }
  }

  /** Others are seen by what they say in the integrations that they select. */
  const seenFreezes = async (principal: Principal): Promise<readonly SeenFreeze[]> => {
    const full = await freezesFor(principal)
    if (managesFreezes(principal)) return full
    const page = await integrations.page({ state: 'frozen', limit: NEEDS_MAX }, principal)
    const seen = new Map<string, SeenFreeze>()
    for (const { status } of page.items) {
      const { id, since, reason } = status.frozen ?? {}
      if (id === undefined || since === undefined || reason === undefined) continue
      seen.set(id, { id, since: Date.parse(since), reason })
    }
    for (const freeze of full) seen.set(freeze.id, freeze)
    return [...seen.values()].sort((a, b) => a.since - b.since)
  }

  const needsOf = async (principal: Principal, at: number): Promise<Needs> => {
    const limit = NEEDS_MAX
    const before = new Date(certificateLimit(at)).toISOString()
    const [freezes, ending, ...needy] = await Promise.all([
      seenFreezes(principal),
      integrations.page({ certificate_expires_before: before, limit }, principal),
      ...NEEDY_STATES.map((state) => integrations.page({ state, limit }, principal)),
    ])
    const unusable = new Set([ending, ...needy].flatMap(({ corrupt }) => corrupt))
    return {
      items: [
        ...freezes.slice(0, limit).map(freezeAttention),
        ...needy.flatMap(({ items }) => items).map(stateAttention),
        ...[...unusable].map(unusableAttention),
        ...ending.items.map((view) => certificateAttention(view, at)),
      ],
      isFrozen: freezes.length > 0,
      isCut:
        freezes.length > limit || [ending, ...needy].some(({ nextCursor }) => nextCursor !== null),
    }
  }

  const tableOf = async (principal: Principal, query: OverviewQuery): Promise<TablePage> => {
    const { items, corrupt, nextCursor } = await integrations.page(query, principal)
    const rows = await Promise.all(
      items.map(async (view) => ({ view, ...(await callersOf(view.name)) })),
    )
    return { rows, corrupt, nextCursor }
  }

  const serviceOf = async (principal: Principal): Promise<ServiceState> => {
    const [alive, counted] = await Promise.all([
      allowsAll(principal, 'service:manage') ? unlessUnusable(replicas()) : undefined,
      allowsAll(principal, NAMED_IN_ANSWERS) ? hours.read() : undefined,
    ])
    return {
      readiness: readiness(),
      ...(alive && { replicas: alive }),
      ...(counted && { hours: counted }),
    }
  }

  return {
    readiness,
    /** Rejects with `request_invalid` for an unknown cursor, `store_unavailable` and similar problems. */
    async of(principal: Principal, query: OverviewQuery): Promise<Overview> {
      const at = now()
      const [counted, needs, table, service] = await Promise.all([
        integrations.summaryFor(principal),
        needsOf(principal, at),
        tableOf(principal, query),
        serviceOf(principal),
      ])
      return { at, summary: counted, needs, table, service }
    },
  }
}
