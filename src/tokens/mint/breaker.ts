/** Gives a login host that fails time to recover: nobody asks it before the rest is over. */

import { BrokerError, type BrokerErrorOptions } from '../../errors/errors.ts'
import type { Log } from '../../runtime/runtime.ts'

export interface Breaker {
  /** Throws `salesforce_unavailable` while the host rests. */
  check(host: string): void
  succeeded(host: string): void
  /** The retries of one request are used up. A rest that Salesforce asked for is honoured. Only the first failure in a row is logged, and the end with their count. */
  failed(host: string, error: unknown, retryAfterMs?: number): void
  /** How many hosts rest now. */
  openCount(): number
}

export interface BreakerDependencies {
  /** Milliseconds of a clock that never steps. */
  readonly monotonic: () => number
  readonly log: Pick<Log, 'info' | 'warn'>
}

const REST_MS = { least: 1_000, most: 60_000 }

interface State {
  readonly failures: number
  readonly since: number
  readonly openUntil: number
  /** Of the last failure: where on the way it was, and what to do there. */
  readonly known: Pick<BrokerErrorOptions, 'members' | 'remedy'>
}

export function createBreaker({ monotonic, log }: BreakerDependencies): Breaker {
  const hosts = new Map<string, State>()

  return {
    check(host) {
      const state = hosts.get(host)
      if (!state || state.openUntil <= monotonic()) return
      throw new BrokerError(
        'salesforce_unavailable',
        'The login host failed, and is left alone for a while',
        { retryAfterMs: state.openUntil - monotonic(), ...state.known },
      )
    },
    succeeded(host) {
      const state = hosts.get(host)
      if (!state) return
      hosts.delete(host)
      const seconds = Math.round((monotonic() - state.since) / 1000)
      log.info({ host, count: state.failures, seconds }, 'the login host answers again')
    },
    failed(host, error, retryAfterMs = 0) {
      const { failures: before = 0, since = monotonic() } = hosts.get(host) ?? {}
      const failures = before + 1
      const restMs = Math.min(REST_MS.most, REST_MS.least * 2 ** before)
      const openUntil = monotonic() + Math.max(restMs, retryAfterMs)
      hosts.set(host, { failures, since, openUntil, known: knownOf(error) })
      if (before === 0) log.warn({ host, err: error }, 'the login host fails')
    },
    openCount: () => [...hosts.values()].filter(({ openUntil }) => openUntil > monotonic()).length,
  }
}

const knownOf = (error: unknown): State['known'] => {
  if (!(error instanceof BrokerError) || error.members.hop === undefined) return {}
  const { members, remedy } = error
  return { members: { hop: members.hop }, ...(remedy !== undefined && { remedy }) }
}
