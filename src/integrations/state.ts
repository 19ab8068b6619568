/** The state of an integration, from what is stored of it and the time. Pure. */
import { activeOf } from '../credentials/credential.ts'
import type { IndexEntry } from '../store/listing/listing-index.ts'
import type { Integration } from './integration.ts'
import { isDraft } from './integration.ts'
import type { IntegrationState } from './status.ts'

/** What decides the state. Times are epoch milliseconds of the store. */
export interface StateFacts {
  /** Its refresh token is lost, or it never had one. */
  readonly isUnconnected: boolean
  /** When the lease ends. Undefined: there is none. */
  readonly leaseUntil: number | undefined
  /** Salesforce gave a token of another identity, which is not served. */
  readonly hasOtherIdentity: boolean
  /** The last refusal, of this version. */
  readonly refusal: RefusalFacts | undefined
  /** It had a token once. */
  readonly hasSubject: boolean
}

interface RefusalFacts {
  /** When it is no longer remembered. */
  readonly until: number
  readonly isPropagating: boolean
  /** The reason of Salesforce's refusal, or the code of the problem. */
  readonly reason: string
}

export function stateAt(integration: Integration, facts: StateFacts, at: number): IntegrationState {
  const { leaseUntil, refusal } = facts
  if (!integration.enabled) return 'disabled'
  if (isDraft(integration)) return 'draft'
  // Also while a lease is valid: an operator has to act before it ends.
  if (facts.isUnconnected) return 'not_connected'
  if (leaseUntil !== undefined && leaseUntil > at) return 'ready'
  if (facts.hasOtherIdentity) return 'identity_changed'
  if (refusal && refusal.until > at) return refusal.isPropagating ? 'propagating' : 'refused'
  return facts.hasSubject ? 'ready' : 'unproven'
}

/** The group of integrations whose record is unusable. */
export const UNUSABLE = 'state/unusable'

export const groupOfState = (state: IntegrationState): string => `state/${state}`
export const groupOfLabel = (key: string, value: string): string => `label/${key}:${value}`

const DAY_MS = 86_400_000
/** 5 January 1970 was a Monday. */
const FIRST_MONDAY_MS = 4 * DAY_MS
const WEEK_MS = 7 * DAY_MS

/** The Monday of the week in UTC, as `YYYY-MM-DD`. */
const weekOf = (at: number): string =>
  new Date(Math.floor((at - FIRST_MONDAY_MS) / WEEK_MS) * WEEK_MS + FIRST_MONDAY_MS)
    .toISOString()
    .slice(0, 10)

/** The entry of the listing index at this time. */
export function entryOf(integration: Integration, facts: StateFacts, now: number): IndexEntry {
  const state = stateAt(integration, facts, now)
  const { leaseUntil, refusal } = facts
  const refused = refusal && refusal.until > now ? refusal : undefined
  const ends = activeOf(integration.credentials)?.certificate?.notAfter
  const turns = [leaseUntil, refused?.until].filter(
    (at): at is number =>
      at !== undefined &&
      at > now &&
      (at === refused?.until || stateAt(integration, facts, at) !== state),
  )
  return {
    groups: [
      groupOfState(state),
      ...Object.entries(integration.labels).map(([key, value]) => groupOfLabel(key, value)),
      ...(refused ? [`refusal/${refused.reason.slice(0, 64) || 'unknown'}`] : []),
      ...(ends === undefined ? [] : [`certificate/${weekOf(ends)}`]),
    ],
    isSteady: state === 'ready' && facts.hasSubject && !facts.hasOtherIdentity && !refused,
    turnsAt: turns.length > 0 ? Math.min(...turns) : null,
    certificateEndsAt: ends ?? null,
  }
}

/** The entry of an integration whose record cannot be used. */
export const UNUSABLE_ENTRY: IndexEntry = {
  ...{ groups: [UNUSABLE], isSteady: false, turnsAt: null, certificateEndsAt: null },
}
