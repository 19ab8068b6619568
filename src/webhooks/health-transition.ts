/** Derives the health of an integration from audit entries, and decides whether a result starts or ends an outage of an integration. Each outage gives one event at its start and one at its end, however many requests report it. Pure. */
import { Type } from 'typebox'
import type { AuditEntry } from '../audit/event.ts'
import { type BodyOf, nullable } from '../store/record-body.ts'

type Down = 'refused' | 'identity_changed' | 'not_connected'

export const HealthState = Type.Object({
  /** The uid of the integration, so that a new integration with the same name starts without a state. */
  uid: Type.String(),
  /** Null: no outage has been reported. */
  down: nullable(Type.Unsafe<Down>(Type.String())),
  reason: nullable(Type.String()),
  /** The start of the outage or of the doubt. */
  since: nullable(Type.Number()),
})

export type HealthState = BodyOf<typeof HealthState>

export type Sign =
  | { readonly is: 'up' }
  | { readonly is: 'down'; readonly down: Down; readonly reason: string | null }
  /** A change that is still spreading in Salesforce may explain the refusal. */
  | { readonly is: 'doubt'; readonly reason: string }

export interface HealthTransition {
  readonly next: HealthState
  /** The event to send; undefined: none. */
  readonly tell: Down | 'recovered' | undefined
}

/** After this time a change has reached all servers of Salesforce. */
export const DOUBT_MS = 600_000

/** Returns undefined if nothing changes. */
export function transitionOf(
  before: HealthState | undefined,
  uid: string,
  sign: Sign,
  now: number,
): HealthTransition | undefined {
  const known = before?.uid === uid ? before : undefined
  const fall = (down: Down, reason: string | null): HealthTransition => ({
    next: { uid, down, reason, since: now },
    tell: down,
  })
  if (sign.is === 'up') {
    if (!known || known.since === null) return undefined
    const next = { uid, down: null, reason: null, since: null }
    return { next, tell: known.down === null ? undefined : 'recovered' }
  }
  if (sign.is === 'down') {
    return known?.down === sign.down ? undefined : fall(sign.down, sign.reason)
  }
  if (known && known.down !== null) return undefined
  if (!known || known.since === null) {
    return { next: { uid, down: null, reason: sign.reason, since: now }, tell: undefined }
  }
  return now - known.since < DOUBT_MS ? undefined : fall('refused', sign.reason)
}

/** Undefined: the entry says nothing about health, or nothing that somebody must act on. */
export function signOf({ action, detail = {} }: AuditEntry): Sign | undefined {
  switch (action) {
    case 'token.minted':
      return { is: 'up' }
    case 'identity.changed':
      return { is: 'down', down: 'identity_changed', reason: null }
    case 'integration.not_connected':
      return { is: 'down', down: 'not_connected', reason: detail.reason ?? null }
    case 'token.refused':
      return refusalSign(detail.reason ?? '', detail.class)
    default:
      return undefined
  }
}

function refusalSign(reason: string, refusalClass: string | undefined): Sign | undefined {
  switch (refusalClass) {
    case 'permanent':
    case 'wait':
      return { is: 'down', down: 'refused', reason }
    case 'propagating':
      return { is: 'doubt', reason }
    default:
      // It lasts until somebody acts, though Salesforce refused nothing.
      if (reason === 'token_not_bound') return { is: 'down', down: 'refused', reason }
      // A page instead of a token may be a maintenance, or a sandbox that no longer exists.
      return reason === 'token_response_invalid' ? { is: 'doubt', reason } : undefined
  }
}
