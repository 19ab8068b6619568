/** Circuit breaker for login hosts: a failing host gets no logins until its pause is over. */
import { BrokerError, type BrokerErrorOptions } from '../../errors/errors.ts'
import { isAtSource } from '../../grants/refusals/refusals.ts'
import type { Log } from '../../runtime/runtime.ts'
import { isTransient, saysNothing } from './refusal-memory.ts'
import { askedPauseMs } from './retry.ts'

export type Breaker = ReturnType<typeof createBreaker>

interface BreakerDependencies {
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
  readonly log: Pick<Log, 'info' | 'warn'>
}

const REST_MS = { least: 1_000, most: 60_000 }

interface State {
  readonly failures: number
  readonly since: number
  readonly openUntil: number
  /** Hop and remedy of the last failure. */
  readonly known: Pick<BrokerErrorOptions, 'members' | 'remedy'>
}

export function createBreaker({ monotonic, log }: BreakerDependencies) {
  const hosts = new Map<string, State>()

  const check = (host: string): void => {
    const state = hosts.get(host)
    if (!state || state.openUntil <= monotonic()) return
    throw new BrokerError(
      'salesforce_unavailable',
      'The login host failed, and is temporarily not called',
      { retryAfterMs: state.openUntil - monotonic(), ...state.known },
    )
  }

  const succeeded = (host: string): void => {
    const state = hosts.get(host)
    if (!state) return
    hosts.delete(host)
    const seconds = Math.round((monotonic() - state.since) / 1000)
    log.info({ host, count: state.failures, seconds }, 'the login host answers again')
  }

  /** Respects a `Retry-After` of Salesforce. Logs the first failure in a row, and at the end their count. */
  const failed = (host: string, error: unknown): void => {
    const { failures: before = 0, since = monotonic() } = hosts.get(host) ?? {}
    const failures = before + 1
    const restMs = Math.min(REST_MS.most, REST_MS.least * 2 ** before)
    const openUntil = monotonic() + Math.max(restMs, askedPauseMs(error))
    hosts.set(host, { failures, since, openUntil, known: knownOf(error) })
    if (before === 0) log.warn({ host, err: error }, 'the login host fails')
  }

  return {
    /** Runs a login with its retries, and records whether the host failed. Throws `salesforce_unavailable` while the breaker is open. */
    async guard<Result>(host: string, login: () => Promise<Result>): Promise<Result> {
      check(host)
      try {
        const result = await login()
        succeeded(host)
        return result
      } catch (error) {
        if (saysNothing(error) || isAtSource(error)) throw error
        if (isTransient(error)) failed(host, error)
        else succeeded(host)
        throw error
      }
    },
    succeeded,
    /** Number of hosts whose breaker is open. */
    openCount: (): number =>
      [...hosts.values()].filter(({ openUntil }) => openUntil > monotonic()).length,
  }
}

const knownOf = (error: unknown): State['known'] => {
  if (!(error instanceof BrokerError) || error.members.hop === undefined) return {}
  const { members, remedy } = error
  return { members: { hop: members.hop }, ...(remedy !== undefined && { remedy }) }
}
