/** Breaker of signers: after a failure, callers are refused at once, and one of them tries again from time to time. */
import { BrokerError } from '../errors/errors.ts'
import type { Log } from '../runtime/runtime.ts'

interface SignerBreakerDependencies {
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
  readonly log: Pick<Log, 'info' | 'warn'>
}

/** The pause after the first failure. It doubles with each one, up to the longest of its kind. */
const FIRST_MS = 1_000
/** A signer that is away returns by itself. A refusal lasts until an operator acts. */
const LONGEST_MS = { signer_unavailable: 4_000, signing_refused: 30_000 } as const

/** Most remembered targets. Whoever may write integrations can name any number of secrets that are not there. */
const TARGETS = 1_000

/** `name` alone: the whole signer. With `key`: one of its keys. */
interface Target {
  readonly name: string
  readonly key?: string
}

interface Rest {
  readonly target: Target
  readonly error: BrokerError
  readonly until: number
  readonly pauseMs: number
  readonly since: number
  readonly failures: number
}

export function createSignerBreaker({ monotonic, log }: SignerBreakerDependencies) {
  const rests = new Map<string, Rest>()

  const ended = (target: Target): void => {
    const rest = rests.get(idOf(target))
    if (!rest) return
    rests.delete(idOf(target))
    const seconds = Math.round((monotonic() - rest.since) / 1000)
    log.info(
      { signer: target.name, key: target.key, count: rest.failures, seconds },
      'a signer signs again',
    )
  }

  return {
    /** Throws the last problem while a target rests. The caller for whom it does not throw may try, and ends or renews the rest. */
    check(targets: readonly Target[]): void {
      const now = monotonic()
      const found = targets.flatMap((target) => rests.get(idOf(target)) ?? [])
      for (const rest of found) if (rest.until > now) throw again(rest, now)
      for (const rest of found) {
        rests.set(idOf(rest.target), { ...rest, until: now + rest.pauseMs })
      }
    },
    isResting: (targets: readonly Target[]): boolean =>
      targets.some((target) => rests.has(idOf(target))),
    ended,
    /** Logs the first failure in a row, and at the end their count. */
    failed(target: Target, error: BrokerError): void {
      const now = monotonic()
      const former = rests.get(idOf(target))
      const longestMs = LONGEST_MS[error.code as keyof typeof LONGEST_MS]
      const pauseMs = former ? Math.min(longestMs, former.pauseMs * 2) : FIRST_MS
      const { since = now, failures = 0 } = former ?? {}
      rests.set(idOf(target), {
        ...{ target, error, pauseMs, since },
        ...{ until: now + pauseMs, failures: failures + 1 },
      })
      const [oldest] = rests.keys()
      if (rests.size > TARGETS && oldest !== undefined) rests.delete(oldest)
      if (!former) log.warn({ signer: target.name, key: target.key, err: error }, 'a signer fails')
    },
  }
}

/** A space is in no name of a signer. */
const idOf = ({ name, key }: Target): string => (key === undefined ? name : `${name} ${key}`)

/** The same problem, for a caller that was not let through. */
function again({ error, until }: Rest, now: number): BrokerError {
  const { code, detail, remedy } = error
  return new BrokerError(code, detail, {
    ...(remedy !== undefined && { remedy }),
    ...(code === 'signer_unavailable' && { retryAfterMs: until - now }),
    isTold: true,
  })
}
