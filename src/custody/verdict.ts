/** What may be done with a refresh token whose last presentation was never answered, and how one is given up. */
import { type Actor, type Happening, NOBODY } from '../audit/event.ts'
import type { Secret } from '../crypto/secret.ts'
import { BrokerError } from '../errors.ts'
import type { Introspection } from '../grants/grant.ts'
import { refusalOf } from '../grants/refusals.ts'
import { within } from '../http/deadline.ts'
import type { Custodies, CustodyRecord } from '../store/custody.ts'
import { type LostReason, notConnected, SETTLE_MS, unsettled } from './connection.ts'
import { DISTRUSTED } from './custody.ts'
import type { CustodyStore, Target } from './custody-store.ts'

/** Asks Salesforce whether a refresh token lives. Throws where that cannot be found out. */
export type Introspect = (refreshToken: Secret, signal: AbortSignal) => Promise<Introspection>

export interface Verdicts {
  /** `go`: it may be presented; `final`: once, without knowing, since nothing else is left. Undefined: others have gone on. Throws `integration_not_connected`, and what says to wait. */
  of(
    target: Target,
    record: CustodyRecord,
    now: number,
    introspect: Introspect,
  ): Promise<'go' | 'final' | undefined>
  /** DEAD. False: others have gone on. */
  lose(
    target: Pick<Target, 'name'>,
    of: Pick<CustodyRecord, 'family' | 'g' | 'id'>,
    reason: LostReason,
  ): Promise<boolean>
}

export interface VerdictsDependencies {
  readonly store: Pick<CustodyStore, 'open'>
  readonly custody: Pick<Custodies, 'kill'>
  /** Until when the current lease of an integration serves; undefined: there is none. */
  readonly leaseEndsAt: (name: string) => Promise<number | undefined>
  /** It has no refresh token that works any more. Must not throw. */
  readonly onLost: (reason: LostReason) => void
  readonly audit: { background(by: Actor, happening: Happening): void }
  readonly log: {
    warn(bindings: object, message: string): void
    error(bindings: object, message: string): void
  }
}

const INTROSPECTION_MS = 4_000

export function createVerdicts(dependencies: VerdictsDependencies): Verdicts {
  const { store, custody, leaseEndsAt, onLost, audit, log } = dependencies

  const lose: Verdicts['lose'] = async ({ name }, { family, g, id }, reason) => {
    const isOurs = await custody.kill(name, { family, g, id, reason })
    if (isOurs) {
      log.error({ integration: name, reason }, 'the integration is not connected any more')
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

  /** Undefined: Salesforce does not tell. */
  const ask = async (
    target: Target,
    record: CustodyRecord,
    introspect: Introspect,
  ): Promise<boolean | undefined> => {
    const { token } = await store.open(target, record)
    try {
      const asked = await within(INTROSPECTION_MS, (signal) => introspect(token, signal))
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
    async of(target, record, now, introspect) {
      if (record.state === 'idle') return 'go'
      const ageMs = now - record.at
      if (ageMs < SETTLE_MS) throw unsettled(SETTLE_MS - ageMs)
      const isAlive = await ask(target, record, introspect)
      if (isAlive) return 'go'
      if (isAlive === undefined && !record.isFinal) {
        const restMs = ((await leaseEndsAt(target.name)) ?? now) - now
        if (restMs > 0) throw unsettled(restMs)
        return 'final'
      }
      const reason = record.id.startsWith(DISTRUSTED) ? 'store_rewound' : 'answer_lost'
      if (!(await lose(target, record, reason))) return undefined
      throw notConnected(target.name, reason, now)
    },
    lose,
  }
}
