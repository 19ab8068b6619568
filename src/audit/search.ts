/** Pages of the stored events that a principal may see, newest first. */
import { Type } from 'typebox'
import { allows, allowsAll, type Principal } from '../callers/policy.ts'
import { BrokerError } from '../errors/errors.ts'
import { bodyReader, nullable } from '../store/record-body.ts'
import type { EventLog } from '../store/store.ts'
import type { AuditEvent } from './event.ts'
import { sharesOf } from './event.ts'
import type { AuditQuery } from './schemas.ts'

export type AuditSearch = ReturnType<typeof createAuditSearch>

interface AuditSearchDependencies {
  readonly events: Pick<EventLog, 'read'>
  /** Current labels of the integration. Undefined: it does not exist. */
  readonly labelsOf: (name: string) => Promise<Readonly<Record<string, string>> | undefined>
}

const readEvent = bodyReader(
  Type.Unsafe<AuditEvent>(
    Type.Object({
      at: Type.String(),
      integration: nullable(Type.String()),
      detail: Type.Optional(
        Type.Object({ integrations: Type.Optional(Type.Array(Type.String())) }),
      ),
    }),
  ),
)

const DEFAULT_LIMIT = 50
const READ_LIMIT = 1_000
/** Most events that one request reads, however few of them match. */
const LOOK_LIMIT = 10_000
/** The log has the store's order. By the clocks of the replicas, it is nearly ordered by time. */
const DISORDER_MS = 3_600_000

export function createAuditSearch({ events, labelsOf }: AuditSearchDependencies) {
  return {
    async page(
      query: AuditQuery,
      principal: Principal,
    ): Promise<{ readonly items: readonly AuditEvent[]; readonly nextCursor: string | null }> {
      const limit = query.limit ?? DEFAULT_LIMIT
      const matches = filterOf(query)
      const shown = visibilityFor(principal, labelsOf)
      const isTooOld = ageOf(query)
      const items: AuditEvent[] = []
      let before = query.cursor === undefined ? undefined : idOf(query.cursor)
      for (let looked = 0; looked < LOOK_LIMIT; looked += READ_LIMIT) {
        const page = await events.read({
          limit: READ_LIMIT,
          shares: sharesOf(query.action),
          ...(before !== undefined && { before }),
        })
        for (const { id, body } of page) {
          const event = eventIn(body, id)
          if (event && isTooOld(event)) return { items, nextCursor: null }
          const visible = event && matches(event) ? await shown(event) : undefined
          if (visible) {
            if (items.length === limit) return { items, nextCursor: cursorOf(before) }
            items.push(visible)
          }
          before = id
        }
        if (page.length < READ_LIMIT) return { items, nextCursor: null }
      }
      return { items, nextCursor: cursorOf(before) }
    },
  }
}

/** Undefined: the event is of another version or corrupt. Other events are still found. */
function eventIn(body: string, id: string): AuditEvent | undefined {
  try {
    return readEvent(body, `event ${id}`)
  } catch {
    return undefined
  }
}

/** The last event that was read, encoded so that nobody writes it by hand. */
const cursorOf = (id: string | undefined) =>
  id === undefined ? null : Buffer.from(id).toString('base64url')

function idOf(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString()
  if (cursorOf(id) !== cursor) {
    throw new BrokerError('request_invalid', 'query/cursor is not a cursor of this service')
  }
  return id
}

function filterOf(query: AuditQuery): (event: AuditEvent) => boolean {
  const { integration, principal, action } = query
  const since = query.since === undefined ? Number.NEGATIVE_INFINITY : Date.parse(query.since)
  const until = query.until === undefined ? Number.POSITIVE_INFINITY : Date.parse(query.until)
  return (event) => {
    if (integration !== undefined && !namesIn(event).includes(integration)) return false
    if (principal !== undefined && event.principal !== principal) return false
    if (action !== undefined && event.action !== action) return false
    const at = Date.parse(event.at)
    return at >= since && at < until
  }
}

function ageOf({ since }: AuditQuery): (event: AuditEvent) => boolean {
  if (since === undefined) return () => false
  const end = Date.parse(since) - DISORDER_MS
  return (event) => Date.parse(event.at) < end
}

/** Integrations of the event. A line of denials may have several. */
const namesIn = ({ integration, detail }: AuditEvent): readonly (string | null)[] =>
  detail?.integrations ?? [integration]

/** Shows events of integrations that the principal's `audit:read` covers, without the names of others. Events without an integration need a permission for all. */
function visibilityFor(principal: Principal, labelsOf: AuditSearchDependencies['labelsOf']) {
  const permits = principal.permits.filter(({ permission }) => permission === 'audit:read')
  const hasLabels = permits.some(({ labels }) => Object.keys(labels).length > 0)
  const coversAll = allowsAll(principal, 'audit:read')
  const known = new Map<string, boolean>()

  const isCovered = async (name: string): Promise<boolean> => {
    const answer = known.get(name)
    if (answer !== undefined) return answer
    const labels = hasLabels ? await labelsOf(name) : undefined
    const covered = allows(principal, 'audit:read', { name, ...(labels && { labels }) })
    known.set(name, covered)
    return covered
  }

  return async (event: AuditEvent): Promise<AuditEvent | undefined> => {
    if (coversAll) return event
    const covered: string[] = []
    for (const name of namesIn(event)) {
      if (name !== null && (await isCovered(name))) covered.push(name)
    }
    if (covered.length === 0) return undefined
    return event.detail?.integrations
      ? { ...event, detail: { ...event.detail, integrations: covered } }
      : event
  }
}
