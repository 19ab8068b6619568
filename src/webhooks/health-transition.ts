/** Whether an integration was well when it was last heard of: one event when it falls ill, one when it is well again, however many requests find out. Pure. */
import { Type } from 'typebox'
import { type BodyOf, nullable } from '../store/record-body.ts'

type Down = 'refused' | 'identity_changed' | 'not_connected'

export const HealthState = Type.Object({
  /** The uid of the integration, so that a new integration with the same name starts without a pin. */
  uid: Type.String(),
  /** Null: it is well, as far as anybody was told. */
  down: nullable(Type.Unsafe<Down>(Type.String())),
  reason: nullable(Type.String()),
  /** Since when it is down, or in doubt. */
  since: nullable(Type.Number()),
})

export type HealthState = BodyOf<typeof HealthState>

export type Sign =
  | { readonly is: 'up' }
  | { readonly is: 'down'; readonly down: Down; readonly reason: string | null }
  /** It may be no more than a change that spreads in Salesforce. */
  | { readonly is: 'doubt'; readonly reason: string }

export interface HealthTransition {
  readonly next: HealthState
  /** The event to send; undefined: none. */
  readonly tell: Down | 'recovered' | undefined
}

/** After this time a change has reached all servers of Salesforce. */
export const DOUBT_MS = 600_000

/** Undefined: nothing changes. */
export function turnOf(
  before: HealthState | undefined,
  uid: string,
  sign: Sign,
  now: number,
): HealthTransition | undefined {
  const edge = before?.uid === uid ? before : undefined
  const fall = (down: Down, reason: string | null): HealthTransition => ({
    next: { uid, down, reason, since: now },
    tell: down,
  })
  if (sign.is === 'up') {
    if (!edge || edge.since === null) return undefined
    const next = { uid, down: null, reason: null, since: null }
    return { next, tell: edge.down === null ? undefined : 'recovered' }
  }
  if (sign.is === 'down') {
    return edge?.down === sign.down ? undefined : fall(sign.down, sign.reason)
  }
  if (edge && edge.down !== null) return undefined
  if (!edge || edge.since === null) {
    return { next: { uid, down: null, reason: sign.reason, since: now }, tell: undefined }
  }
  return now - edge.since < DOUBT_MS ? undefined : fall('refused', sign.reason)
}
