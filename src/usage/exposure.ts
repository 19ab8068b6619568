/** What may be in wrong hands after an incident: who fetched tokens of integrations, which tokens these were, and whether they live. */
import { Type } from 'typebox'
import type { AuditEvent } from '../audit/event.ts'
import { SHARES } from '../audit/shares.ts'
import { readSubject } from '../identity/subject.ts'
import { everyIntegration } from '../integrations/every.ts'
import type { Integration } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import { unlessUnusable } from '../store/integrity/record-schema.ts'
import { bodyReader, nullable } from '../store/record-body.ts'
import type { Documents, EventLog, Outcomes } from '../store/store.ts'
import type { CallerCounts } from './caller-counts.ts'
import type { CallerRow } from './caller-days.ts'

interface ExposedRead extends CallerRow {
  readonly integration: string
}

/** `live`: it is handed out, or would be but for a freeze. `revoking`: Salesforce was asked to end it, or will be. `revoked`: it has ended. `unknown`: it is no longer handed out, and ends with its session. */
export const TOKEN_STATES = ['live', 'revoking', 'revoked', 'unknown'] as const

interface ExposedToken {
  readonly integration: string
  readonly tokenId: string
  /** RFC 3339. Null: before the events that are stored. */
  readonly mintedAt: string | null
  readonly orgId: string | null
  readonly userId: string | null
  readonly state: (typeof TOKEN_STATES)[number]
}

export interface ExposureReport {
  readonly integrations: readonly string[]
  readonly reads: readonly ExposedRead[]
  readonly tokens: readonly ExposedToken[]
  /** False: more mints came than the stored events list. The audit lines have all. */
  readonly isComplete: boolean
  /** The last integration of this part. Null: there are no more. */
  readonly next: string | null
}

export type Exposure = ReturnType<typeof createExposure>

interface ExposureDependencies {
  readonly integrations: Pick<IntegrationStore, 'list'>
  readonly store: {
    readonly documents: Documents
    readonly outcomes: Pick<Outcomes, 'look'>
    readonly events: Pick<EventLog, 'read'>
  }
  readonly counts: Pick<CallerCounts, 'read'>
  /** The tokens that Salesforce must still end. */
  readonly revoking: () => AsyncIterable<{ readonly tokenId: string }>
  readonly now: () => number
}

/** Integrations in one part of a report. */
const PART = 200
const EVENTS_PAGE = 1_000
/** With so many, the store may have dropped older ones. */
const EVENTS_MAX = SHARES.tokens.keep
/** By the clocks of the replicas, the log is nearly ordered by time. */
const DISORDER_MS = 3_600_000

const readEvent = bodyReader(
  Type.Unsafe<AuditEvent>(
    Type.Object({
      ...{ at: Type.String(), action: Type.String(), outcome: Type.String() },
      integration: nullable(Type.String()),
    }),
  ),
)

export function createExposure(dependencies: ExposureDependencies) {
  const { integrations, store, counts, revoking, now } = dependencies
  const { documents, outcomes, events } = store

  const selected = async (
    isSelected: (integration: Integration, orgIds: readonly string[]) => boolean,
    after: string | undefined,
  ) => {
    const found: { integration: Integration; orgId: string | null; userId: string | null }[] = []
    for await (const integration of everyIntegration(integrations, after)) {
      const subject = await unlessUnusable(readSubject(documents, integration))
      const { orgId = null, userId = null } = subject ?? {}
      if (!isSelected(integration, orgId === null ? [] : [orgId])) continue
      if (found.length === PART) return { found, next: found.at(-1)?.integration.name ?? null }
      found.push({ integration, orgId, userId })
    }
    return { found, next: null }
  }

  /** Mints since then, by integration and token, and revocations. */
  const history = async (names: ReadonlySet<string>, since: number) => {
    const minted = new Map([...names].map((name) => [name, new Map<string, string>()]))
    const ended = new Set<string>()
    let isComplete = true
    let before: string | undefined
    let looked = 0
    while (looked < EVENTS_MAX) {
      const page = await events.read({
        limit: EVENTS_PAGE,
        shares: ['tokens'],
        ...(before !== undefined && { before }),
      })
      for (const { id, body } of page) {
        before = id
        const event = await unlessUnusable(readLater(body, id))
        if (!event) continue
        const { integration, at, action, token_id: tokenId, detail } = event
        if (Date.parse(at) < since - DISORDER_MS) return { minted, ended, isComplete }
        if (Date.parse(at) < since) continue
        const own = integration === null ? undefined : minted.get(integration)
        if (own && (detail?.count ?? 1) > 1) isComplete = false
        if (tokenId === undefined) continue
        if (action === 'token.minted') own?.set(tokenId, at)
        // Where it was frozen, it was dropped here; that it has ended is told by another event.
        else if (event.outcome === 'success' && detail?.reason !== 'frozen') ended.add(tokenId)
      }
      looked += page.length
      if (page.length < EVENTS_PAGE) return { minted, ended, isComplete }
    }
    return { minted, ended, isComplete: false }
  }

  return {
    /** `after`: the last integration of the part before. */
    async report(
      isSelected: (integration: Integration, orgIds: readonly string[]) => boolean,
      since: number,
      after?: string,
    ): Promise<ExposureReport> {
      const { found, next } = await selected(isSelected, after)
      const names = new Set(found.map(({ integration }) => integration.name))
      const { minted, ended, isComplete } = await history(names, since)
      const queued = new Set<string>()
      for await (const { tokenId } of revoking()) queued.add(tokenId)
      const reads: ExposedRead[] = []
      const tokens: ExposedToken[] = []
      for (const { integration, orgId, userId } of found) {
        const { name } = integration
        const { rows, withNetworks } = await counts.read(integration)
        reads.push(
          ...rows
            .filter(({ lastAt }) => lastAt >= since)
            .map((row) => ({ integration: name, ...withNetworks(row) })),
        )
        const lease = (await unlessUnusable(outcomes.look(name)))?.outcome.lease
        const live = lease && lease.expiresAt > now() ? lease.tokenId : undefined
        const own = minted.get(name) ?? new Map<string, string>()
        for (const tokenId of new Set([...own.keys(), ...(live === undefined ? [] : [live])])) {
          const mintedAt = own.get(tokenId) ?? null
          const state = queued.has(tokenId)
            ? 'revoking'
            : tokenId === live
              ? 'live'
              : ended.has(tokenId)
                ? 'revoked'
                : 'unknown'
          tokens.push({ integration: name, tokenId, mintedAt, orgId, userId, state })
        }
      }
      return { integrations: [...names], reads, tokens, isComplete, next }
    },
  }
}

const readLater = async (body: string, id: string) => readEvent(body, `event ${id}`)
