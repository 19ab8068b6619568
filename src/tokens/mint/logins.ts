/** Logins at Salesforce for mints. The breaker guards them, and the table of retries repeats them. */
import type { Credential } from '../../credentials/credential.ts'
import { proofKeyIn } from '../../dpop/dpop-rule.ts'
import { BrokerError } from '../../errors/errors.ts'
import {
  type Integration,
  isDraft,
  presentsRefreshToken,
  sourceOf,
} from '../../integrations/integration.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { within } from '../../runtime/timeout.ts'
import type { KeyReference } from '../../signers/remote-key.ts'
import { restOf } from '../../signers/secret-reference.ts'
import type { Signers } from '../../signers/signers.ts'
import type { Lease } from '../serve/lease.ts'
import type { Entry } from '../serve/lease-cache.ts'
import type { Breaker } from './breaker.ts'
import {
  type BudgetSubject,
  type Charged,
  chargedForProbe,
  type LoginBudget,
  ROOM,
} from './login-budget.ts'
import type { Minter, MintOptions } from './mint.ts'
import type { Identities, MintRecords } from './opened-integration.ts'
import { saysNothing } from './refusal-memory.ts'
import { RETRIES, type RetryRow, tryAgain } from './retry.ts'

export type Logins = ReturnType<typeof createLogins>

export interface LoginsDependencies {
  readonly minter: Pick<Minter, 'client' | 'mint' | 'prove' | 'read' | 'requireThawed'>
  readonly identity: Identities
  readonly budget: LoginBudget
  readonly breaker: Breaker
  readonly signers: Pick<Signers, 'isResting'>
  readonly runtime: Pick<Runtime, 'monotonic' | 'random' | 'sleep'>
  /** Aborted when the process ends. Then there are no retries. */
  readonly stopping?: AbortSignal | undefined
}

interface LoginOptions extends Omit<MintOptions, 'signal' | 'charge'> {
  /** Charges one login, or what a probe costs. Throws `login_budget_exhausted`. */
  readonly charge: (charged?: Charged) => Promise<void>
  /** Input of the first attempt. Each retry reads it again. */
  readonly records?: Promise<MintRecords> | undefined
  /** Gets a token that arrives after the deadline. Must not throw. */
  readonly onLate?: (lease: Lease) => void
}

export function createLogins(dependencies: LoginsDependencies) {
  const { minter, identity, budget, breaker, signers, runtime, stopping } = dependencies

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

  /** A probe is a single try. Others end their tries when the breaker opens, for example by another replica. */
  const rowsFor = (integration: Integration, isProbe: boolean): readonly RetryRow[] => {
    if (presentsRefreshToken(integration)) return []
    if (isProbe) return [RETRIES.assertion]
    const isFor = (error: unknown) =>
      RETRIES.transient.isFor(error) && (isLate(error) || !breaker.isResting(integration))
    return [RETRIES.assertion, { ...RETRIES.transient, isFor }]
  }

  /** Charges a probe by its result. */
  const chargeProbe = async (charge: LoginOptions['charge'], error?: unknown): Promise<void> => {
    const charged = chargedForProbe(error)
    if (!charged) return
    try {
      await charge(charged)
    } catch (failure) {
      // The login is over. Without the store, or without room, it is not counted.
      if (!saysNothing(failure)) throw failure
    }
  }

  /** Without time, a try would say that the host does not answer. */
  const requireTime = (integration: Integration, deadlineAt: number): void => {
    if (presentsRefreshToken(integration) || runtime.monotonic() < deadlineAt) return
    throw new BrokerError('salesforce_timeout', 'The time was over before the login began')
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
      !neededKeys(integration).some(signers.isResting) &&
      !breaker.isResting(integration),
    /** The user of the next token, if this replica knows it. */
    userOf({
      integration,
      lease,
    }: Pick<Entry, 'integration' | 'lease'>): BudgetSubject | undefined {
      const { orgId, userId } = lease ?? identity.lastSeen(integration) ?? {}
      return orgId && userId ? { orgId, userId } : undefined
    },
    read: minter.read,
    requireThawed: minter.requireThawed,
    subjectOf: identity.subjectOf,
    /** Of the breaker: asks for the one probe that may be sent now. Undefined: nothing rests. */
    probe: breaker.probe,
    /** One mint with all its tries. `isProbe`: the breaker allowed this one login while something rests. Throws what a mint throws, and `salesforce_unavailable` while something rests, unless it is a probe. */
    async mint(
      integration: Integration,
      { records, ...options }: LoginOptions,
      isProbe = false,
    ): Promise<Lease> {
      const { charge } = options
      if (!isProbe) breaker.check(integration)
      requireTime(integration, options.deadlineAt)
      let begunAt = 0
      const attempt = async (tries: number) => {
        begunAt = runtime.monotonic()
        try {
          return await once(integration, {
            ...{ ...options, records: tries === 1 ? records : undefined },
            ...(isProbe && { charge: () => charge(ROOM) }),
          })
        } catch (error) {
          // The tries of a login that hangs take long. Others must not wait for the last one.
          if (isLate(error)) breaker.ended(integration, begunAt, error)
          throw error
        }
      }
      try {
        const lease = await tryAgain(runtime, rowsFor(integration, isProbe), attempt, {
          ...{ deadlineAt: options.deadlineAt, stopping },
        })
        breaker.ended(integration, begunAt)
        if (isProbe) await chargeProbe(charge)
        return lease
      } catch (error) {
        if (!isLate(error)) breaker.ended(integration, begunAt, error)
        if (isProbe) await chargeProbe(charge, error)
        throw error
      }
    },
    /** Tries each credential once, without the breaker. */
    once,
    /** Ends a rest after a success outside `mint`. */
    answered: (integration: Integration): void => breaker.ended(integration, runtime.monotonic()),
    prove: minter.prove,
    client: minter.client,
    /** Throws `identity_changed` if the lease is of another org or user than before. */
    async verify(integration: Integration, lease: Lease): Promise<void> {
      await identity.check(integration, lease, await identity.known(integration))
    },
  }
}

/** What its logins need of signers and vaults. */
const neededKeys = (integration: Integration): readonly KeyReference[] => [
  ...integration.credentials.flatMap(keysOf),
  ...[proofKeyIn(integration) ?? []].flat(),
]

/** What a credential needs of signers and vaults. */
const keysOf = ({ signer, outside }: Credential): readonly KeyReference[] => [
  ...(signer ? [signer] : []),
  ...(outside ? Object.values(outside.sources).map(restOf) : []),
]

/** Whether Salesforce did not answer in time. */
const isLate = (error: unknown): boolean =>
  error instanceof BrokerError && error.code === 'salesforce_timeout'
