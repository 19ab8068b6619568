/** A connection: an operator requested a refresh token, and a person at Salesforce has to allow it. Pure. */
import { createHash } from 'node:crypto'
import { Type } from 'typebox'
import { Absent } from '../callers/permission-resolver.ts'
import type { Refusal } from '../grants/refusals/refusals.ts'
import { Identity } from '../identity/identity.ts'
import type { Integration } from '../integrations/integration.ts'
import { type BodyOf, nameIn, nullable } from '../store/record-body.ts'

export const CONNECTION_FLOWS = ['authorization_code', 'device'] as const

export type Flow = (typeof CONNECTION_FLOWS)[number]

/** The states, with texts for people. */
export const CONNECTION_STATUSES = {
  pending: 'nobody has decided at Salesforce yet',
  connected: 'the integration has the refresh token',
  denied: 'the person at Salesforce said no',
  expired:
    'nobody came back in time: nobody decided, or Salesforce showed its own error page, which does not come back here',
  failed: 'it was allowed, and did not work; `reason` and `refusal` say why',
} as const

export type ConnectionStatus = keyof typeof CONNECTION_STATUSES

/** Reasons of a failure, besides the codes of problems: a closed list. */
export const REASONS = {
  interrupted: 'A replica died while it fetched the tokens; begin again',
  integration_changed: 'The integration was changed since it began; begin again',
  integration_frozen: 'An operator froze the integration',
  permission_lost: 'Who began it may not connect the integration any more',
  superseded: 'It was connected or disconnected by others meanwhile',
  refresh_token_missing:
    'Salesforce gave no refresh token; the app needs the scope refresh_token, offline_access',
  signature_invalid: 'The answer is not signed with the consumer secret of the integration',
} as const

export const ConnectionBody = Type.Object({
  name: Type.String(),
  uid: Type.String(),
  flow: Type.Enum(CONNECTION_FLOWS),
  /** The target at the beginning. The integration may change meanwhile. */
  target: Type.String(),
  /** The family of refresh tokens that it replaces. Null: there was none. */
  replaces: nullable(Type.String()),
  by: Absent,
  requestId: Type.String(),
  /** Null: all scopes of the app. */
  scopes: nullable(Type.Array(Type.String())),
  beganAt: Type.Number(),
  expiresAt: Type.Number(),
  /** `claimed`: the only exchange is running. */
  state: nameIn({ ...CONNECTION_STATUSES, claimed: '' }),
  claimedAt: nullable(Type.Number()),
  endedAt: nullable(Type.Number()),
  /** SHA-256 of the secret half of `state`, base64url. Used by the web server flow. */
  stateDigest: nullable(Type.String()),
  /** The sealed PKCE verifier or device code. Null after the end. */
  sealed: nullable(Type.String()),
  /** The code of a problem, or one of {@link REASONS}. */
  reason: nullable(Type.String()),
  refusal: nullable(Type.Unsafe<Refusal>(Type.Object({ reason: Type.String() }))),
  identity: nullable(Identity),
})

export interface Connection extends BodyOf<typeof ConnectionBody> {
  readonly id: string
}

/** An exchange takes seconds. If it takes longer than this, its replica has died. */
const CLAIM_MS = 60_000

/** The status at this time. The end of the lifetime is computed, not stored. */
export function statusOf(
  { state, expiresAt, claimedAt }: Connection,
  now: number,
): ConnectionStatus {
  if (state === 'pending') return now < expiresAt ? 'pending' : 'expired'
  if (state !== 'claimed') return state
  return now < (claimedAt ?? 0) + CLAIM_MS ? 'pending' : 'failed'
}

export function reasonOf(connection: Connection, now: number): string | null {
  const isStuck = connection.state === 'claimed' && statusOf(connection, now) === 'failed'
  return isStuck ? 'interrupted' : connection.reason
}

/** Whether its status is final. */
export const hasConnectionEnded = (connection: Connection | undefined): boolean =>
  connection !== undefined && connection.state !== 'pending' && connection.state !== 'claimed'

export const claimed = (connection: Connection, now: number): Connection => ({
  ...connection,
  state: 'claimed',
  claimedAt: now,
})

export type ConnectionEnding =
  | { readonly state: 'connected'; readonly identity: Identity }
  | {
      readonly state: 'denied' | 'failed' | 'expired'
      readonly reason: string | null
      readonly refusal: Refusal | null
    }

/** Ends it and removes its secrets. */
export const ended = (
  connection: Connection,
  ending: ConnectionEnding,
  now: number,
): Connection => ({
  ...connection,
  ...ending,
  sealed: null,
  endedAt: now,
})

/** The settings that decide where the person is sent, and as whom. If they change, the connection becomes void. */
export function targetOf({ loginUrl, grant }: Pick<Integration, 'loginUrl' | 'grant'>): string {
  return createHash('sha256')
    .update(JSON.stringify([loginUrl, grant]))
    .digest('base64url')
}

/** Salesforce requires this scope for a refresh token, although RFC 6749 does not. */
export function withRefreshScope(scopes: readonly string[] | undefined): readonly string[] | null {
  if (scopes === undefined) return null
  const has = scopes.some((scope) => scope === 'refresh_token' || scope === 'offline_access')
  return has ? scopes : [...scopes, 'refresh_token']
}
