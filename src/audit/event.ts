/** Audit events: outcomes, members, and their text. */
import { ACTIONS, type Action } from './actions.ts'
import { type AuditShare, SHARE_NAMES } from './shares.ts'

export const OUTCOMES = {
  success: 'It was done',
  refused: 'Salesforce said no',
  denied: 'This service said no',
  failed: 'It was tried, and did not work; `detail.reason` says why',
  skipped_shared: 'Not done, since another integration holds the same token',
} as const

export type AuditOutcome = keyof typeof OUTCOMES

/** Optional members of an event: ids, codes of closed lists, and numbers. Never contains a secret or text of a request. */
export interface EventDetail {
  /** A problem's code or a refusal's reason. */
  readonly reason?: string
  /** Class of the refusal, and whether propagation at Salesforce may explain it. */
  readonly class?: 'transient' | 'permanent' | 'wait' | 'propagating'
  /** The `operationId` of the route. */
  readonly operation?: string
  /** The caller's address, for denials and loops of logins only. For several addresses of one network, the network. */
  readonly address?: string
  /** A number that depends on the action: further events within the minute that have no line; events that a stored entry stands for; resealed records; mistakes of a file. */
  readonly count?: number
  /** Time of the first of them: RFC 3339, milliseconds, UTC. */
  readonly since?: string
  /** The integrations of one caller's denials, if there are several. At most 20 names. */
  readonly integrations?: readonly string[]
  readonly connection?: string
  readonly credential?: string
  /** Days until a certificate expires: 60, 30, 14, 7, 1, or 0. */
  readonly days?: number
  /** Name of the integration that a credential was lent to. */
  readonly to?: string
  readonly api_key?: string
  /** Id of a freeze. */
  readonly freeze?: string
  /** The principal that a client without a credential is by its token and its address. */
  readonly client?: string
  /** Kind of a record of the store. */
  readonly record?: string
  /** Of a request that a proof was signed for. */
  readonly method?: string
  /** Its path, without the query. */
  readonly path?: string
  /** The id of the proof. */
  readonly jti?: string
  /** The /24 or /64 of a caller, or a keyed hash of it. */
  readonly network?: string
  /** Tokens that a caller read within the hour. */
  readonly reads?: number
  /** Those of its busiest hour before. */
  readonly usual?: number
}

/** The principal. Null: nobody, or the service itself. */
export interface Actor {
  readonly principal: string | null
  readonly requestId: string | null
}

export const lentEvent = (owner: string, to: string): AuditEntry => ({
  action: 'credential.lent',
  integration: owner,
  detail: { to },
})

export const NOBODY: Actor = { principal: null, requestId: null }

/** What happened, without principal and time. */
export interface AuditEntry {
  readonly action: Action
  /** Null: it concerns no integration. */
  readonly integration: string | null
  /** Default: `success`. */
  readonly outcome?: AuditOutcome
  readonly tokenId?: string
  readonly detail?: EventDetail
}

export interface AuditEvents {
  /** All entries except reads and denials, as they happen. */
  'audit.recorded': { readonly by: Actor; readonly entry: AuditEntry }
}

/** The event in the line and in the store. */
export interface AuditEvent {
  readonly id: string
  readonly at: string
  readonly principal: string | null
  readonly action: Action
  readonly integration: string | null
  readonly outcome: AuditOutcome
  readonly request_id: string | null
  readonly token_id?: string
  readonly detail?: EventDetail
}

export interface EventId {
  readonly id: string
  /** RFC 3339, milliseconds, UTC. */
  readonly at: string
}

const DETAIL_TEXT_MAX = 256

/** One line of JSON without a line break. */
export const eventText = (eventId: EventId, by: Actor, entry: AuditEntry): string =>
  JSON.stringify(eventOf(eventId, by, entry))

export function eventOf({ id, at }: EventId, by: Actor, entry: AuditEntry): AuditEvent {
  const { action, integration, outcome = 'success', tokenId, detail } = entry
  return {
    id,
    at,
    principal: by.principal,
    action,
    integration,
    outcome,
    request_id: by.requestId,
    ...(tokenId !== undefined && { token_id: tokenId }),
    ...(detail && { detail: shortened(detail) }),
  }
}

function shortened(detail: EventDetail): EventDetail {
  return Object.fromEntries(
    Object.entries(detail).map(([name, value]) => [
      name,
      typeof value === 'string' ? value.slice(0, DETAIL_TEXT_MAX) : value,
    ]),
  )
}

/** Null: the event is not stored. */
export function shareOf(
  { action }: Pick<AuditEntry, 'action'>,
  isProven: boolean,
): AuditShare | null {
  return action === 'request.denied' && !isProven ? 'strangers' : ACTIONS[action].share
}

/** All shares that may hold such events. Older releases wrote all kinds to the share of changes. */
export function sharesOf(action: AuditEntry['action'] | undefined): readonly AuditShare[] {
  if (action === undefined) return SHARE_NAMES
  const shares = ['changes', shareOf({ action }, true), shareOf({ action }, false)] as const
  return [...new Set(shares)].filter((share) => share !== null)
}
