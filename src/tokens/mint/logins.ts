/** Logins at Salesforce for mints. The breaker of the login host guards them, and the table of retries repeats them. */
import {
  type Integration,
  isDraft,
  presentsRefreshToken,
  sourceOf,
} from '../../integrations/integration.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { within } from '../../runtime/timeout.ts'
import type { Lease } from '../serve/lease.ts'
import type { Breaker } from './breaker.ts'
import type { LoginBudget } from './login-budget.ts'
import type { Minter, MintOptions } from './mint.ts'
import type { Identities, MintRecords } from './opened-integration.ts'
import { RETRIES, tryAgain } from './retry.ts'

export type Logins = ReturnType<typeof createLogins>

export interface LoginsDependencies {
  readonly minter: Pick<Minter, 'mint' | 'prove' | 'read'>
  readonly identity: Identities
  readonly budget: LoginBudget
  readonly breaker: Breaker
  readonly runtime: Pick<Runtime, 'monotonic' | 'random' | 'sleep'>
  /** Aborted when the process ends. Then there are no retries. */
  readonly stopping?: AbortSignal | undefined
}

interface LoginOptions extends Omit<MintOptions, 'signal'> {
  /** Input of the first attempt. Each retry reads it again. */
  readonly records?: Promise<MintRecords> | undefined
  /** Gets a token that arrives after the deadline. Must not throw. */
  readonly onLate?: (lease: Lease) => void
}

export function createLogins(dependencies: LoginsDependencies) {
  const { minter, identity, budget, breaker, runtime, stopping } = dependencies

  /** A mint with a refresh token has no deadline and is never aborted, because the refresh token is presented once and its answer must not be lost. */
  const once = (
    integration: Integration,
    { records, onLate, ...options }: LoginOptions,
  ): Promise<Lease> => {
    const { name } = integration
    if (presentsRefreshToken(integration)) return minter.mint(name, options, records)
    return within(
      options.deadlineAt - runtime.monotonic(),
      (signal) => minter.mint(name, { ...options, signal }, records),
      { ...(onLate && { dispose: onLate }) },
    )
  }

  return {
    charge: budget.charge,
    chargeUnderLock: budget.chargeUnderLock,
    /** Whether nothing that is known keeps the next mint from a login. */
    isLikely: (integration: Integration): boolean =>
      integration.enabled &&
      integration.credentialFrom === null &&
      sourceOf(integration) === undefined &&
      !presentsRefreshToken(integration) &&
      !isDraft(integration) &&
      breaker.openCount() === 0,
    read: minter.read,
    subjectOf: identity.subjectOf,
    /** One mint with all its tries. Throws what a mint throws. */
    mint(integration: Integration, { records, ...options }: LoginOptions): Promise<Lease> {
      const rows = presentsRefreshToken(integration) ? [] : [RETRIES.assertion, RETRIES.transient]
      const attempt = (tries: number) =>
        once(integration, { ...options, records: tries === 1 ? records : undefined })
      return breaker.guard(new URL(integration.loginUrl).host, () =>
        tryAgain(runtime, rows, attempt, { deadlineAt: options.deadlineAt, stopping }),
      )
    },
    /** Tries each credential once, without the breaker. */
    once,
    /** Closes the breaker after a success outside `mint`. */
    answered: ({ loginUrl }: Integration): void => breaker.succeeded(new URL(loginUrl).host),
    prove: minter.prove,
    /** Throws `identity_changed` if the lease is of another org or user than before. */
    async verify(integration: Integration, lease: Lease): Promise<void> {
      await identity.check(integration, lease, await identity.known(integration))
    },
  }
}
