/** A connection: an operator asked for a refresh token, and a person at Salesforce is to allow it. Pure. */
import { createHash } from 'node:crypto'
import { Type } from 'typebox'
import { Absent } from '../callers/permission-resolver.ts'
import type { Refusal } from '../grants/refusals/refusals.ts'
import { Identity } from '../identity/identity.ts'
import type { Integration } from '../integrations/integration.ts'
import { type BodyOf, nameIn, nullable } from '../store/record-body.ts'

export const CONNECTION_FLOWS = ['authorization_code', 'device'] as const

export type Flow = (typeof CONNECTION_FLOWS)[number]

/** Where it stands, for people and programs. */
export const CONNECTION_STATUSES = {
  pending: 'nobody has decided at Salesforce yet',
  connected: 'the integration has the refresh token',
  denied: 'the person at Salesforce said no',
  expired:
    'nobody came back in time: nobody decided, or Salesforce showed its own error page, which does not come back here',
  failed: 'it was allowed, and did not work; `reason` and `refusal` say why',
} as const

export type ConnectionStatus = keyof typeof CONNECTION_STATUSES

/** Why one failed, beside the codes of problems: a closed list. */
export const REASONS = {
  interrupted: 'A replica died while it fetched the tokens; begin again',
  integration_changed: 'The integration was changed since it began; begin again',
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
  /** What it was begun for: the integration may be changed meanwhile. */
  target: Type.String(),
  /** The family of refresh tokens that it replaces; null: there was none. */
  replaces: nullable(Type.String()),
  by: Absent,
  requestId: Type.String(),
  /** Null: all scopes of the app. */
  scopes: nullable(Type.Array(Type.String())),
  beganAt: Type.Number(),
  expiresAt: Type.Number(),
  /** `claimed`: the one and only exchange is under way. */
  state: nameIn({ ...CONNECTION_STATUSES, claimed: '' }),
  claimedAt: nullable(Type.Number()),
  endedAt: nullable(Type.Number()),
  /** SHA-256 of the secret half of `state`, base64url; of the web server flow. */
  stateDigest: nullable(Type.String()),
  /** The PKCE verifier, or the device code, sealed; null once it is over. */
  sealed: nullable(Type.String()),
  /** A problem's code, or one of {@link REASONS}. */
  reason: nullable(Type.String()),
  refusal: nullable(Type.Unsafe<Refusal>(Type.Object({ reason: Type.String() }))),
  /** The identity of the tokens. */
  identity: nullable(Identity),
})

export interface Connection extends BodyOf<typeof ConnectionBody> {
  readonly id: string
}

/** An exchange takes seconds: one that takes longer than this has died. */
const CLAIM_MS = 60_000

/** Where it stands at this time: nobody writes down that time passed. */
export function statusOf(
  { state, expiresAt, claimedAt }: Connection,
  now: number,
): ConnectionStatus {
  if (state === 'pending') return now < expiresAt ? 'pending' : 'expired'
  if (state !== 'claimed') return state
  return now < (claimedAt ?? 0) + CLAIM_MS ? 'pending' : 'failed'
}

/** Why it failed. */
export function reasonOf(connection: Connection, now: number): string | null {
  const isStuck = connection.state === 'claimed' && statusOf(connection, now) === 'failed'
  return isStuck ? 'interrupted' : connection.reason
}

/** Whether the last word on it was said. */
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

/** Removes its secrets. */
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

/** Everything that decides where the person is sent, and as whom: a change of it voids the connection. */
export function targetOf({ loginUrl, grant }: Pick<Integration, 'loginUrl' | 'grant'>): string {
  return createHash('sha256')
    .update(JSON.stringify([loginUrl, grant]))
    .digest('base64url')
}

/** RFC 6749 does not say it, and Salesforce gives no refresh token without. */
export function withRefreshScope(scopes: readonly string[] | undefined): readonly string[] | null {
  if (scopes === undefined) return null
  const has = scopes.some((scope) => scope === 'refresh_token' || scope === 'offline_access')
  return has ? scopes : [...scopes, 'refresh_token']
}
