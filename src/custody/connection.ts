/** Whether an integration has a working refresh token, and if not, why. Pure. */
import { Type } from 'typebox'
import { BrokerError } from '../errors/errors.ts'
import type { CustodyRecord } from '../store/custody.ts'
import { DOUBTED_PREFIX } from '../store/custody-age.ts'
import { type BodyOf, bodyReader } from '../store/record-body.ts'

/** How long after a presentation its answer may arrive. */
export const SETTLE_MS = 60_000

/** Reasons for a lost connection: a closed list, used in events, metrics and problems. */
export const LOST_REASONS = {
  never_connected: 'It was never connected.',
  disconnected: 'An operator disconnected it.',
  refresh_token_refused:
    'Salesforce refused its refresh token: it expired, was revoked, or was used elsewhere.',
  answer_lost:
    'An answer of Salesforce was lost on the wire, and with it the only copy of the next refresh token.',
  store_rewound: 'The store went back in time, to a refresh token that is used up.',
  other_client: 'Its refresh token is for another login_url or another client_id.',
} as const

export type LostReason = keyof typeof LOST_REASONS

export const Binding = Type.Object({ loginUrl: Type.String(), clientId: Type.String() })

export type Binding = BodyOf<typeof Binding>

const CustodyBody = Type.Object({
  ...Binding.properties,
  /** Fingerprints of refresh tokens with which families of this integration began, newest first. None of them begins another family. */
  seeds: Type.Array(Type.String()),
})

/** The public part of a custody. */
export type CustodyBody = BodyOf<typeof CustodyBody>

export interface ConnectionState {
  /** `unsettled`: a presentation is running, or its result is unknown. */
  readonly state: 'connected' | 'unsettled' | 'not_connected'
  readonly reason: LostReason | null
  /** Epoch milliseconds. Null: it was never connected. */
  readonly since: number | null
}

const readBody = bodyReader(CustodyBody)

/** `name`: of the integration. Throws `record_corrupt`, `another_version`. */
export const bodyOf = (name: string, { body }: Pick<CustodyRecord, 'body'>): CustodyBody =>
  readBody(body, `of the connection of integration ${name}`)

/** `seed`: the fingerprint of the refresh token in its active credential, which begins a family at its first use. */
export function connectionOf(
  integration: { readonly name: string; readonly uid: string; readonly loginUrl: string },
  clientId: string | undefined,
  seed: string | undefined,
  record: CustodyRecord | undefined,
): ConnectionState {
  const own = record?.uid === integration.uid ? record : undefined
  const body = own && bodyOf(integration.name, own)
  if (seed !== undefined && !body?.seeds.includes(seed)) {
    return { state: 'connected', reason: null, since: null }
  }
  if (!own || !body) return { state: 'not_connected', reason: 'never_connected', since: null }
  const since = own.at
  if (own.state === 'dead') {
    return { state: 'not_connected', reason: reasonOf(own), since }
  }
  if (body.loginUrl !== integration.loginUrl || body.clientId !== clientId) {
    return { state: 'not_connected', reason: 'other_client', since }
  }
  return { state: own.state === 'spend' ? 'unsettled' : 'connected', reason: null, since }
}

/** A newer release may have more reasons. */
const reasonOf = ({ reason }: CustodyRecord): LostReason =>
  Object.hasOwn(LOST_REASONS, reason) ? (reason as LostReason) : 'refresh_token_refused'

export const notConnected = (
  name: string,
  reason: LostReason,
  since: number | null,
  cause?: unknown,
): BrokerError =>
  new BrokerError(
    'integration_not_connected',
    `${LOST_REASONS[reason]} Connect it with POST /integrations/${name}/connections, or give it a fresh refresh token with PATCH /integrations/${name}.`,
    {
      members: { reason, ...(since !== null && { since: new Date(since).toISOString() }) },
      ...(cause !== undefined && { cause }),
    },
  )

/** Marks a temporary error. */
class Unsettled extends Error {
  override readonly name = 'Unsettled'
}

/** No refresh token is presented until the result of the last presentation is known. */
export const unsettled = (retryAfterMs: number, cause?: unknown): BrokerError =>
  new BrokerError(
    'salesforce_unavailable',
    'It is not known yet whether Salesforce accepted the refresh token, and it must not be presented twice.',
    { cause: new Unsettled('the refresh token is unsettled', { cause }), retryAfterMs },
  )

/** The store may be an old copy, and then this token is used up. */
export const doubted = (name: string, retryAfterMs: number): BrokerError =>
  new BrokerError(
    'refresh_token_doubted',
    `The store may be an old one, and the refresh token of ${name} used up since: using it again would end the connection at Salesforce.`,
    { cause: new Unsettled('the refresh token is in doubt'), retryAfterMs },
  )

/** Whether a token waits until the store is known to be current. */
export const isDoubted = ({ state, id }: Pick<CustodyRecord, 'state' | 'id'>): boolean =>
  state === 'spend' && id.startsWith(DOUBTED_PREFIX)

/** Throws while the answer of its last presentation may still arrive. */
export function checkSettled(name: string, record: CustodyRecord, now: number): void {
  const restMs = SETTLE_MS - (now - record.at)
  if (record.state !== 'spend' || restMs <= 0) return
  throw isDoubted(record) ? doubted(name, restMs) : unsettled(restMs)
}

/** Whether the error is about the refresh token only, and not about the login host. */
export const isUnsettled = (error: unknown): boolean =>
  error instanceof BrokerError && error.cause instanceof Unsettled
