/** Presents a refresh token once, after a durable intent. Serves nothing before the successor is stored. */

import type { Secret } from '../crypto/secret.ts'
import type { StoredDpopKey } from '../dpop/dpop-key.ts'
import { BrokerError } from '../errors/errors.ts'
import { refusalOf, refusalRow } from '../grants/refusals/refusals.ts'
import type { TokenAnswer } from '../grants/token-endpoint/token-answer.ts'
import { wasNeverSent } from '../http/outbound/outbound.ts'
import { within } from '../runtime/timeout.ts'
import { isOfSigner } from '../signers/signing-problem.ts'
import { untilWritten } from '../store/compare-and-set.ts'
import type { CustodyRecord } from '../store/custody.ts'
import { checkSettled, connectionOf, notConnected, SETTLE_MS, unsettled } from './connection.ts'
import type { CustodyStore, CustodyTarget, SealedBinding } from './custody-store.ts'
import type { Intents } from './intent.ts'
import type { RotatedTokens } from './rotated-tokens.ts'
import type { Introspect, UnknownOutcomeResolver } from './unknown-outcome-resolver.ts'

/** Requests to Salesforce with client authentication. */
export interface Wire {
  /** One request without retries. `onRenewed` gets the successor as soon as it is read. */
  present(
    refreshToken: Secret,
    options: {
      readonly signal: AbortSignal
      readonly onRenewed: (token: Secret) => void
      /** The key that proves each use of this refresh token. */
      readonly dpopKey?: StoredDpopKey
    },
  ): Promise<TokenAnswer>
  readonly introspect: Introspect
}

export type RefreshTokenExchange = ReturnType<typeof createExchange>

/** Long, because an answer may hold the only copy of a refresh token. */
const ANSWER_MS = 45_000
/** Each may cost a login. */
const EXCHANGES = 3

/** Refusals before Salesforce looks at the refresh token: because of the client, the address, the hours, the number of logins, or the proof. */
const BEFORE_USE: ReadonlySet<string> = new Set([
  'client_id_invalid',
  'ip_restricted',
  'login_hours',
  'login_rate_exceeded',
  'dpop_nonce_wanted',
  'dpop_proof_invalid',
  'dpop_required',
])

export function createExchange(dependencies: {
  readonly store: Pick<CustodyStore, 'read' | 'open'>
  readonly intents: Intents
  readonly rotated: RotatedTokens
  readonly resolver: UnknownOutcomeResolver
  /** Called when the store went back in time. */
  readonly onRewound: () => Promise<void>
  /** Revokes a token at Salesforce, at once or later. */
  readonly endToken: (
    loginUrl: string,
    of: {
      readonly integration: string
      readonly token: Secret
      readonly dpopKey?: StoredDpopKey
    },
  ) => Promise<unknown>
}) {
  const { store, intents, rotated, resolver, onRewound, endToken } = dependencies

  const live = async (target: CustodyTarget, clientId: string) => {
    const ours = rotated.acknowledged(target.uid)
    const found = await store.read(target)
    const isRewound = ours && ours.family === found.record?.family && ours.g > found.record.g
    if (isRewound) await onRewound()
    const { record, now } = isRewound ? await store.read(target) : found
    const { state, reason, since } = connectionOf(target, clientId, undefined, record)
    if (!record || state === 'not_connected') {
      throw notConnected(target.name, reason ?? 'never_connected', since)
    }
    return { record, now }
  }

  /** Handles a refusal or a failure. Undefined: other replicas changed the state meanwhile. */
  const failed = async (
    target: CustodyTarget,
    record: CustodyRecord,
    id: string,
    error: unknown,
  ): Promise<undefined> => {
    const reason = refusalOf(error)?.reason
    if (reason === 'refresh_token_expired') {
      if (!(await resolver.lose(target, { ...record, id }, 'refresh_token_refused'))) {
        return undefined
      }
      throw notConnected(target.name, 'refresh_token_refused', null, error)
    }
    if (reason === 'request_in_progress') throw unsettled(SETTLE_MS, error)
    // Without a proof, nothing was sent but what Salesforce refused for its nonce.
    const isBeforeUse =
      reason === undefined
        ? error instanceof BrokerError && (wasNeverSent(error.cause) || isOfSigner(error))
        : BEFORE_USE.has(reason) || refusalRow(reason).signature === true
    if (isBeforeUse) await intents.takeBack(target, id)
    throw error
  }

  /** The family ended while Salesforce answered, so the new tokens are revoked. */
  const disown = async (
    target: CustodyTarget,
    token: Secret,
    { loginUrl, dpopKey }: SealedBinding,
  ) => {
    const { record } = await store.read(target)
    const current = record && record.token !== '' && (await store.open(target, record)).token
    if (current && current.reveal() === token.reveal()) return
    await endToken(loginUrl, { integration: target.name, token, ...(dpopKey && { dpopKey }) })
  }

  const attempt = async (target: CustodyTarget, clientId: string, wire: Wire) => {
    intents.checkRunning()
    const { record, now } = await live(target, clientId)
    const go = await resolver.of(target, record, now, wire.introspect)
    if (go === undefined) return undefined
    const { token: presented, ...binding } = await store.open(target, record)
    const id = await intents.note(target, record, go === 'final')
    if (id === undefined) return undefined
    let renewed: Secret | undefined
    let answer: TokenAnswer
    try {
      const onRenewed = (token: Secret) => {
        renewed = token
      }
      const { dpopKey } = binding
      const options = { onRenewed, ...(dpopKey && { dpopKey }) }
      answer = await within(ANSWER_MS, (signal) => wire.present(presented, { signal, ...options }))
    } catch (error) {
      if (!renewed) return failed(target, record, id, error)
      if (!(await rotated.keep(target, record, renewed, binding))) {
        await disown(target, renewed, binding)
      }
      throw error
    }
    if (await rotated.keep(target, record, renewed ?? presented, binding)) return answer
    await disown(target, renewed ?? presented, binding)
    return undefined
  }

  return {
    /** Throws what a mint would throw without a request to Salesforce: `integration_not_connected`, or `salesforce_unavailable` while it is unsettled. */
    async check(target: CustodyTarget, clientId: string): Promise<void> {
      const { record, now } = await live(target, clientId)
      checkSettled(target.name, record, now)
    },

    /** Returns a token answer whose refresh token is stored. Throws what a grant throws, `integration_not_connected`, `store_unavailable`. */
    exchange: (target: CustodyTarget, clientId: string, wire: Wire): Promise<TokenAnswer> =>
      untilWritten(
        `the refresh token of ${target.name}`,
        async () => (await attempt(target, clientId, wire)) ?? 'lost',
        { most: EXCHANGES },
      ),

    /** Finds out the result of a presentation whose answer was lost. `unknown`: Salesforce does not say. Throws while it is too early, and while Salesforce is unavailable. */
    async settle(
      target: CustodyTarget,
      clientId: string,
      introspect: Introspect,
    ): Promise<'settled' | 'unknown'> {
      const { record, now } = await live(target, clientId)
      if (record.state === 'idle') return 'settled'
      const go = await resolver.of(target, record, now, introspect)
      if (go === 'final') return 'unknown'
      if (go === 'go') await intents.takeBack(target, record.id)
      return 'settled'
    },
  }
}
