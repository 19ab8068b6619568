/** Decides what may be done with a refresh token whose last presentation was not answered, and gives up lost ones. */

import { type Actor, type AuditEntry, NOBODY } from '../audit/event.ts'
import type { Secret } from '../crypto/secret.ts'
import type { StoredDpopKey } from '../dpop/dpop-key.ts'
import { BrokerError } from '../errors/errors.ts'
import { refusalOf } from '../grants/refusals/refusals.ts'
import type { Introspection } from '../grants/token-endpoint/token-answer.ts'
import type { Log } from '../runtime/runtime.ts'
import { within } from '../runtime/timeout.ts'
import type { Custodies, CustodyRecord } from '../store/custody.ts'
import { RESTORED_PREFIX } from '../store/custody-age.ts'
import {
  checkSettled,
  doubted,
  isDoubted,
  type LostReason,
  notConnected,
  unsettled,
} from './connection.ts'
import type { CustodyStore, CustodyTarget } from './custody-store.ts'

/** Asks Salesforce whether a refresh token is live. `dpopKey`: proves the request. Throws if that is unknown. */
export type Introspect = (
  refreshToken: Secret,
  signal: AbortSignal,
  dpopKey?: StoredDpopKey,
) => Promise<Introspection>

export type UnknownOutcomeResolver = ReturnType<typeof createUnknownOutcomeResolver>

export interface UnknownOutcomeResolverDependencies {
  readonly store: Pick<CustodyStore, 'open'>
  readonly custody: Pick<Custodies, 'kill'>
  /** The end of the integration's current lease. Undefined: there is none. */
  readonly leaseEndsAt: (name: string) => Promise<number | undefined>
  /** Called after its last refresh token was lost. Must not throw. */
  readonly onLost: (reason: LostReason) => void
  readonly audit: { background(by: Actor, entry: AuditEntry): void }
  readonly log: Pick<Log, 'warn' | 'error'>
}

const INTROSPECTION_MS = 4_000
/** Pause before Salesforce is asked again, after it did not say whether a token is used up. */
const DOUBTED_AGAIN_MS = 60_000

export function createUnknownOutcomeResolver(dependencies: UnknownOutcomeResolverDependencies) {
  const { store, custody, leaseEndsAt, onLost, audit, log } = dependencies

  /** Tokens in doubt about which Salesforce does not say anything, by integration. */
  const unanswered = new Map<string, { readonly id: string; readonly until: number }>()

  const lose = async (
    { name }: Pick<CustodyTarget, 'name'>,
    { family, g, id }: Pick<CustodyRecord, 'family' | 'g' | 'id'>,
    reason: LostReason,
  ): Promise<boolean> => {
    const isOurs = await custody.kill(name, { family, g, id, reason })
    if (isOurs) {
      log.error({ integration: name, reason }, 'the integration is no longer connected')
      onLost(reason)
      audit.background(NOBODY, {
        action: 'integration.not_connected',
        integration: name,
        outcome: 'failed',
        detail: { reason },
      })
    }
    return isOurs
  }

  /** Undefined: Salesforce does not say. */
  const ask = async (target: CustodyTarget, record: CustodyRecord, introspect: Introspect) => {
    const { token, dpopKey } = await store.open(target, record)
    try {
      const asked = await within(INTROSPECTION_MS, (signal) => introspect(token, signal, dpopKey))
      return asked.active
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error
      const isAway = error.code === 'salesforce_unavailable' || error.code === 'salesforce_timeout'
      if (isAway || refusalOf(error)?.class === 'transient') throw error
      log.warn({ err: error, integration: target.name }, 'a refresh token cannot be introspected')
      return undefined
    }
  }

  return {
    /** `go`: the token may be presented. `final`: it may be presented once without certainty, because nothing else is left. Undefined: other replicas changed the state. Throws `integration_not_connected`, and errors that say to wait. */
    async of(
      target: CustodyTarget,
      record: CustodyRecord,
      now: number,
      introspect: Introspect,
    ): Promise<'go' | 'final' | undefined> {
      if (record.state === 'idle') return 'go'
      checkSettled(target.name, record, now)
      const former = unanswered.get(target.name)
      if (former?.id === record.id && former.until > now) {
        throw doubted(target.name, former.until - now)
      }
      unanswered.delete(target.name)
      const isAlive = await ask(target, record, introspect)
      if (isAlive) return 'go'
      if (isAlive === undefined && isDoubted(record)) {
        unanswered.set(target.name, { id: record.id, until: now + DOUBTED_AGAIN_MS })
        throw doubted(target.name, DOUBTED_AGAIN_MS)
      }
      if (isAlive === undefined && !record.isFinal) {
        const restMs = ((await leaseEndsAt(target.name)) ?? now) - now
        if (restMs > 0) throw unsettled(restMs)
        return 'final'
      }
      const isOfThePast = isDoubted(record) || record.id.startsWith(RESTORED_PREFIX)
      const reason = isOfThePast ? 'store_rewound' : 'answer_lost'
      if (!(await lose(target, record, reason))) return undefined
      throw notConnected(target.name, reason, now)
    },
    /** DEAD of the protocol. False: other replicas changed the state. */
    lose,
  }
}
